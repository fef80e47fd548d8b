"""Splits a text into the units one can quote: sentences, code blocks and table rows.

Passages are written in a small block grammar, blocks apart by a blank line:

- a paragraph is one line; list items are lines that begin with `- ` or `1. `, two spaces deeper per level;
- code stands between lines of three or more backticks, the first of which names language and title;
- a table is a line per row with cells apart by tabs, its header first;
- a line such as `[tab: Linux]`, `[note]`, `[image: A diagram]` labels what follows and is never quoted.

A selection is plain text: the same rules read it as paragraphs.
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["sentence", "code", "row", "label"]

_FENCE = re.compile(r"^\s*(`{3,})(?!`|.*?\1)")
_LABEL = re.compile(r"^\[[a-z]+(: .*)?\]$")
_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,3}[.)])\s+")
_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？]+[」』）]*")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|resp|incl|fig|sec|dr|mr|mrs|ms|prof|st|jr|sr|lit|vol|pp|max|z\.\s?b|bzw|d\.\s?h"
    r"|u\.\s?a|ca|nr|vgl|usw|ggf)|(?<!\S)[A-Za-z])\.$",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?<!\S)(?:[A-Za-z]\.){2,4}$")
_OPENS_A_SENTENCE = re.compile(
    r"(?:the|an?|it|he|she|they|we|you|this|that|these|those|in|on|at|for|if|when|after|and|but|der|die|das|es|sie|er|ein"
    r"|eine|im)\b",
    re.IGNORECASE,
)

_NEARBY = 16
"""Characters looked at on either side of a full stop; all of them would take seconds of a long text of initials."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A quotable span `[start, end)` of a text; `block` counts the paragraphs, lists, tables and fences before it."""

    start: int
    end: int
    kind: Kind
    block: int


def split_units(text: str) -> list[Unit]:
    """Return the units of `text` in order; labels are included, fences and bullets are in no unit."""
    found: list[Unit] = []
    lines = _lines(text)
    block = at = 0
    while at < len(lines):
        start, end = lines[at]
        line = text[start:end]
        if not line.strip():
            block += 1
            at += 1
        elif fence := _FENCE.match(line):
            at = _code(text, lines, at, fence[1], block, found)
        elif _LABEL.match(line):
            found.append(Unit(start, end, "label", block))
            at += 1
        elif "\t" in line:
            found.append(Unit(start, end, "row", block))  # not trimmed: an empty cell at its end is a cell
            at += 1
        else:
            at = _paragraph(text, lines, at, block, found)
    return found


def quotable(text: str) -> list[Unit]:
    """Return the units of `text` that carry words of the page: all but labels."""
    return [unit for unit in split_units(text) if unit.kind != "label"]


def is_item(text: str, unit: Unit) -> bool:
    """Tell whether the unit opens a list item, that is, stands right behind a bullet."""
    return bool(bullet(text, unit))


def bullet(text: str, unit: Unit) -> str:
    """Return the bullet that the unit stands right behind, as Markdown writes it: its number, or `- `; else nothing."""
    found = _BULLET.fullmatch(text, text.rfind("\n", 0, unit.start) + 1, unit.start)
    if found is None:
        return ""
    sign = found[0].strip()
    return f"{sign} " if sign[0].isdecimal() else "- "


def _lines(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start = 0
    for line in text.split("\n"):
        spans.append((start, start + len(line)))
        start += len(line) + 1
    return spans


def _code(text: str, lines: list[tuple[int, int]], at: int, fence: str, block: int, found: list[Unit]) -> int:
    closing = at + 1
    while closing < len(lines) and text[slice(*lines[closing])].strip() != fence:
        closing += 1
    if closing > at + 1:
        start, end = lines[at + 1][0], lines[min(closing, len(lines)) - 1][1]
        if text[start:end].strip():
            found.append(Unit(start, end, "code", block))
    return closing + 1


def _paragraph(text: str, lines: list[tuple[int, int]], at: int, block: int, found: list[Unit]) -> int:
    """Take the line at `at` and those that merely wrap it: text wrapped by hand is still one sentence."""
    start, end = lines[at]
    if bullet := _BULLET.match(text[start:end]):
        start += bullet.end()
    while at + 1 < len(lines) and _wraps(text[start:end], text[slice(*lines[at + 1])]):
        at += 1
        end = lines[at][1]
    found.extend(Unit(*span, "sentence", block) for span in sentence_spans(text, start, end))
    return at + 1


def _wraps(line: str, following: str) -> bool:
    return line.rstrip()[-1:] not in ".!?:;…。！？" and following[:1].islower() and "\t" not in following


def sentence_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the sentences of `text[start:end]` as trimmed spans; abbreviations do not end one."""
    spans: list[tuple[int, int]] = []
    begin = start
    for stop in _END.finditer(text, start, end):
        following = text[stop.end() : min(stop.end() + _NEARBY, end)].lstrip()
        if (
            following
            and stop[0][0] not in "。！？"
            and _continues(text, max(begin, stop.end() - _NEARBY), stop, following)
        ):
            continue
        spans.append(_trimmed(text, begin, stop.end()))
        begin = stop.end()
    spans.append(_trimmed(text, begin, end))
    return [(s, e) for s, e in spans if e > s]


def _continues(text: str, begin: int, stop: re.Match[str], following: str) -> bool:
    """Tell whether a sentence goes on behind a full stop: in lower case, behind an abbreviation or initials."""
    if following[0].islower() or following[0] in ",;)" or _ABBREVIATED.search(text, begin, stop.end()):
        return True
    if _INITIALS.search(text, begin, stop.end()):  # "George R.R. Martin", but "at 5 p.m. The next day"
        return not _OPENS_A_SENTENCE.match(following)
    return following[0].isdigit() and text[begin : stop.end()].endswith((" No.", " no."))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
