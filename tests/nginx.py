"""nginx in front of a server, on a free port of loopback."""

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


def binary() -> str | None:
    """Return where nginx is."""
    return shutil.which("nginx", path="/usr/sbin:/usr/bin")


@contextmanager
def nginx(listen: str, server: str) -> Iterator[int]:
    """Run nginx meanwhile, with words that follow its address in `listen` and those of its server; give its port."""
    program = binary()
    assert program, "nginx is not installed; run: apt-get install nginx-light"
    folder = Path(tempfile.mkdtemp(prefix="citeside-nginx-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"{'user root; ' * (os.geteuid() == 0)}daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; {places}\nserver {{ listen 127.0.0.1:{port} {listen};\n{server}\n}} }}\n"
    )
    words = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    running = subprocess.Popen(words, start_new_session=True)
    try:
        give_up = time.monotonic() + 10
        while not _listens(port):
            assert running.poll() is None and time.monotonic() < give_up, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
