"""`citeside serve`: the HTTP server, in this process or in several workers behind one socket."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graph.errors import CitesideError, ConfigurationError
from server.cli.reingest import duration, reingesting

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from server.service import Service
    from server.settings import Settings
    from server.turns import TurnEngine

NOTE = "server.json"
"""In the data folder: where the server that uses it listens."""

STOP_SECONDS = 25
"""Given to open connections when the server stops; the turns behind them get 20 s of it."""


class Serve:
    """Serves the API until it is interrupted."""

    name = "serve"
    help = "Serve the API on this machine."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the address, the number of workers, and the site to follow."""
        parser.add_argument("--host", help="address to listen on (default: CITESIDE_HOST, else 127.0.0.1)")
        parser.add_argument("--port", type=int, help="port to listen on, 0 for any (default: CITESIDE_PORT, else 8000)")
        parser.add_argument(
            "--workers", type=int, default=1, metavar="N", help="processes to serve with; more than one need QDRANT_URL"
        )
        parser.add_argument(
            "--reingest", metavar="URL", help="ingest this site or sitemap now and again, while the server serves"
        )
        parser.add_argument(
            "--allow-private",
            action="store_true",
            help="let --reingest read a URL on this machine or in a private network",
        )
        parser.add_argument(
            "--every", type=duration, default="6h", metavar="TIME", help="how often, such as 30m or 6h (default: 6h)"
        )

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Serve; when the start fails, say why in one line."""
        given = {name: getattr(args, name) for name in ("host", "port") if getattr(args, name) is not None}
        settings = settings.model_copy(update=given)
        if args.workers < 1:
            raise ConfigurationError(f"--workers {args.workers}: one is the least")
        if args.workers > 1:
            _several_can_share(settings)
        follow = nullcontext()
        if args.reingest:
            follow = reingesting(args.reingest, args.every, settings.data_dir, allow_private=args.allow_private)
        with listen(settings.host, settings.port) as listening, follow:
            return _serve(settings, listening) if args.workers == 1 else _supervise(settings, listening, args.workers)


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
    url = _noted(data_dir)
    if url is None:
        return None
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname, where.port), timeout=1).close()
    except (OSError, ValueError):
        return None
    return url


def _several_can_share(settings: "Settings") -> None:
    """Refuse several workers where each would need what has one owner. Raises ConfigurationError."""
    lacking = [
        name
        for name, value in (("DATABASE_URL", settings.database_url), ("QDRANT_URL", settings.qdrant_url))
        if value is None
    ]
    if lacking:
        raise ConfigurationError(
            f"several workers need {' and '.join(lacking)}: an embedded index has one owner, and a database that "
            "workers share should outlive them. Set them, or serve with one worker."
        )


def _serve(settings: "Settings", listening: socket.socket) -> int:
    """Serve in this process."""
    import uvicorn

    failures: list[CitesideError] = []
    server = uvicorn.Server(_config(partial(_application, settings, _url(listening), failures.append)))
    # uvicorn raises the signal that stopped it once more when it is done, and exits when the start failed.
    with _forgotten(settings.data_dir, _url(listening)), suppress(KeyboardInterrupt, SystemExit):
        server.run(sockets=[listening])
    if failures:
        raise failures[0]
    return 0 if server.started else 1


def _supervise(settings: "Settings", listening: socket.socket, workers: int) -> int:
    """Serve in several processes that accept from one socket; one that dies is replaced."""
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from server.logs import configure_logs

    configure_logs()
    config = _config(partial(_application, settings, _url(listening), _tell), workers)
    supervisor = Multiprocess(config, sockets=[listening])
    with _forgotten(settings.data_dir, _url(listening)), _counted_together():
        supervisor.run()
    return 1 if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes) else 0


@contextmanager
def _counted_together() -> Iterator[None]:
    """Give the workers a folder to count in, for a scrape reaches one of them and means them all."""
    with TemporaryDirectory(prefix="citeside-metrics-") as folder:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)
        yield


def _config(application: "partial[FastAPI]", workers: int = 1) -> "uvicorn.Config":
    import uvicorn

    return uvicorn.Config(
        application,
        factory=True,
        workers=workers,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_SECONDS,
        server_header=False,
        proxy_headers=False,  # `server.addresses` decides whose word on the address counts
    )


def _application(settings: "Settings", url: str, failed: Callable[[CitesideError], None]) -> "FastAPI":
    """Make the application of a worker, which says where it serves, and drains as soon as it is told to stop."""
    from uvicorn.config import STARTUP_FAILURE

    from server.app import create_app
    from server.logs import configure_logs, log_for
    from server.service import open_service

    configure_logs()
    failures: list[CitesideError] = []
    # A start that failed is told in one line; uvicorn would write a stack trace first.
    logging.getLogger("uvicorn.error").addFilter(lambda _: not failures)

    @asynccontextmanager
    async def opening(settings: "Settings") -> AsyncIterator["Service"]:
        try:
            async with open_service(settings) as service:
                with _draining(service.engine):
                    _note(settings.data_dir, url)
                    print(f"citeside serves on {url}", file=sys.stderr, flush=True)
                    yield service
        except CitesideError as error:
            failures.append(error)
            failed(error)
            raise
        except Exception as error:
            log_for(__name__).error("service failed", exc_info=error)
            raise

    try:
        return create_app(settings, opening=opening)
    except CitesideError as error:
        failed(error)
        sys.exit(STARTUP_FAILURE)  # else a supervisor would start worker after worker


def _tell(error: CitesideError) -> None:
    sys.stderr.write(f"citeside serve: {error}\n")  # whole, or the lines of several workers get mixed


@contextmanager
def _draining(engine: "TurnEngine") -> Iterator[None]:
    """Let turns begin to end at the signal, beside the connections of their readers: uvicorn tells the application
    only when the last connection is gone, and a stream is gone only when its turn has ended."""
    loop = asyncio.get_running_loop()
    drains: set[asyncio.Task[None]] = set()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def begin() -> None:
        if not drains:
            drains.add(loop.create_task(engine.drain()))

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _note(data_dir: Path, url: str) -> None:
    """Tell other commands, by a file in the data folder, where this server listens."""
    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / NOTE).write_text(json.dumps({"pid": os.getpid(), "url": url}))


@contextmanager
def _forgotten(data_dir: Path, url: str) -> Iterator[None]:
    """Take our note away at the end, and nobody else's."""
    try:
        yield
    finally:
        if _noted(data_dir) == url:
            (data_dir / NOTE).unlink(missing_ok=True)


def _noted(data_dir: Path) -> str | None:
    try:
        return json.loads((data_dir / NOTE).read_text())["url"]
    except (OSError, ValueError, KeyError):
        return None
