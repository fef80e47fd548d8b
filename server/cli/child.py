"""Runs programs and servers as child processes and stops them with whoever started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from graph.errors import CitesideError
from server.cli.serve import STOP_SECONDS, running_server

CITESIDE = (sys.executable, "-P", "-m", "server.cli")
"""This very command line; without -P a `server.py` in the reader's folder would be taken for ours."""

DRAIN_SECONDS = 35
"""More than a server takes for turns that still run when its connections are closed."""

READY_SECONDS = 120
"""A first start makes a database and builds the embedding model; on a slow disk that takes a while."""


@contextmanager
def child_server(data_dir: Path, *words: str, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `citeside serve` on `data_dir` with further `words` and give its URL once it serves; stop it at the end.

    Its log goes to `server.log` in the data folder. Raises CitesideError with the child's own last line when it
    ends before it serves.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "server.log").open("w+") as log:
        child = subprocess.Popen(
            [*CITESIDE, "serve", "--data-dir", str(data_dir), *words],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})},
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
        try:
            yield _ready(child, data_dir, log)
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(STOP_SECONDS + DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def run_to_its_end(
    words: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> tuple[int, str]:
    """Run a program and return its exit code and, with `stdout` a pipe, all it said.

    When we are interrupted all of its processes are stopped in order: npm would leave its children behind.
    """
    with subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stdout and subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            output, _ = child.communicate()
        except KeyboardInterrupt:
            with suppress(ProcessLookupError):  # it ended this very moment
                os.killpg(child.pid, signal.SIGTERM)
            child.wait()  # Popen itself waits a quarter of a second
            raise
    return child.returncode, output or ""


def _ready(child: subprocess.Popen[bytes], data_dir: Path, log: IO[str]) -> str:
    import httpx

    for _ in range(READY_SECONDS * 20):
        if child.poll() is not None:
            log.seek(0)
            lines = log.read().strip().splitlines()
            raise CitesideError(lines[-1].removeprefix("citeside serve: ") if lines else "The server did not start.")
        url = running_server(data_dir)
        try:
            if url and httpx.get(f"{url}/healthz", trust_env=False).is_success:
                return url
        except httpx.TransportError:
            pass  # bound, not yet accepting
        time.sleep(0.05)
    raise CitesideError(f"The server was not ready after {READY_SECONDS} s; its log is {data_dir / 'server.log'}.")
