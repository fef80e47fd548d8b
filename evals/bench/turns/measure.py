"""Runs the cells of a plan: every round has fresh servers and databases, and each cell goes round the targets."""

import asyncio
import os
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx
import psutil

from evals.bench.turns.circumstances import circumstances
from evals.bench.turns.model import Script
from evals.bench.turns.plan import HELD_BELOW_MS, LONGEST_CELL, QUICK, Load, Plan
from evals.bench.turns.processes import Child, child, use
from evals.bench.turns.readers import Target, failures, read
from evals.bench.turns.results import Cell, Failure, Measured, Results, summarise
from evals.bench.turns.stamps import TOKEN_LENGTH, now
from evals.bench.turns.store import Store, folder_of_our_own, open_store
from evals.bench.turns.targets import CITESIDE, KINDS, MODEL, Kind
from graph.errors import CitesideError
from server.mirrors import TICK

OPENING_PAUSE = 0.01
"""Seconds between two readers that come to wait; together they would measure the crowd at the door."""

CLOCK_TICK = 0.01
"""Seconds; the kernel counts CPU time no finer."""

NEVER_REACHED = {
    "CITESIDE_TURNS_PER_MINUTE": "1000000",
    "CITESIDE_TURNS_PER_HOUR": "1000000",
    "CITESIDE_ADDRESS_TURNS_PER_MINUTE": "1000000",
    "CITESIDE_ADDRESS_RUNNING_TURNS": "1000",
    "CITESIDE_ADDRESS_SESSIONS_PER_HOUR": "1000000",
    "CITESIDE_DAILY_TOKENS": "1000000000000",
    "CITESIDE_SESSION_DAILY_TOKENS": "1000000000000",
}
"""Limits that no cell reaches. They are not off: what it costs to keep them belongs to a turn."""

Tell = Callable[[str], None]
Found = tuple[dict[str, float], dict[str, int]]
"""Figures of a cell, and how often what went wrong."""


async def measure_turns(plan: Plan, repeat: int, tell: Tell) -> Results:
    """Measure every cell `repeat` times; `tell` is told what is being measured.

    Everything lives in a temporary folder and is stopped at the end, whatever happens. A target that does not start or
    loses tokens is among the results' failures; the others are measured all the same.
    """
    about = circumstances(plan, repeat, quick=plan is QUICK)
    measured: list[Measured] = []
    failed: list[Failure] = []
    with folder_of_our_own() as folder:
        for number in range(1, repeat + 1):
            tell(f"round {number} of {repeat}: starting the database and the servers")
            own = folder / f"round-{number}"
            async with open_store(own, [kind.name for kind in KINDS], CITESIDE.name) as store:
                with ExitStack() as servers:
                    this = Round(
                        number, plan, folder, store, servers, lambda what, n=number: tell(f"round {n}: {what}")
                    )
                    await this.start()
                    await this.measure()
            about["versions"]["postgres"] = store.version
            measured += this.measured
            failed += this.failed
    about["load_average_after"] = os.getloadavg()
    return summarise(about, measured, failed)


@dataclass
class Round:
    """One pass over all cells, with servers of its own."""

    number: int
    plan: Plan
    folder: Path
    store: Store
    servers: ExitStack
    tell: Tell
    kinds: Sequence[Kind] = KINDS
    measured: list[Measured] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    async def start(self) -> None:
        """Start the model and all targets, and have each answer a few turns."""
        model = self.servers.enter_context(child(MODEL.name, MODEL.module, self.folder, {}))
        self._model = Target(MODEL, model.port, model.process.pid)
        self._children: dict[Kind, Child] = {MODEL: model}
        self._targets: list[Target] = []
        await model.ready()
        for kind in self.kinds:
            variables = {
                "OPENAI_BASE_URL": f"http://127.0.0.1:{model.port}/v1",
                "OPENAI_API_KEY": "secret",
                "DATABASE_URL": self.store.database(kind.name),
                "CITESIDE_DATA_DIR": str(self.folder / "data"),
                "CITESIDE_MODEL": "bench",
                **NEVER_REACHED,
            }
            self._children[kind] = self.servers.enter_context(child(kind.name, kind.module, self.folder, variables))
        for kind in self.kinds:
            if target := await self._warmed_up(kind, self._children[kind]):
                self._targets.append(target)

    async def measure(self) -> None:
        """Measure all cells: idle streams first, while no memory that was freed can hide what they take, and then what
        is stored, while Postgres has next to nothing to clean up behind the other cells."""
        if self._targets:
            first = (self.number - 1) % len(self._targets)
            self._targets = self._targets[first:] + self._targets[:first]  # nobody always comes first
        for target in self._targets:
            await self._cell("idle", target, self._idle(target))
        for target in self._targets:
            if target.kind is CITESIDE:
                await self._cell("stored", target, self._stored(target, self.plan.stored))
                if self.plan.few:
                    await self._cell("few", target, self._stored(target, self.plan.few))
        for target in (self._model, *self._targets):
            await self._cell("first", target, self._load(target, self.plan.first))
        for target in (self._model, *self._targets):
            await self._cell("burst", target, self._load(target, self.plan.burst))
        for target in self._targets:
            await self._cell("paced", target, self._load(target, self.plan.paced))
        await self._sustained()

    async def _warmed_up(self, kind: Kind, started: Child) -> Target | None:
        plan = self.plan
        readers = max(plan.idle_streams, *(load.streams for load in (plan.burst, plan.paced, *plan.steps, plan.stored)))
        try:
            await started.ready()
            bearers = await _sessions(started.port, readers) if kind.sessions else ()
            target = Target(kind, started.port, started.process.pid, bearers)
            await self._script(Script(plan.warm_up.tokens))
            wrong = failures(await read(target, plan.warm_up))
        except (CitesideError, httpx.HTTPError) as error:
            return self._fail(kind, f"did not start: {error}")
        return self._fail(kind, f"failed its first turns: {_counted(wrong)}") if wrong else target

    async def _sustained(self) -> None:
        """Raise the number of streams for each target until it does not hold them."""
        holding = list(self._targets)
        for step in self.plan.steps:
            for target in list(holding):
                work = self._load(target, step)
                found = await self._cell("sustained", target, work, f" with {step.streams} streams")
                if not found or found.failures or found.figures["first_p95_ms"] >= HELD_BELOW_MS:
                    holding.remove(target)

    async def _cell(self, cell: Cell, target: Target, work: Awaitable[Found], more: str = "") -> Measured | None:
        """Keep what `work` finds; None when it found nothing in time."""
        self.tell(f"{target.kind.name}, {cell}{more}")
        try:
            async with asyncio.timeout(LONGEST_CELL):
                figures, wrong = await work
        except TimeoutError:
            return self._fail(target.kind, f"was not done with {cell}{more} after {LONGEST_CELL:.0f} s")
        except (httpx.HTTPError, psutil.NoSuchProcess) as error:
            return self._fail(target.kind, f"ended during {cell}{more}: {error}")
        if wrong:
            self._fail(target.kind, f"failed at {cell}{more}: {_counted(wrong)}")
        rounded = {name: round(value, 3) for name, value in figures.items()}
        found = Measured(cell=cell, target=target.kind.name, round=self.number, figures=rounded, failures=wrong)
        self.measured.append(found)
        return found

    def _fail(self, kind: Kind, what: str) -> None:
        self.failed.append(Failure(target=kind.name, what=what, log=self._children[kind].last_words()))
        self.tell(f"FAILED: {kind.name} {what}")

    async def _load(self, target: Target, load: Load) -> Found:
        """Have a load read, and set its tokens against the CPU time of the server's process tree."""
        await self._script(Script(load.tokens, load.rate))
        before, stored_before, began = use(target.pid), self.store.cpu_seconds(), now()
        answers = await read(target, load)
        seconds = (now() - began) / 1e6
        after, stored_after = use(target.pid), self.store.cpu_seconds()
        whole = [answer for answer in answers if not answer.failure]
        if not whole:
            return {}, failures(answers)
        tokens = sum(answer.tokens for answer in whole)
        delays = [delay / 1e3 for answer in whole for delay in answer.delays]
        cpu = max(after.cpu_seconds - before.cpu_seconds, CLOCK_TICK)
        figures = {
            "streams": load.streams,
            "turns": len(whole),
            "tokens": tokens,
            "tokens_per_event": tokens / sum(answer.events for answer in whole),
            "seconds": seconds,
            "tokens_per_s": tokens / seconds,
            "cpu_s": cpu,
            "core_share": cpu / seconds,
            "tokens_per_cpu_s": tokens / cpu,
            "postgres_ms": (stored_after - stored_before) * 1e3 / len(whole),
            "resident_mb": after.resident_bytes / 1e6,
            "first_ms": statistics.median(answer.first_ms for answer in whole),
            "up_ms": statistics.median(answer.up_ms for answer in whole),
            "down_ms": statistics.median(answer.down_ms for answer in whole),
            "first_p95_ms": _p95([answer.first_ms for answer in whole]),
            "token_ms": statistics.median(delays),
            "token_p95_ms": _p95(delays),
        }
        if load.rate:
            figures["streams_per_core"] = figures["tokens_per_cpu_s"] / load.rate
        return figures, failures(answers)

    async def _idle(self, target: Target) -> Found:
        """Weigh streams that wait for their first token."""
        streams = self.plan.idle_streams
        load = Load(streams, turns=1, tokens=5, ramp=streams * OPENING_PAUSE)
        await self._script(Script(load.tokens, held=True))
        before = use(target.pid)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(read(target, load))
            waiting = await self._all_wait(streams)
            opened = use(target.pid)
            await asyncio.sleep(self.plan.idle_seconds)
            idle = use(target.pid)
            await self._script(Script(load.tokens))
        wrong = failures(reading.result())
        if waiting < streams:
            wrong[f"only {waiting} of {streams} streams reached the model"] = 1
        return {
            "streams": waiting,
            "kib_per_stream": (idle.resident_bytes - before.resident_bytes) / 1024 / max(waiting, 1),
            "core_share": (idle.cpu_seconds - opened.cpu_seconds) / self.plan.idle_seconds,
            "resident_mb": idle.resident_bytes / 1e6,
        }, wrong

    async def _stored(self, target: Target, load: Load) -> Found:
        """Weigh what a turn costs the database: processor time, and what it writes ahead.

        Images of whole pages are told apart: how many there are depends on what was stored before, and on how long ago
        the last checkpoint is. The turns between that and the weighing take some of them upon themselves.
        """
        await self.store.vacuum()
        await self.store.checkpoint()
        _, wrong = await self._load(target, self.plan.stored_warm_up)
        await self._script(Script(load.tokens, load.rate))
        kept = await self.store.table_bytes()
        start, cpu = await self.store.wal_position(), self.store.cpu_seconds()
        answers = await read(target, load)
        end = await self.store.wal_position()
        await self.store.vacuum()
        cpu = self.store.cpu_seconds() - cpu
        kept = await self.store.table_bytes() - kept
        wal, turns = await self.store.wal_between(start, end), len(answers)
        times = round(load.tokens / load.rate / TICK)
        bare = await self.store.bare_inserts(load.streams, "x" * (load.tokens * TOKEN_LENGTH // times), times)
        message = await self.store.message_bytes(turns)
        beyond = (wal.total - wal.page_images) / turns - 2 * message
        return {
            "turns": turns,
            "postgres_ms": cpu * 1e3 / turns,
            "bare_inserts_ms": bare * 1e3 / load.streams,
            "message_bytes": message,
            "kept_kib": kept / turns / 1024,
            "wal_kib": wal.total / turns / 1024,
            "wal_beyond_kib": beyond / 1024,
            "wal_page_images_kib": wal.page_images / turns / 1024,
        }, {**wrong, **failures(answers)}

    async def _script(self, script: Script) -> None:
        async with self._asking_the_model() as client:
            (await client.post("/script", json=asdict(script))).raise_for_status()

    async def _all_wait(self, streams: int) -> int:
        """Wait until the model holds so many answers, 20 s at most, and return how many it does."""
        waiting = 0
        async with self._asking_the_model() as client:
            for _ in range(100):
                await asyncio.sleep(0.2)
                waiting = int((await client.get("/open")).raise_for_status().json()["open"])
                if waiting == streams:
                    break
        return waiting

    def _asking_the_model(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._model.port}", trust_env=False)


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[-(-len(values) * 95 // 100) - 1]


def _counted(wrong: Mapping[str, int]) -> str:
    return "; ".join(f"{times} times {what}" for what, times in wrong.items())


async def _sessions(port: int, count: int) -> list[str]:
    """Return the tokens of new sessions, one for each reader."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        return [(await client.post("/sessions")).raise_for_status().json()["token"] for _ in range(count)]
