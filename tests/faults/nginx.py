"""nginx with gzip for everything and its default buffers, as a site's operator may have put it in front."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.nginx import nginx


@contextmanager
def in_front(url: str) -> Iterator[str]:
    """Run nginx in front of a server, and give its URL."""
    server = (
        "gzip on; gzip_min_length 0; gzip_proxied any; gzip_types *;\n"
        f"location / {{ proxy_pass {url}; proxy_http_version 1.1; }}"
    )
    with nginx("", server) as port:
        yield f"http://127.0.0.1:{port}"
