"""Tells results: as text for the terminal, and as the tables of the page on benchmarks."""

from pathlib import Path
from typing import NamedTuple

from evals.bench.turns.results import Cell, Results, Verdict
from evals.bench.turns.targets import TargetName
from evals.page import DOCS, markdown, put_between
from graph.errors import CitesideError

PAGE = DOCS / "help" / "benchmarks.md"
NAME = "bench turns"

COLUMNS: tuple[TargetName, ...] = ("citeside", "passthrough", "tutorial", "model")

BUSY = 0.25
"""Load average for each core from which a machine did more than this run when it began."""

Table = list[list[str]]


class _Line(NamedTuple):
    text: str
    cell: Cell
    figure: str
    written: str


def _lines(results: Results) -> list[_Line]:
    plan = results.about["plan"]
    burst, paced, stored = plan["burst"], plan["paced"], plan["stored"]
    share = f"{plan['idle_streams']} idle streams: share of a core"
    lines = [
        _Line(f"No delay, {burst['streams']} streams: tokens per CPU-second", "burst", "tokens_per_cpu_s", ",.0f"),
        _Line(
            f"{paced['rate']:g} tokens/s, {paced['streams']} streams: tokens per CPU-second",
            "paced",
            "tokens_per_cpu_s",
            ",.0f",
        ),
        _Line("The same: from the model to the reader, each token, median, ms", "paced", "token_ms", ".1f"),
        _Line("The same: 95 % of the tokens, ms", "paced", "token_p95_ms", ".1f"),
        _Line("First token, one reader: median, ms", "first", "first_ms", ".1f"),
        _Line("First token: until the model speaks, ms", "first", "up_ms", ".1f"),
        _Line("First token: from the model to the reader, ms", "first", "down_ms", ".1f"),
        _Line("Most streams that were held", "sustained", "streams", ",.0f"),
        _Line("Streams per core there", "sustained", "streams_per_core", ",.0f"),
        _Line("Memory of an idle stream, KiB", "idle", "kib_per_stream", ",.0f"),
        _Line(share, "idle", "core_share", ".0%"),
        _Line(
            f"Turn of {stored['tokens'] * 10:,} characters, {stored['streams']} readers: Postgres time, ms",
            "stored",
            "postgres_ms",
            ".1f",
        ),
        _Line("Its text by bare inserts at the same pace: Postgres time, ms", "stored", "bare_inserts_ms", ".1f"),
        _Line("The same turn: WAL, KiB", "stored", "wal_kib", ".1f"),
        _Line("The same turn: images of whole pages in its WAL, KiB", "stored", "wal_page_images_kib", ".1f"),
        _Line("The same turn: the rest beyond twice its message, KiB", "stored", "wal_beyond_kib", ".1f"),
    ]
    if few := plan.get("few"):  # not in files of earlier runs
        lines += [
            _Line(f"The same turn, {few['streams']} readers: Postgres time, ms", "few", "postgres_ms", ".1f"),
            _Line("Its text by bare inserts: Postgres time, ms", "few", "bare_inserts_ms", ".1f"),
        ]
    return lines


def _figures(results: Results) -> Table:
    """Return the best figures, a column for each target."""
    table = [["What", *COLUMNS]]
    for text, cell, figure, written in _lines(results):
        found = [results.best.get(cell, {}).get(target, {}).get(figure) for target in COLUMNS]
        table.append([text, *("" if value is None else format(value, written) for value in found)])
    return table


def _goals(results: Results) -> Table:
    return [["goal", "measured", "wanted", ""], *(_judged(verdict) for verdict in results.goals)]


def _judged(verdict: Verdict) -> list[str]:
    if verdict.measured is None:
        return [verdict.goal, "", verdict.wanted, "not measured"]
    told = "reached" if verdict.reached else "missed"
    return [verdict.goal, f"{verdict.measured:.2f}{verdict.unit}", verdict.wanted, told]


def as_text(results: Results) -> str:
    """Return everything a person at the terminal wants to know."""
    parts = [aligned(_figures(results)), aligned(_goals(results)), _circumstances(results)]
    if results.about["quick"]:
        parts.append("Quick: this shows that everything runs; the figures mean nothing.")
    for failure in results.failures:
        log = "\n".join(f"    {line}" for line in failure.log.splitlines())
        parts.append(f"FAILED: {failure.target} {failure.what}\n{log}".rstrip())
    return "\n\n".join(parts)


def aligned(table: Table) -> str:
    """Return columns as wide as their widest cell; all but the first stand to the right."""
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    )


def _circumstances(results: Results) -> str:
    about = results.about
    before, after = about["load_average_before"][0], about["load_average_after"][0]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    sentences = [
        f"Measured at {about['at']} on {about['cores']} cores ({about['processor'] or about['system']}), "
        f"load average {before:.1f} before and {after:.1f} after the run, best of {about['repeat']}.",
        f"{versions}.",
    ]
    if before > BUSY * about["cores"]:
        sentences.insert(1, "The machine was busy with other work: the absolute figures are worse than it can do.")
    return " ".join(sentences)


def rewrite_page(results: Results, page: Path = PAGE) -> None:
    """Put the results between the marks of the page. Raises CitesideError where that cannot be done."""
    if results.about["quick"]:
        raise CitesideError("The figures of --quick mean nothing; the page is left as it is.")
    failed = [f"{failure.target} {failure.what}" for failure in results.failures]
    told = [_circumstances(results), markdown(_figures(results)), markdown(_goals(results))]
    if failed:
        told.append("What failed: " + "; ".join(failed) + ".")
    put_between(page, NAME, told)
