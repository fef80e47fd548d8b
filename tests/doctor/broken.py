"""Deployments that are broken, each in one way, and what the doctor must say of each."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from evals.mock_openai import Script, mock_openai
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.index import Keywords, open_writer
from persistence.passages import IndexedPassage
from server.doctor.findings import Outcome
from server.doctor.machine import Machine
from server.doctor.remote import Deployment, open_deployment
from tests.doctor.certificates import certificate
from tests.doctor.proxy import in_front
from tests.doctor.standing import ORIGIN, Standing
from tests.persistence.engines import Letters, passage
from tests.postgres_fixtures import connection_to, create_database

Subject = Machine | Deployment
SECRET = "hunter2"


@dataclass(frozen=True)
class Broken:
    """One way to break a deployment: which checks are not good any more, and words of how the first is mended."""

    name: str
    subject: Callable[[Standing], AbstractAsyncContextManager[Subject]]
    found: dict[str, Outcome]
    mend: str


def _set(**changes: object) -> Callable[[Standing], AbstractAsyncContextManager[Subject]]:
    @asynccontextmanager
    async def subject(standing: Standing) -> AsyncIterator[Subject]:
        yield Machine(standing.but(**changes), folder=standing.folder)

    return subject


def _behind(origin: str = ORIGIN, **meddling: object) -> Callable[[Standing], AbstractAsyncContextManager[Subject]]:
    @asynccontextmanager
    async def subject(standing: Standing) -> AsyncIterator[Subject]:
        async with (
            in_front(standing.url, **meddling) as url,
            open_deployment(url, origin, standing.settings) as deployment,
        ):
            yield deployment

    return subject


def _tls(days: float, *, trusted: bool = True) -> Callable[[Standing], AbstractAsyncContextManager[Subject]]:
    @asynccontextmanager
    async def subject(standing: Standing) -> AsyncIterator[Subject]:
        with certificate(days, trusted=trusted) as file:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(file)
            async with (
                in_front(standing.url, tls) as url,
                open_deployment(url, ORIGIN, standing.settings) as deployment,
            ):
                yield deployment

    return subject


def _model(script: Script) -> Callable[[Standing], AbstractAsyncContextManager[Subject]]:
    @asynccontextmanager
    async def subject(standing: Standing) -> AsyncIterator[Subject]:
        async with mock_openai(script) as url:
            yield Machine(standing.but(openai_base_url=url), folder=standing.folder)

    return subject


@asynccontextmanager
async def _unmigrated(standing: Standing) -> AsyncIterator[Subject]:
    yield Machine(standing.but(database_url=await create_database(standing.server_url)), folder=standing.folder)


@asynccontextmanager
async def _not_ingested(standing: Standing) -> AsyncIterator[Subject]:
    yield Machine(standing.but(data_dir=standing.folder / "not-ingested"), folder=standing.folder)


@asynccontextmanager
async def _skewed(standing: Standing) -> AsyncIterator[Subject]:
    """A database whose clock is an hour ahead: a function of its own is found before the system's."""
    url = await create_database(standing.server_url)
    name = urlsplit(url).path.strip("/")
    async with connection_to(url) as connection:
        await connection.execute(
            "create schema skewed; create function skewed.clock_timestamp() returns timestamptz language sql as "
            f"$$ select pg_catalog.clock_timestamp() + interval '1 hour' $$; "
            f"alter database {name} set search_path = skewed, pg_catalog, public"
        )
    yield Machine(standing.but(database_url=url), folder=standing.folder)


@asynccontextmanager
async def _wrong_password(standing: Standing) -> AsyncIterator[Subject]:
    """A Postgres that asks for passwords, and settings with another one."""
    folder = Path(tempfile.mkdtemp(prefix="citeside-doctor-"))
    folder.chmod(0o711)
    rules = folder / "rules"
    rules.write_text("local all guarded scram-sha-256\nlocal all all trust\n")
    server = EmbeddedPostgres(folder / "postgres", {"fsync": "off", "hba_file": str(rules)})
    await asyncio.to_thread(server.start)
    try:
        async with connection_to(server.url) as connection:
            await connection.execute("create role guarded login password 'right'")
        parts = urlsplit(server.url)
        url = urlunsplit(parts._replace(netloc=f"guarded:{quote(SECRET)}@"))
        yield Machine(standing.but(database_url=url), folder=standing.folder)
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(folder)


@asynccontextmanager
async def _locked_qdrant(standing: Standing) -> AsyncIterator[Subject]:
    """A Qdrant that answers as one does whose key is another."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"Must provide an API key or an Authorization bearer token"
        writer.write(
            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
        )
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Machine(standing.but(qdrant_url=f"http://127.0.0.1:{port}"), folder=standing.folder)


@asynccontextmanager
async def _other_index(standing: Standing) -> AsyncIterator[Subject]:
    """An index that another embedding model made."""
    data = standing.folder / "other-index"
    passages: list[IndexedPassage] = [passage("docs/intro", "A notebook holds pages.")]
    embedder = Letters()
    async with open_writer(data, embedder, Keywords.of(passages), url=None, api_key=None) as writer:
        await writer.add(passages, next(embedder.embed_passages([passages[0].text])))
        await writer.publish(base_url="https://docs.example/", default_locale="en", pages={})
    yield Machine(standing.but(data_dir=data), folder=standing.folder)


@asynccontextmanager
async def _shadowed(standing: Standing) -> AsyncIterator[Subject]:
    """A folder with packages of the reader's own, whose names are ours."""
    folder = standing.folder / "project"
    (folder / "migrations").mkdir(parents=True, exist_ok=True)
    (folder / "migrations" / "__init__.py").touch()
    (folder / "server.py").touch()
    yield Machine(standing.settings, folder=folder)


@asynccontextmanager
async def _told_everybody(standing: Standing) -> AsyncIterator[Subject]:
    """A file of secrets with the mode that editors give it."""
    folder = standing.folder / "told"
    folder.mkdir(exist_ok=True)
    (folder / ".env").write_text("OPENAI_API_KEY=\n")
    (folder / ".env").chmod(0o644)
    yield Machine(standing.settings, folder=folder)


@asynccontextmanager
async def _in_the_way(standing: Standing) -> AsyncIterator[Subject]:
    """A data folder that cannot be made, for a file stands where its parent should."""
    (standing.folder / "file").touch()
    yield Machine(standing.but(data_dir=standing.folder / "file" / "data"), folder=standing.folder)


@asynccontextmanager
async def _away(standing: Standing) -> AsyncIterator[Subject]:
    async with open_deployment("http://127.0.0.1:9", ORIGIN, standing.settings) as deployment:
        yield deployment


NO_STREAM = b'{"choices": [{"index": 0, "message": {"content": "1 2 3"}, "finish_reason": "stop"}]}'
COUNTED = " ".join(map(str, range(1, 21)))
REMOTE = f"postgresql://reader:{SECRET}@db.invalid/citeside"

BROKEN = (
    Broken("the database has no tables", _unmigrated, {"migrations": "fail"}, "Run `citeside migrate`."),
    Broken("the database takes another password", _wrong_password, {"database": "fail"}, "Correct user, password"),
    Broken(
        "the way to a remote database is not encrypted",
        _set(database_url=REMOTE),
        {"database-url": "fail", "database": "fail"},
        "sslmode=verify-full",
    ),
    Broken(
        "the database's clock is wrong", _skewed, {"migrations": "fail", "database-clock": "fail"}, "citeside migrate"
    ),
    Broken("nothing was ingested", _not_ingested, {"index": "fail"}, "Run `citeside ingest`"),
    Broken("another embedding model made the index", _other_index, {"index": "fail"}, "CITESIDE_EMBEDDING_MODEL"),
    Broken(
        "Qdrant is away",
        _set(qdrant_url="http://127.0.0.1:9"),
        {"qdrant": "fail"},
        "QDRANT_URL",
    ),
    Broken("Qdrant wants a key", _locked_qdrant, {"qdrant": "fail"}, "QDRANT_API_KEY"),
    Broken(
        "the key of Qdrant can be read on its way",
        _set(qdrant_url="http://qdrant.example:6333", qdrant_api_key=SECRET),
        {"qdrant": "fail"},
        "https",
    ),
    Broken(
        "the model refuses the key", _model(Script(fault="status", status=401)), {"model": "fail"}, "OPENAI_API_KEY"
    ),
    Broken("there is no such model", _model(Script(fault="status", status=404)), {"model": "fail"}, "CITESIDE_MODEL"),
    Broken("the model says all at once", _model(Script(pieces=[COUNTED])), {"model": "warn"}, "buffering"),
    Broken("the model does not stream", _model(Script(raw=NO_STREAM)), {"model": "fail"}, "Turn streaming on"),
    Broken("the model is away", _set(openai_base_url="http://127.0.0.1:9/v1"), {"model": "fail"}, "OPENAI_BASE_URL"),
    Broken("our packages are hidden", _shadowed, {"packages": "fail"}, "PYTHONPATH"),
    Broken("everybody may read .env", _told_everybody, {"env-file": "fail"}, "chmod 600"),
    Broken("the data folder is in the way", _in_the_way, {"data-folder": "fail"}, "chown"),
    Broken("the token can be guessed", _set(admin_token="letmein"), {"admin-token": "fail"}, "openssl rand"),
    Broken(
        "nobody is limited",
        _set(turns_per_minute=0, turns_per_hour=0, address_turns_per_minute=0),
        {"limits": "fail"},
        "CITESIDE_TURNS_PER_MINUTE",
    ),
    Broken("nothing bounds the cost", _set(daily_tokens=0), {"limits": "fail"}, "CITESIDE_DAILY_TOKENS"),
    Broken("one limit is off", _set(address_running_turns=0), {"limits": "warn"}, "ADDRESS_RUNNING_TURNS"),
    Broken("everybody is a proxy", _set(trusted_proxies="0.0.0.0/0"), {"proxies": "fail"}, "your own proxies"),
    Broken("the proxy was forgotten", _set(trusted_proxies=()), {"proxies": "warn"}, "CITESIDE_TRUSTED_PROXIES"),
    Broken("nothing is ever deleted", _set(retention_days=0), {"retention": "warn"}, "CITESIDE_RETENTION_DAYS"),
    Broken("traces go nowhere", _set(langsmith_tracing=True), {"tracing": "fail"}, "LANGSMITH_API_KEY"),
    Broken(
        "only this machine may ask", _set(cors_origins="http://localhost:3000"), {"origins": "warn"}, "CORS_ORIGINS"
    ),
    Broken("nothing answers", _away, {"alive": "fail"}, "See that the server runs"),
    Broken("the address leads on", _behind(leads_on="https://ask.example/"), {"alive": "fail"}, "answers itself"),
    Broken("the site's origin is not allowed", _behind("https://other.example"), {"cors": "fail"}, "Add"),
    Broken(
        "the proxy allows everybody",
        _behind(echoes=True),
        {"cors": "fail", "strangers": "fail"},
        "no CORS",
    ),
    Broken("the proxy drops preflights", _behind(hides="OPTIONS"), {"cors": "fail"}, "pass OPTIONS"),
    Broken("the proxy drops DELETE", _behind(hides="DELETE"), {"erased": "fail"}, "pass DELETE"),
    Broken(
        "the proxy takes small bodies only", _behind(largest=100_000), {"body-limit": "fail"}, "client_max_body_size"
    ),
    Broken("the proxy collects the stream", _behind(collects=True), {"pace": "fail"}, "proxy_buffering off"),
    Broken(
        "the proxy compresses the stream", _behind(compresses=True), {"stream": "warn", "pace": "fail"}, "compresses"
    ),
    Broken("the proxy cuts the stream", _behind(cuts_after=0.3), {"stream": "fail"}, "proxy_read_timeout"),
    Broken("the proxy strips Last-Event-ID", _behind(strips="last-event-id"), {"resume": "fail"}, "Last-Event-ID"),
    Broken("the server's clock is wrong", _behind(clock_ahead=3_600), {"clock": "fail"}, "NTP"),
    Broken(
        "everybody may read the figures", _behind(publishes="/metrics"), {"metrics": "fail"}, "CITESIDE_ADMIN_TOKEN"
    ),
    Broken(
        "the proxy hides headers", _behind(drops="access-control-expose-headers"), {"exposed": "fail"}, "CORS headers"
    ),
    Broken("something else answers", _behind(publishes="/healthz"), {"alive": "fail"}, "Let the proxy pass the path"),
    Broken("the certificate has expired", _tls(-1), {"tls": "fail"}, "Renew it"),
    Broken("the certificate is nobody's", _tls(60, trusted=False), {"tls": "fail"}, "Renew it"),
    Broken("the certificate soon expires", _tls(10), {"tls": "warn", "http2": "warn"}, "Renew it"),
)
