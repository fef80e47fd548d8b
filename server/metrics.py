"""Counts what the server does, for Prometheus. Labels come from closed sets: never an id, a path or a reader's word.

Nothing is counted for a delta; a turn costs some ten additions at its end. A scrape reads what was counted and what the
pool of connections says of itself, and sends Postgres nothing.
"""

import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily

from graph.errors import CitesideError, IndexUnavailable
from graph.ports import Retriever
from graph.types import Answer, Mode, Passage, Scope
from persistence.postgres import Database, PoolState
from persistence.turns import Ended
from server.problems import FAILURES

if TYPE_CHECKING:
    from persistence.index import Manifest, PassageIndex

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own variable: where the workers of one server keep their numbers, so that any of them can tell
those of all."""

INDEX_WAIT = 1.0
"""Seconds that a scrape waits for a Qdrant that gives no answer: all other numbers are wanted then more than ever."""

PULSE = 1.0
"""Seconds between looks at the event loop and the pool."""

NONE = "none"
"""The label of what has no code and of what met no route."""

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TURNS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


class Shared(Protocol):
    """The numbers of all workers of a server."""

    def collect(self) -> Iterable[Metric]:
        """Return each metric with the numbers of all workers added up."""
        ...


class Meters:
    """Everything that is counted in this process; `shared` holds the numbers of its siblings, when there are any."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, shared: Shared | None = None) -> None:
        disable_created_metrics()
        self._own = own = CollectorRegistry()
        self._shared = shared
        self._turns = Counter(
            "citeside_turns", "Turns by how they ended; each attempt counts.", ("mode", "status", "code"), registry=own
        )
        self._outcomes = Counter("citeside_turn_outcomes", "Answers by outcome.", ("mode", "outcome"), registry=own)
        self._verdicts = Counter("citeside_turn_verdicts", "Last verdicts on selections.", ("verdict",), registry=own)
        self._notices = Counter("citeside_turn_notices", "Notices that came with answers.", ("code",), registry=own)
        self._tokens = Counter(
            "citeside_model_tokens", "Tokens read and written by the model.", ("mode",), registry=own
        )
        self._turn = Histogram(
            "citeside_turn_seconds", "From the question to its last word.", ("mode",), buckets=_TURNS, registry=own
        )
        self._first_text = Histogram(
            "citeside_turn_first_text_seconds",
            "From the question to the first text; that of a constrained turn is its label.",
            ("mode",),
            buckets=_TURNS,
            registry=own,
        )
        self._model = Histogram(
            "citeside_model_seconds",
            "From asking the answerer to its last word, or until it was given up.",
            ("mode",),
            buckets=_TURNS,
            registry=own,
        )
        self._stored = Histogram(
            "citeside_turn_store_seconds", "Storing the end of a turn.", buckets=_WAITS, registry=own
        )
        self._retrieval = Histogram(
            "citeside_retrieval_seconds", "Searches of the index, embedding included.", buckets=_WAITS, registry=own
        )
        self._retrieval_failures = Counter(
            "citeside_retrieval_failures", "Searches that failed.", ("code",), registry=own
        )
        self.running = Gauge("citeside_turns_running", "Turns under way.", multiprocess_mode="livesum", registry=own)
        self.streams = Gauge("citeside_streams_open", "Open streams.", multiprocess_mode="livesum", registry=own)
        self._flush = Histogram(
            "citeside_flush_seconds",
            "Writes of the running turns' text.",
            buckets=(0.001, 0.0025, *_WAITS),
            registry=own,
        )
        self._flush_lag = Histogram(
            "citeside_flush_lag_seconds",
            "The longest that text of a write was shown before it was stored.",
            buckets=(0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
            registry=own,
        )
        self._flush_failures = Counter("citeside_flush_failures", "Writes of text that failed.", registry=own)
        self._requests = Counter(
            "citeside_requests", "Requests by route template.", ("method", "route", "status"), registry=own
        )
        self._request = Histogram(
            "citeside_request_seconds",
            "From a request to the beginning of its answer.",
            ("method", "route"),
            buckets=_WAITS,
            registry=own,
        )
        self._problems = Counter("citeside_problems", "Requests refused or failed.", ("status", "code"), registry=own)
        self._connections = Gauge(
            "citeside_database_connections",
            "Connections to Postgres.",
            ("state",),
            multiprocess_mode="livesum",
            registry=own,
        )
        self._connections_limit = Gauge(
            "citeside_database_connections_limit",
            "Connections to Postgres that may be made.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self._waiting = Gauge(
            "citeside_database_waiting",
            "Callers that wait for a connection.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self._loop_lag = Histogram(
            "citeside_event_loop_lag_seconds",
            "How late a timer of one second was.",
            buckets=(0.001, 0.0025, *_WAITS),
            registry=own,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Show what has not happened yet, or the first time it happens would be no increase to Prometheus."""
        failures = [("failed", code) for code in FAILURES]
        for mode in get_args(Mode):
            for status, code in [("completed", NONE), ("cancelled", NONE), ("interrupted", "interrupted"), *failures]:
                self._turns.labels(mode, status, code)
            self._tokens.labels(mode)
        for code in ("model_unavailable", "model_unusable", "extractive", "keywords_only", "scope_fallback"):
            self._notices.labels(code)

    def turn_ended(
        self, mode: Mode, status: Ended, code: str | None, timings: Mapping[str, float], answer: Answer | None
    ) -> None:
        """Count a turn; `timings` are the seconds after its beginning at which it reached a step."""
        self._turns.labels(mode, status, code or NONE).inc()
        end = timings["end"]
        self._turn.labels(mode).observe(end)
        if "first_text" in timings:
            self._first_text.labels(mode).observe(timings["first_text"])
        if "answering" in timings:
            self._model.labels(mode).observe(timings.get("checking", end) - timings["answering"])
        if "stored" in timings:
            self._stored.observe(timings["stored"] - end)
        if answer:
            self._outcomes.labels(mode, answer.outcome).inc()
            if answer.mode == "constrained":
                self._verdicts.labels(answer.verdict.verdict).inc()
            for notice in answer.notices:
                self._notices.labels(notice.code).inc()
            self._tokens.labels(mode).inc(answer.tokens or 0)

    def flushed(self, seconds: float, lag: float) -> None:
        """Count a write of the running turns' text, which was shown at most `lag` seconds before it was stored."""
        self._flush.observe(seconds)
        self._flush_lag.observe(lag)

    def flush_failed(self) -> None:
        """Count a write that failed; its text comes with the next."""
        self._flush_failures.inc()

    def searched(self, seconds: float) -> None:
        """Count a search that succeeded."""
        self._retrieval.observe(seconds)

    def search_failed(self, code: str) -> None:
        """Count a search that failed."""
        self._retrieval_failures.labels(code).inc()

    def answered(self, method: str, route: str | None, status: int | None, seconds: float, problem: str | None) -> None:
        """Count a request by the template of its route; `seconds` went by until its answer began."""
        method, route, status_code = method if method in _METHODS else "other", route or NONE, str(status or NONE)
        self._requests.labels(method, route, status_code).inc()
        self._request.labels(method, route).observe(seconds)
        if problem:
            self._problems.labels(status_code, problem).inc()

    @asynccontextmanager
    async def watching(self, database: Database) -> AsyncIterator[None]:
        """Look at the pool and at the event loop every `PULSE` seconds, so that siblings can tell of them too."""

        async def watch() -> None:
            while True:
                self._look(database.pool_state())
                began = time.monotonic()
                await asyncio.sleep(PULSE)
                self._loop_lag.observe(max(0.0, time.monotonic() - began - PULSE))

        watcher = asyncio.create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.wait({watcher})

    def _look(self, pool: PoolState) -> None:
        self._connections.labels("busy").set(pool.busy)
        self._connections.labels("idle").set(pool.idle)
        self._connections_limit.set(pool.limit)
        self._waiting.set(pool.waiting)

    async def text(self, index: "PassageIndex") -> bytes:
        """Return everything in Prometheus's text format."""
        try:
            async with asyncio.timeout(INDEX_WAIT):
                manifest, up = await index.manifest(), True
        except (IndexUnavailable, TimeoutError):
            manifest, up = None, False
        return await asyncio.to_thread(lambda: generate_latest(_Told([*self._counted(), *_looked_up(manifest, up)])))

    def _counted(self) -> Iterable[Metric]:
        if self._shared:
            return self._shared.collect()
        return [*self._own.collect(), GaugeMetricFamily("citeside_workers", "Workers of this server.", value=1)]


class _Told(CollectorRegistry):
    """What one scrape is told."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _looked_up(manifest: "Manifest | None", up: bool) -> Iterator[Metric]:
    """Yield what is the same for all workers of a server."""
    build = GaugeMetricFamily("citeside_build_info", "What runs.", labels=("version", "python"))
    build.add_metric((version("citeside"), platform.python_version()), 1)
    yield build
    yield GaugeMetricFamily("citeside_index_up", "Whether the index can be asked.", value=float(up))
    if manifest:
        info = GaugeMetricFamily("citeside_index_info", "The current index.", labels=("generation", "embedding_model"))
        info.add_metric((manifest.generation, manifest.embedding_model), 1)
        yield info
        yield GaugeMetricFamily("citeside_index_passages", "Passages in the index.", value=manifest.passages)
        yield GaugeMetricFamily("citeside_index_pages", "Pages in the index.", value=len(manifest.pages))
        yield GaugeMetricFamily(
            "citeside_index_created_timestamp_seconds",
            "When the index was written, in Unix time.",
            value=manifest.created_at.timestamp(),
        )


@dataclass(frozen=True, slots=True)
class TimedRetriever:
    """A retriever whose searches are counted."""

    retriever: Retriever
    meters: Meters

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search, and note how long it took or how it failed."""
        began = time.perf_counter()
        try:
            found = await self.retriever.search(query, scope=scope, limit=limit)
        except Exception as error:
            self.meters.search_failed(error.code if isinstance(error, CitesideError) else "internal")
            raise
        self.meters.searched(time.perf_counter() - began)
        return found


@contextmanager
def open_meters() -> Iterator[Meters]:
    """Give the meters of this process, which join those of its siblings where `PROMETHEUS_MULTIPROC_DIR` is set."""
    if folder := os.environ.get(FOLDER):
        from server.shared_metrics import joined

        with joined(Path(folder)) as shared:
            yield Meters(shared)
    else:
        yield Meters()
