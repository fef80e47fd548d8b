"""Starts the servers of a benchmark, each one process on a loopback port of its own, weighs them and stops them."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from evals.bench.turns.plan import STARTS_WITHIN
from graph.errors import CitesideError
from server.cli.child import DRAIN_SECONDS
from server.cli.serve import listen

LOG_LINES = 12

_FOREIGN = ("OPENAI_", "DATABASE_URL", "QDRANT_", "LANGSMITH_", "LANGCHAIN_", "CITESIDE_", "PG")
"""Variables of the machine that would change what is measured."""


@dataclass(frozen=True, slots=True)
class Child:
    """A server that was started."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    async def ready(self) -> None:
        """Wait until it answers a request. Raises CitesideError when it ended, or takes too long."""
        try:
            async with asyncio.timeout(STARTS_WITHIN):
                while not await _answers(self.port):
                    if self.process.poll() is not None:
                        raise CitesideError(f"ended with code {self.process.returncode} before it served")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise CitesideError(f"did not serve within {STARTS_WITHIN:.0f} s") from None

    def last_words(self) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:])


@contextmanager
def child(name: str, module: str, folder: Path, variables: Mapping[str, str]) -> Iterator[Child]:
    """Run a module of ours with a listening socket, its log in `folder`; stop it at the end, by force if need be."""
    log = folder / f"{name}.log"
    with listen("127.0.0.1", 0) as listening, log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(variables),
            pass_fds=[listening.fileno()],
            start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in order
        )
        port: int = listening.getsockname()[1]
    try:
        yield Child(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return {**kept, "LANGSMITH_TRACING": "false", **variables}


async def _answers(port: int) -> bool:
    """Wait for any answer of a server that listens already, though it may still start; False when it went away."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        try:
            return bool(await reader.readline())
        finally:
            writer.close()
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Use:
    """What a process and its children took from the machine so far."""

    cpu_seconds: float
    resident_bytes: int


def use(pid: int) -> Use:
    """Return the CPU time, user and system, of a process with its children, ended ones too, and their memory."""
    root = psutil.Process(pid)
    ended = root.cpu_times()
    seconds, resident = ended.children_user + ended.children_system, 0
    for process in [root, *root.children(recursive=True)]:
        try:
            seconds += _cpu_seconds(process)
            resident += process.memory_info().rss
        except (psutil.NoSuchProcess, OSError):
            continue  # it has just ended
    return Use(seconds, resident)


def _cpu_seconds(process: psutil.Process) -> float:
    """Return the time of a process in ticks of 10 ms, or exactly where Linux tells it: for processes of one thread.

    Those of Postgres are such, and a turn costs each of them less than a tick.
    """
    exact = Path(f"/proc/{process.pid}/schedstat")
    if process.num_threads() == 1 and exact.exists():
        return int(exact.read_text().split()[0]) / 1e9
    times = process.cpu_times()
    return times.user + times.system
