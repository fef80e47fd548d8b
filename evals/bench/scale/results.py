"""What was measured, what follows for indexes that were not, and what it takes to serve so many readers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graph.types import Frozen
from persistence.postgres import POOL_SIZE

READERS = (10, 1_000, 100_000)
PASSAGES = (10_000, 100_000, 1_000_000)

QUESTION_EVERY_S = 60.0
"""A reader who has the panel open asks once a minute; most ask less."""
ANSWER_S = 10.0
BUSY = 0.5
"""Share of a core up to which it is loaded: the other half is for peaks, and for a worker that is away."""
DIMENSIONS = 384

NEON_CONNECTIONS = {0.25: 104, 0.5: 209, 1: 419, 2: 839, 4: 1678, 8: 3357, 16: 4000, 32: 4000, 56: 4000}
"""Postgres connections of a compute size, by Neon's documentation of November 2026; one CU is one vCPU and 4 GB."""
NEON_POOLED = 10_000
"""Clients that Neon's pooler takes for one compute, by the same."""


class Turns(Frozen):
    """What a turn of 3,000 characters costs that is streamed in ten seconds, and a stream that waits."""

    worker_ms: float
    """CPU of the worker, retrieval apart."""
    postgres_ms: float
    wal_kib: float
    kept_kib: float
    """Growth of tables and indexes: what stays until it is erased."""
    kib_per_stream: float
    worker_mb: float
    """Memory of a worker that has nothing to do, without index and embedding model."""


class Passages(Frozen):
    """What an embedded index of so many passages costs."""

    count: int
    write_s: float
    """CPU, without embedding the passages."""
    disk_mb: float
    memory_mb: float
    median_ms: float
    p95_ms: float
    cpu_ms: float
    """CPU of a search, the embedding of the question included."""
    extrapolated: bool = False


class Results(Frozen):
    """A whole run."""

    about: Mapping[str, Any]
    turns: Turns
    passages: tuple[Passages, ...]


class Fleet(Frozen):
    """What serves so many readers at once."""

    readers: int
    turns_per_s: float
    streams: float
    workers: int
    worker_cores: float
    stream_gb: float
    postgres_cores: float
    connections: int
    neon_cu: float | None
    """None where no size is enough."""
    wal_mb_per_s: float
    kept_gb_per_day: float
    search_cores: float


def extrapolate(measured: Sequence[Passages], count: int) -> Passages:
    """Return what an index of `count` passages should cost, from the two largest that were measured.

    Disk and memory grow along the line through both, writing by the power of the count that joins them. Above 20,000
    passages a search walks a graph whose depth grows with the logarithm of the count (Malkov and Yashunin, 2018), so
    its times grow along the line through both over ln(count).
    """
    one, two = sorted(measured, key=lambda passages: passages.count)[-2:]

    def along(figure: str, scale: Any) -> float:
        (x1, x2, x), (y1, y2) = scale([one.count, two.count, count]), (getattr(one, figure), getattr(two, figure))
        return max(y1 + (y2 - y1) * (x - x1) / (x2 - x1), y2)

    power = math.log(two.write_s / one.write_s) / math.log(two.count / one.count)
    return Passages(
        count=count,
        write_s=two.write_s * (count / two.count) ** power,
        **{figure: along(figure, list) for figure in ("disk_mb", "memory_mb")},
        **{figure: along(figure, np.log) for figure in ("median_ms", "p95_ms", "cpu_ms")},
        extrapolated=True,
    )


def fleet(readers: int, turns: Turns, search_ms: float) -> Fleet:
    """Return what `readers` at once need, when each asks once in QUESTION_EVERY_S."""
    rate = readers / QUESTION_EVERY_S
    worker_cores = rate * (turns.worker_ms + search_ms) / 1e3
    workers = max(1 if readers < 100 else 2, math.ceil(worker_cores / BUSY))
    postgres_cores = rate * turns.postgres_ms / 1e3
    sizes = [cu for cu in NEON_CONNECTIONS if cu * BUSY >= postgres_cores]
    return Fleet(
        readers=readers,
        turns_per_s=rate,
        streams=rate * ANSWER_S,
        workers=workers,
        worker_cores=worker_cores,
        stream_gb=rate * ANSWER_S * turns.kib_per_stream * 1024 / 1e9,
        postgres_cores=postgres_cores,
        connections=workers * POOL_SIZE,
        neon_cu=sizes[0] if sizes else None,
        wal_mb_per_s=rate * turns.wal_kib * 1024 / 1e6,
        kept_gb_per_day=rate * 86_400 * turns.kept_kib * 1024 / 1e9,
        search_cores=rate * search_ms / 1e3,
    )


def qdrant_gb(passages: int) -> float:
    """Return the memory of a Qdrant server that holds all vectors in it: count x dimensions x 4 bytes x 1.5.

    The formula is that of Qdrant's page on capacity planning; payload and keywords can stay on its disk.
    """
    return passages * DIMENSIONS * 4 * 1.5 / 1e9
