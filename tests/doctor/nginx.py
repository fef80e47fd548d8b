"""nginx in front of a server as the deployment guide sets it up, with TLS and HTTP/2."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.doctor.certificates import certificate
from tests.nginx import nginx


@contextmanager
def in_front(url: str) -> Iterator[str]:
    """Run nginx, with a certificate for localhost, and give its address."""
    with certificate(60) as file:
        server = (
            f"ssl_certificate {file}; ssl_certificate_key {file};\n"
            f"location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_set_header Host $host;\n"
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_read_timeout 75s;\n"
            "client_max_body_size 1m; }"
        )
        with nginx("ssl http2", server) as port:
            yield f"https://localhost:{port}"
