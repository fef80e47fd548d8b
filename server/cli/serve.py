"""`citeside serve`: the HTTP server in this process."""

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graph.errors import CitesideError, ConfigurationError

if TYPE_CHECKING:
    from server.service import Service
    from server.settings import Settings

STOP_SECONDS = 25
"""Given to open connections when the server stops; the turns behind them get 20 s of it."""


class Serve:
    """Serves the API until it is interrupted."""

    name = "serve"
    help = "Serve the API on this machine."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the address."""
        parser.add_argument("--host", help="address to listen on (default: CITESIDE_HOST, else 127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on, 0 for any (default: CITESIDE_PORT, else 8000)")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Serve; when the start fails, say why in one line."""
        given = {name: getattr(args, name) for name in ("host", "port") if getattr(args, name) is not None}
        settings = settings.model_copy(update=given)
        with listen(settings.host, settings.port) as listening:
            return _serve(settings, listening)


command = Serve()


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """Return a socket that listens on the address, so that no other server can take it while this one starts.

    Raises ConfigurationError when it is taken or not of this machine, naming the option that chooses another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()  # bound alone, SO_REUSEADDR would let a second server bind it too
    except (OSError, OverflowError) as error:
        bound.close()
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on ({getattr(error, 'strerror', None) or error}). Choose another port "
            f"with {option}."
        ) from error
    return bound


def running_server(data_dir: Path) -> str | None:
    """Return the URL of the server that runs on this data folder; None when there is none that listens."""
    try:
        url = json.loads((data_dir / "server.json").read_text())["url"]
        where = urlsplit(url)
        socket.create_connection((where.hostname, where.port), timeout=1).close()
    except (OSError, ValueError, KeyError):
        return None
    return url


def _serve(settings: "Settings", listening: socket.socket) -> int:
    import uvicorn

    from server.app import create_app
    from server.logs import configure_logs
    from server.service import open_service

    configure_logs()
    failures: list[CitesideError] = []
    host, port = listening.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @asynccontextmanager
    async def opening(settings: "Settings") -> AsyncIterator["Service"]:
        try:
            async with open_service(settings) as service:
                with _noted(settings.data_dir, url):
                    print(f"citeside serves on {url}", file=sys.stderr, flush=True)
                    yield service
        except CitesideError as error:
            failures.append(error)
            raise

    # A start that failed is told below in one line; uvicorn would write a stack trace first.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not failures)
    config = uvicorn.Config(
        create_app(settings, opening=opening),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal that stopped it once more when it is done, and exits when the start failed.
    with suppress(KeyboardInterrupt, SystemExit):
        server.run(sockets=[listening])
    if failures:
        raise failures[0]
    return 0 if server.started else 1


class _noted:
    """Leaves a note in the data folder that tells other commands where this server listens."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self._file = data_dir / "server.json"
        self._note = json.dumps({"pid": os.getpid(), "url": url})

    def __enter__(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._note)

    def __exit__(self, *_: object) -> None:
        self._file.unlink(missing_ok=True)
