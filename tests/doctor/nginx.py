"""nginx in front of a server as the deployment guide sets it up, with TLS and HTTP/2."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.doctor.certificates import certificate

PLACES = ("/usr/sbin", "/usr/bin")


def binary() -> str | None:
    """Return where nginx is."""
    return shutil.which("nginx", path=os.pathsep.join(PLACES))


@contextmanager
def in_front(url: str, *, days: float = 60) -> Iterator[str]:
    """Run nginx, with a certificate for localhost that ends in so many days, and give its address."""
    nginx = binary()
    assert nginx, "nginx is not installed; run: apt-get install nginx-light"
    folder = Path(tempfile.mkdtemp(prefix="citeside-nginx-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    with certificate(days) as file:
        (folder / "nginx.conf").write_text(
            f"{'user root; ' * (os.geteuid() == 0)}daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
            f"events {{}}\nhttp {{ access_log off; {places}\n"
            f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {file}; ssl_certificate_key {file};\n"
            f"location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_set_header Host $host;\n"
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_read_timeout 75s;\n"
            "client_max_body_size 1m; } } }\n"
        )
        words = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        running = subprocess.Popen(words, start_new_session=True)
        try:
            for _ in range(200):
                assert running.poll() is None, (folder / "error.log").read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"https://localhost:{port}"
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(10)
            shutil.rmtree(folder, ignore_errors=True)
