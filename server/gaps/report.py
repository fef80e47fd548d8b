"""Tells clusters of questions: as a table for the terminal, as CSV, and as one HTML page that fetches nothing.

Questions are readers' words, and pages are not ours either: none of it may steer a terminal, spreadsheet or browser.
"""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from persistence.gaps import KINDS
from server.gaps.clusters import Cluster

_STYLE = Path(__file__).with_name("gaps.css")

MEANING = {
    "not_covered": ("not covered", "The docs do not cover the question."),
    "insufficient": ("not in the selection", "The marked text does not answer the question."),
    "partial": ("only in part", "Only a part of the question was answered."),
    "unsupported": ("unsupported", "A sentence of the answer is supported by no cited passage."),
    "disliked": ("thumbed down", "The reader rated the answer as not helpful."),
}
"""What a kind is called, and what it says."""


@dataclass(frozen=True, slots=True)
class About:
    """What a report is about: the days it looks back, a version or locale if it is about one, how it came to be."""

    days: int
    version: str | None
    locale: str | None
    min_readers: int
    questions: int
    by_meaning: bool
    scrubbed: bool
    at: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """The report's own account of itself."""
        where = " and ".join(
            f"{name} {value}" for name, value in (("version", self.version), ("locale", self.locale)) if value
        )
        how = "by meaning" if self.by_meaning else "by their words alone, for want of the local embedding model"
        least = f", asked by at least {self.min_readers} readers each" if self.min_readers > 1 else ""
        scrubbed = (
            "They went through the function in CITESIDE_SCRUB."
            if self.scrubbed
            else "No CITESIDE_SCRUB is set: they are as they were typed."
        )
        return (
            f"{self.questions} questions of the last {self.days} days{f' about {where}' if where else ''} had no good "
            f"answer; put together {how}{least}. Made {self.at}.",
            f"These are your readers' own words: share them with care. {scrubbed}",
        )


def as_table(clusters: Sequence[Cluster], about: About) -> str:
    """Return a table for the terminal; what could move its cursor is shown as a question mark."""
    lines = [*about.sentences, ""]
    if clusters:
        lines.append(f"{'readers':>7}  {'asked':>5}  {'last asked':<10}  question")
    for one in clusters:
        lines.append(
            f"{one.readers:>7}  {one.asked:>5}  {one.last_asked:%Y-%m-%d}  {_short(_visible(one.question), 90)}"
        )
        lines.append(f"{'':28}{_kinds(one.kinds)}")
        lines += [f"{'':28}near: {_visible(', '.join(one.pages))}"] if one.pages else []
        lines += [f"{'':28}missing: {_visible('; '.join(one.missing))}"] if one.missing else []
    return "\n".join(lines)


def as_csv(clusters: Sequence[Cluster]) -> str:
    """Return a table for a spreadsheet; a cell that would be taken for a formula begins with an apostrophe."""
    written = io.StringIO()
    writer = csv.writer(written, quoting=csv.QUOTE_ALL)
    writer.writerow(
        ["question", "asked", "readers", "last_asked", *KINDS, "nearest_pages", "missing", "other_wordings"]
    )
    for one in clusters:
        counts = [one.asked, one.readers, one.last_asked.isoformat(timespec="seconds"), *(one.kinds[k] for k in KINDS)]
        texts = ["\n".join(one.pages), "\n".join(one.missing), "\n".join(text for text, _ in one.others)]
        writer.writerow([_no_formula(one.question), *counts, *map(_no_formula, texts)])
    return written.getvalue()


def as_html(clusters: Sequence[Cluster], about: About) -> str:
    """Return the whole page."""
    total = sum((one.kinds for one in clusters), Counter[str]())
    counted = "".join(
        f'<div class="{kind}"><dt>{escape(MEANING[kind][0])}</dt><dd><b>{total[kind]:,}</b> '
        f"{escape(MEANING[kind][1])}</dd></div>"
        for kind in KINDS
    )
    listed = "".join(f"<li>{_item(one)}</li>" for one in clusters)
    nothing = "<p>No question of this time was left open.</p>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex"><title>Gaps in the docs</title><style>{_STYLE.read_text()}</style></head><body>
<header><h1>Gaps in the docs</h1>{"".join(f"<p>{escape(said)}</p>" for said in about.sentences)}</header>
<main><section aria-labelledby="kinds"><h2 id="kinds">Why they are here</h2><dl>{counted}</dl></section>
<section aria-labelledby="questions"><h2 id="questions">{_count(len(clusters), "group")}, the most readers first</h2>
{f"<ol>{listed}</ol>" if clusters else nothing}</section></main></body></html>
"""


def _item(one: Cluster) -> str:
    kinds = "".join(
        f'<span class="kind {kind}">{escape(MEANING[kind][0])} {one.kinds[kind]}</span>'
        for kind in KINDS
        if one.kinds[kind]
    )
    parts = "".join(_parts(one))
    return (
        f'<details><summary><span class="question" dir="auto">{escape(one.question)}</span>'
        f'<span class="counts">{_count(one.readers, "reader")}, {_count(one.asked, "time")}, '
        f'last on <time datetime="{one.last_asked.isoformat()}">{one.last_asked:%Y-%m-%d}</time></span>'
        f'<span class="kinds">{kinds}</span></summary>{parts}</details>'
    )


def _parts(one: Cluster) -> Iterator[str]:
    for title, texts in (
        ("Nearest pages", one.pages),
        ("What was missing", one.missing),
        ("Also asked as", [f"{text} ({count})" for text, count in one.others]),
    ):
        if texts:
            items = "".join(f'<li dir="auto">{escape(text)}</li>' for text in texts)
            yield f"<h3>{title}</h3><ul>{items}</ul>"
    if not (one.pages or one.missing or one.others):
        yield "<p>Nothing in the docs is near it.</p>"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _kinds(kinds: Counter[str]) -> str:
    return ", ".join(f"{MEANING[kind][0]} {kinds[kind]}" for kind in KINDS if kinds[kind])


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _visible(text: str) -> str:
    """Return a text on one line, what is invisible or turns the writing round replaced."""
    line = " ".join(text.split())
    return "".join(
        "?" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") else character for character in line
    )


def _no_formula(text: str) -> str:
    """Return a cell that no spreadsheet runs, however it is separated (OWASP, CSV injection)."""
    return f"'{text}" if text.lstrip().startswith(tuple("=+-@|%＝＋－＠")) else text
