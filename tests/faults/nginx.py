"""nginx with gzip for everything and its default buffers, as a site's operator may have put it in front."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_front(url: str) -> Iterator[str]:
    """Run nginx in front of a server, and give its URL."""
    binary = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    assert binary, "nginx is not installed; run: apt-get install nginx-light"
    folder = Path(tempfile.mkdtemp(prefix="citeside-nginx-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {places}\n"
        "gzip on; gzip_min_length 0; gzip_proxied any; gzip_types *;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {url}; proxy_http_version 1.1; }} }} }}\n"
    )
    words = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    nginx = subprocess.Popen(words, start_new_session=True)
    try:
        for _ in range(200):
            assert nginx.poll() is None, (folder / "error.log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
