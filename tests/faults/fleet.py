"""Two workers on one database, each its own process with its own data folder and its own wire to the database."""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from anyio.from_thread import BlockingPortal

from server.cli.serve import running_server
from tests.faults.databases import DatabaseServer, url
from tests.faults.model import Model
from tests.faults.wire import Address, Wire, open_wire
from tests.faults.worker import CLOCKS
from tests.unlimited import NO_LIMITS_IN_THE_ENVIRONMENT

LEASE = 4.0
MODEL_TIMEOUT = 3.0
DRAIN = 3.0
QUICK_CLOCKS = {
    "persistence.postgres.COMMAND_TIMEOUT_S": 2.0,
    "persistence.postgres.DEADLINE_S": 4.0,
    "persistence.postgres.POOL_WAIT_S": 1.5,
    "persistence.turns.LEASE_S": LEASE,
    "server.turns.DRAIN": DRAIN,
    "server.sse.PING": 1,
    "server.sse.SEND_TIMEOUT": 3.0,
}
"""In seconds. The pace at which text is stored and readers elsewhere look for it is the product's own."""

REAL_LEASE = QUICK_CLOCKS | {"persistence.turns.LEASE_S": 15.0}
READY_WITHIN = 90.0
STOPS_WITHIN = 60.0


@dataclass
class Worker:
    """`citeside serve`, which can be killed, frozen, stopped and started again."""

    name: str
    data_dir: Path
    server: DatabaseServer
    wire: Wire
    variables: dict[str, str]
    clocks: dict[str, float] = field(default_factory=lambda: QUICK_CLOCKS)
    started_with: dict[str, float] = field(default_factory=dict)
    stopping: bool = False
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; see `ready`."""
        (self.data_dir / "server.json").unlink(missing_ok=True)
        self.started_with, self.stopping = self.clocks, False
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "DATABASE_URL"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker", "serve", "--port", "0"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=ours | self.variables | {CLOCKS: json.dumps(self.clocks)},
                start_new_session=True,
            )

    def ready(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + READY_WITHIN
        while not (found := running_server(self.data_dir)):
            assert self.process and self.process.poll() is None, f"{self.name} ended:\n{self.log.read_text()[-8_000:]}"
            assert time.monotonic() < deadline, f"{self.name} does not serve:\n{self.log.read_text()[-8_000:]}"
            time.sleep(0.05)
        self.url = found

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.data_dir / "worker.log"

    @property
    def runs(self) -> bool:
        """Tell whether there is a process."""
        return self.process is not None and self.process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process
        self.stopping = self.stopping or number == signal.SIGTERM
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        assert self.process
        self.process.wait()

    async def ended(self, within: float = STOPS_WITHIN) -> None:
        """Wait until a process that was told to stop has ended."""
        assert self.process
        await asyncio.to_thread(self.process.wait, within)

    def stop(self) -> None:
        """End it in order, or else at once."""
        if not self.runs:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.kill()

    async def tasks(self) -> int:
        """Return how many tasks its event loop has."""
        file = self.data_dir / "tasks"
        file.unlink(missing_ok=True)
        self.signal(signal.SIGUSR1)
        for _ in range(400):
            if file.exists():
                return int(file.read_text())
            await asyncio.sleep(0.05)
        raise AssertionError(f"{self.name} does not count its tasks")

    @property
    def resident(self) -> int:
        """Return its resident memory in bytes."""
        assert self.process
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Fleet:
    """Everything a case needs: two workers, their database and the model that misbehaves."""

    name: str
    database: str
    model: Model
    workers: tuple[Worker, Worker]
    http: httpx.AsyncClient = field(init=False)
    """A client without limits; see `online`."""

    @asynccontextmanager
    async def online(self) -> AsyncIterator[None]:
        """Have a client in this event loop meanwhile."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        timeout = httpx.Timeout(60, connect=10)
        async with httpx.AsyncClient(limits=limits, timeout=timeout, trust_env=False) as self.http:
            yield

    @property
    def postgres(self) -> Address:
        """Where Postgres itself is."""
        return self.workers[0].server.postgres

    @property
    def pooled(self) -> Worker:
        """The worker, or one of those, behind a pooler."""
        return next(worker for worker in self.workers if worker.server.bounce)

    def other(self, worker: Worker) -> Worker:
        """The other worker."""
        return self.workers[worker is self.workers[0]]

    @property
    def any(self) -> Worker:
        """One of the workers."""
        return random.choice(self.workers)

    async def arrive(self) -> dict[str, str]:
        """Return the header of a new session."""
        given = (await self.http.post(f"{self.any.url}/sessions")).raise_for_status().json()
        return {"Authorization": f"Bearer {given['token']}"}

    async def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """Ask the database itself, beside wires and poolers."""
        connection = await asyncpg.connect(url(self.database, self.postgres))
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()

    async def stored(self, turn_id: str) -> tuple[str, str]:
        """Return status and text of the current answer of a turn, as the database has it."""
        (row,) = await self.sql(
            "select m.status, m.content from turns t join messages m on m.turn_id = t.id and m.attempt = t.attempt "
            "where t.id = $1::text::uuid and m.role = 'assistant'",
            turn_id,
        )
        return row["status"], row["content"]

    def mend(self) -> None:
        """Have both workers serve, by their clocks, with wires that are whole."""
        for worker in self.workers:
            worker.wire.mend()
            if worker.stopping or worker.clocks != worker.started_with:
                worker.stop()
            if worker.runs:
                worker.signal(signal.SIGCONT)
            else:
                worker.start()
        for worker in self.workers:
            worker.ready()

    @contextmanager
    def clocks(self, clocks: dict[str, float], *workers: Worker) -> Iterator[None]:
        """Have workers run by other clocks from their next start, and by the old ones after the case."""
        for worker in workers:
            worker.clocks = clocks
        try:
            yield
        finally:
            for worker in workers:
                worker.clocks = QUICK_CLOCKS


@contextmanager
def open_fleet(
    name: str,
    servers: tuple[DatabaseServer, DatabaseServer],
    model: Model,
    index: Path,
    folder: Path,
    portal: BlockingPortal,
) -> Iterator[Fleet]:
    """Start two workers on a new database, each with its way to it and a copy of the data folder `index`."""
    database = servers[0].new_database()
    with ExitStack() as stack:
        workers = []
        for letter, server in zip("ab", servers, strict=True):
            laying = open_wire(server.address, folder / letter / "wire")
            wire = stack.enter_context(portal.wrap_async_context_manager(laying))
            data_dir = folder / letter / "data"
            shutil.copytree(index, data_dir)
            variables = {
                "DATABASE_URL": server.url(database, wire.address),
                "CITESIDE_DATA_DIR": str(data_dir),
                "CITESIDE_MODEL": "misbehaving",
                "CITESIDE_MODEL_TIMEOUT": str(MODEL_TIMEOUT),
                "OPENAI_BASE_URL": model.url,
                **NO_LIMITS_IN_THE_ENVIRONMENT,
            }
            workers.append(Worker(letter, data_dir, server, wire, variables))
            stack.callback(workers[-1].stop)
        fleet = Fleet(name, database, model, (workers[0], workers[1]))
        fleet.mend()
        yield fleet
        for worker in workers:
            if worker.runs:  # both are stopped at once, for each may wait for its turns
                worker.signal(signal.SIGCONT)
                worker.signal(signal.SIGTERM)
