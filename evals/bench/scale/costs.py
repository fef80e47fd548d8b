"""Measures what one turn, one waiting reader and so many passages cost on this machine, each in fresh processes."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvloop

from evals.bench.passages import time_searches, write_index
from evals.bench.scale.results import Passages, Results, Turns
from evals.bench.turns.circumstances import circumstances
from evals.bench.turns.measure import Round
from evals.bench.turns.plan import Load, Plan
from evals.bench.turns.store import folder_of_our_own, open_store
from evals.bench.turns.targets import CITESIDE
from graph.errors import CitesideError
from persistence.embeddings import open_embedder

Tell = Callable[[str], None]

TOKENS_PER_S = 30
TOKENS = 300
"""Ten code points each: an answer of 3,000 characters that takes ten seconds."""

SIZES = (10_000, 30_000, 100_000)
SEARCHES = 200

_ANSWERS = Load(streams=48, turns=2, tokens=TOKENS, rate=TOKENS_PER_S, ramp=2)
_FEW = Load(streams=1, turns=4, tokens=5)

FULL = Plan(
    warm_up=Load(streams=4, turns=4, tokens=100),
    idle_streams=256,
    idle_seconds=3,
    first=_FEW,
    burst=_FEW,
    paced=_ANSWERS,
    steps=(),
    stored_warm_up=Load(streams=48, turns=1, tokens=TOKENS, rate=100),
    stored=Load(streams=48, turns=2, tokens=TOKENS, rate=TOKENS_PER_S),
)

QUICK = Plan(
    warm_up=Load(streams=2, turns=1, tokens=20),
    idle_streams=8,
    idle_seconds=0.5,
    first=_FEW,
    burst=_FEW,
    paced=Load(streams=4, turns=1, tokens=25, rate=50),
    steps=(),
    stored_warm_up=Load(streams=2, turns=1, tokens=50),
    stored=Load(streams=2, turns=1, tokens=100, rate=100),
)


def measure(*, quick: bool, tell: Tell) -> Results:
    """Measure everything in a temporary folder; a whole run takes about six minutes. Raises CitesideError."""
    plan, sizes = (QUICK, (500, 1_000)) if quick else (FULL, SIZES)
    about = circumstances(plan, 1, quick=quick)
    with folder_of_our_own() as folder:
        passages = measure_passages(sizes, folder, tell)
        turns = uvloop.run(measure_turns(plan, folder, tell))
    about["load_average_after"] = os.getloadavg()
    return Results(about=about, turns=turns, passages=tuple(passages))


async def measure_turns(plan: Plan, folder: Path, tell: Tell) -> Turns:
    """Answer readers with one worker on an embedded Postgres. Raises CitesideError when a turn failed."""
    async with open_store(folder, [CITESIDE.name], CITESIDE.name) as store:
        with ExitStack() as servers:
            measuring = Round(1, plan, folder, store, servers, tell, kinds=(CITESIDE,))
            await measuring.start()
            await measuring.measure()
    if measuring.failed:
        raise CitesideError("; ".join(f"{failure.target} {failure.what}" for failure in measuring.failed))
    found = {row.cell: row.figures for row in measuring.measured if row.target == CITESIDE.name}
    paced, stored, idle = found["paced"], found["stored"], found["idle"]
    return Turns(
        worker_ms=paced["cpu_s"] * 1e3 / paced["turns"],
        postgres_ms=stored["postgres_ms"],
        wal_kib=stored["wal_kib"],
        kept_kib=stored["kept_kib"],
        kib_per_stream=idle["kib_per_stream"],
        worker_mb=idle["resident_mb"] - idle["kib_per_stream"] * idle["streams"] / 1e3,
    )


def measure_passages(sizes: Sequence[int], folder: Path, tell: Tell) -> list[Passages]:
    """Write and search an index of each size, the smallest first."""
    measured: list[Passages] = []
    for count in sorted(sizes):
        data_dir = folder / f"passages-{count}"
        tell(f"{count:,} passages: writing the index")
        write_s = _in_a_fresh_process(_write, data_dir, count)
        tell(f"{count:,} passages: searching")
        measured.append(
            Passages(
                count=count,
                write_s=write_s,
                disk_mb=sum(file.stat().st_size for file in (data_dir / "index").rglob("*") if file.is_file()) / 1e6,
                **_in_a_fresh_process(_search, data_dir),
            )
        )
    return measured


def _in_a_fresh_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Memory that an earlier measurement freed would hide what this one takes."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as one:
        return one.submit(work, *arguments).result()


def _write(data_dir: Path, count: int) -> float:
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    began = time.process_time()
    asyncio.run(write_index(data_dir, embedder, count))
    return time.process_time() - began


def _search(data_dir: Path) -> dict[str, float]:
    """Search; what the process grows by is the index, the model was loaded before."""
    process = psutil.Process(os.getpid())
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    asyncio.run(embedder.embed_query("Which words warm the model up?"))
    before, cpu = process.memory_info().rss, time.process_time()
    seconds = asyncio.run(time_searches(data_dir, embedder, SEARCHES))
    return {
        "median_ms": float(np.median(seconds)) * 1e3,
        "p95_ms": float(np.percentile(seconds, 95)) * 1e3,
        "cpu_ms": (time.process_time() - cpu) * 1e3 / SEARCHES,
        "memory_mb": (process.memory_info().rss - before) / 1e6,
    }
