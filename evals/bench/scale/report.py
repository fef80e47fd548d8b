"""Tells the costs and what follows from them: as text for the terminal, and as the tables of the page on scale."""

from pathlib import Path

from evals.bench.scale.results import (
    ANSWER_S,
    BUSY,
    NEON_POOLED,
    PASSAGES,
    QUESTION_EVERY_S,
    READERS,
    Passages,
    Results,
    extrapolate,
    fleet,
    qdrant_gb,
)
from evals.bench.turns.report import Table, aligned
from evals.page import DOCS, markdown, put_between
from graph.errors import CitesideError

PAGE = DOCS / "guides" / "scale.md"
NAME = "bench scale"


def as_text(results: Results) -> str:
    """Return all tables for the terminal."""
    tables = [aligned(table) for table in (_turns(results), _passages(results), _fleets(results))]
    return "\n\n".join([*tables, _circumstances(results)])


def rewrite_page(results: Results, page: Path = PAGE) -> None:
    """Put the results between the marks of the page. Raises CitesideError for a quick run."""
    if results.about["quick"]:
        raise CitesideError("The figures of --quick mean nothing; the page is left as it is.")
    put_between(page, NAME, [_circumstances(results), markdown(_turns(results)), markdown(_passages(results))])
    put_between(page, f"{NAME} fleets", [markdown(_fleets(results))])


def _turns(results: Results) -> Table:
    turns = results.turns
    return [
        ["one turn of 3,000 characters, or one reader", "cost"],
        ["CPU of the worker, retrieval apart", f"{turns.worker_ms:.1f} ms"],
        ["CPU of Postgres", f"{turns.postgres_ms:.1f} ms"],
        ["WAL", f"{turns.wal_kib:.0f} KiB"],
        ["kept in tables and indexes", f"{turns.kept_kib:.0f} KiB"],
        ["memory of a worker, without index and embedding model", f"{turns.worker_mb:.0f} MB"],
        ["memory of a stream that waits", f"{turns.kib_per_stream:.0f} KiB"],
        ["a reader with no turn under way", "nothing"],
    ]


def _passages(results: Results) -> Table:
    head = ["passages", "CPU to write", "disk", "memory", "search, median", "search, p95", "CPU of a search"]
    rows = [*results.passages, *(extrapolate(results.passages, count) for count in _not_measured(results))]
    return [head, *(_row(passages) for passages in rows)]


def _not_measured(results: Results) -> list[int]:
    largest = max(passages.count for passages in results.passages)
    return [count for count in PASSAGES if count > largest]


def _row(passages: Passages) -> list[str]:
    told = f"{passages.count:,}" + (" (extrapolated)" if passages.extrapolated else "")
    return [
        told,
        f"{passages.write_s:,.0f} s",
        f"{passages.disk_mb:,.0f} MB",
        f"{passages.memory_mb:,.0f} MB",
        f"{passages.median_ms:.1f} ms",
        f"{passages.p95_ms:.1f} ms",
        f"{passages.cpu_ms:.1f} ms",
    ]


def _fleets(results: Results) -> Table:
    """Return what serves so many readers, a column each, with an index of 10,000 passages."""
    search_ms = min(results.passages, key=lambda passages: passages.count).cpu_ms
    fleets = [fleet(readers, results.turns, search_ms) for readers in READERS]
    small, *_ = PASSAGES
    return [
        ["readers at once", *(f"{of.readers:,}" for of in fleets)],
        ["turns a second", *(f"{of.turns_per_s:,.1f}" for of in fleets)],
        ["streams open", *(f"{of.streams:,.0f}" for of in fleets)],
        ["workers", *(f"{of.workers:,}" for of in fleets)],
        ["cores they use", *(f"{of.worker_cores:,.2f}" for of in fleets)],
        ["memory of the streams", *(f"{of.stream_gb:,.2f} GB" for of in fleets)],
        ["cores that Postgres uses", *(f"{of.postgres_cores:,.2f}" for of in fleets)],
        ["size on Neon", *(f"{of.neon_cu:g} CU" if of.neon_cu else "none is enough" for of in fleets)],
        ["connections to the pooler", *(_connections(of.connections) for of in fleets)],
        ["WAL a second", *(f"{of.wal_mb_per_s:,.1f} MB" for of in fleets)],
        ["kept a day, if it stayed so all day", *(f"{of.kept_gb_per_day:,.1f} GB" for of in fleets)],
        ["cores that search", *(f"{of.search_cores:,.2f}" for of in fleets)],
        [f"memory of Qdrant, {small:,} passages", *([f"{qdrant_gb(small):.2f} GB"] * len(fleets))],
        [f"memory of Qdrant, {PASSAGES[-1]:,} passages", *([f"{qdrant_gb(PASSAGES[-1]):.1f} GB"] * len(fleets))],
    ]


def _connections(count: int) -> str:
    return f"{count:,}" + ("" if count <= NEON_POOLED else f", more than the {NEON_POOLED:,} of one compute")


def _circumstances(results: Results) -> str:
    about = results.about
    before, after = about["load_average_before"][0], about["load_average_after"][0]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"Measured at {about['at']} on {about['cores']} cores ({about['processor'] or about['system']}), "
        f"load average {before:.1f} before and {after:.1f} after the run. Assumed: each reader asks once in "
        f"{QUESTION_EVERY_S:.0f} s, an answer takes {ANSWER_S:.0f} s, no core is loaded to more than {BUSY:.0%}. "
        f"{versions}."
    )
