"""Cuts a page into the passages that are searched and cited: each fits the embedding model and has one anchor."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from graph.units import sentence_spans

if TYPE_CHECKING:  # the server imports IndexedPassage, and needs no HTML parser
    from persistence.pages import Block, Label, Page, Section

# MiniLM reads 256 tokens, two of them its own. `tokens` is within 15 % of the truth for 98 of 100 English blocks;
# 220 leaves room for that: of 5,400 passages of real pages, title and headings included, none exceeds 256.
LIMIT = 220
_LEAST = 64  # what a passage may hold even below a heading that is longer than it should be


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage as it is stored in the index.

    `url` and `path` carry the anchor; `path` and `page` are below the site's base URL, without a leading slash.
    `heading` is the path of headings below the title, joined by ` > `; `text` is in the grammar of `graph.units`;
    `position` counts from 0 within the page. `version` and `plugin` are None for blog posts and plain pages.
    `last` says that the passage belongs to what a reader gets without asking for a version.
    """

    id: str
    url: str
    path: str
    page: str
    title: str
    heading: str
    text: str
    position: int
    locale: str | None
    version: str | None
    plugin: str | None
    last: bool

    @property
    def embedded(self) -> str:
        """The text that a vector is made of, and most keywords: title and headings say what the text is about."""
        return f"{_above(self.title, self.heading)}\n\n{self.text}"


def cut_into_passages(page: "Page", url: str, path: str, *, last: bool = True) -> list[IndexedPassage]:
    """Return a page's passages in order. `url` and `path` are the page's own, without an anchor.

    Joined, their texts hold every word of the page once; repeated are only the headers of tables and the labels of
    tabs and boxes, so that each passage can be read alone.
    """
    passages: list[IndexedPassage] = []
    for section in page.sections:
        heading = " > ".join(section.heading)
        anchor = f"#{section.anchor}" if section.anchor else ""
        for text in _pack(section, max(_LEAST, LIMIT - tokens(_above(page.title, heading)))):
            passages.append(
                IndexedPassage(
                    id=str(uuid5(NAMESPACE_URL, f"{url}\n{len(passages)}\n{text}")),
                    url=url + anchor,
                    path=path + anchor,
                    page=path,
                    title=page.title,
                    heading=heading,
                    text=text,
                    position=len(passages),
                    locale=page.locale,
                    version=page.version,
                    plugin=page.plugin,
                    last=last,
                )
            )
    return passages


def last_versions(pages: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return each docs plugin's last version, given (plugin, version, path) of its pages.

    Docusaurus puts the last version at the plugin's own route and every other one below a segment: `next` for the
    version "current", else the version's name. Where a site renamed segments, the version nearest to the root is it.
    """
    paths: dict[str, dict[str, list[list[str]]]] = {}
    for plugin, version, path in pages:
        paths.setdefault(plugin, {}).setdefault(version, []).append(path.strip("/").split("/"))

    def rank(version: str, found: list[list[str]]) -> tuple[bool, int, bool]:
        segment = "next" if version == "current" else version
        return all(segment in path for path in found), min(map(len, found)), version != "current"

    return {
        plugin: min(versions, key=lambda version: rank(version, versions[version]))
        for plugin, versions in paths.items()
    }


def _above(title: str, heading: str) -> str:
    return f"{title} > {heading}" if heading else title


# Words, without what is written together: punctuation and underscores are tokens of their own.
_WORD = re.compile(r"[^\W_]+|[^\s\w]|_")


def tokens(text: str) -> int:
    """Estimate the word pieces that BERT's English vocabulary makes of a text.

    A plain word is one piece up to eight letters and one more for each five after; identifiers and numbers are one
    for each three characters, mixtures of both (a UUID) for each two, other scripts for each one. Fitted to MiniLM's
    tokenizer on 2,400 blocks of real documentation (sum within 3 %) and several times as fast, which counts because
    every page is cut before it is known to be new.
    """
    return sum(map(_pieces, _WORD.findall(text)))


@lru_cache(maxsize=65_536)
def _pieces(word: str) -> int:
    if not word.isascii():
        return len(word)
    if word.isalpha() and (word.islower() or word.istitle()):
        return 1 + max(0, len(word) - 4) // 5
    return (len(word) + 2) // (3 if word.isalpha() or word.isdecimal() else 2)


@dataclass(frozen=True, slots=True)
class _Part:
    """A block, or as much of one as fits into a passage."""

    text: str
    cost: int
    labels: "tuple[Label, ...]"
    sticks: bool  # belongs to what stands before it
    leads: bool  # announces what stands after it


def _pack(section: "Section", room: int) -> Iterator[str]:
    """Yield the texts of a section's passages, as equal in size as its blocks allow."""
    parts = [part for block in section.blocks for part in _parts(block, room)]
    total = sum(part.cost for part in parts)
    aim = total / max(1, ceil(total / room))
    packed: list[_Part] = []
    used, left = 0, total
    for part in parts:
        cost = _cost(packed[-1:], part)
        fits = used + cost <= room and (part.sticks or used + cost / 2 <= aim or used + left <= room)
        if packed and (not fits or _leaves_a_tab(packed[-1], part)):
            lead = packed[-1:] if len(packed) > 1 and packed[-1].leads else []
            if lead and _cost([], lead[0]) + _cost(lead, part) > room:
                lead = []
            yield _text(packed[: len(packed) - len(lead)])
            packed, used, cost = lead, sum(_cost([], part) for part in lead), _cost(lead, part)
        packed.append(part)
        used += cost
        left -= part.cost
    if packed:
        yield _text(packed)


def _leaves_a_tab(before: _Part, part: _Part) -> bool:
    """Tell whether a part stands after tabs: below their last label its text would seem to hold for one of them."""
    left = [label for label in before.labels if label not in part.labels and label.text.startswith("[tab")]
    return bool(left) and not any(label.text.startswith("[tab") for label in _entered([before], part))


def _entered(before: Sequence[_Part], part: _Part) -> "list[Label]":
    """Return the boxes that a part is the first of its passage to stand in; `before` ends with the part before it."""
    known = before[-1].labels if before else ()
    return [label for label in part.labels if label not in known]


def _cost(before: Sequence[_Part], part: _Part) -> int:
    return part.cost + sum(tokens(label.text) for label in _entered(before, part))


def _text(parts: Sequence[_Part]) -> str:
    lines: list[str] = []
    for at, part in enumerate(parts):
        lines += [label.text for label in _entered(parts[:at], part)]
        lines.append(part.text)
    return "\n\n".join(lines)


def _parts(block: "Block", room: int) -> Iterator[_Part]:
    room -= sum(tokens(label.text) for label in block.labels)
    for text in _texts(block, max(_LEAST, room)):
        yield _Part(
            text,
            tokens(text),
            block.labels,
            sticks=block.kind == "image",
            leads=block.kind == "paragraph" and text.endswith(":"),
        )


def _texts(block: "Block", room: int) -> list[str]:
    body = "\n".join(block.lines)
    if block.kind == "code":
        fence = re.match("`+", block.head)
        end = fence[0] if fence else "```"
        pieces = _cut(body, max(_LEAST, room - tokens(block.head) - len(end)), (_stanzas, _lines, _words))
        return [f"{block.head}\n{piece.strip(chr(10))}\n{end}" for piece in pieces]
    if block.kind == "table":
        head = f"{block.head}\n" if block.head else ""
        return [head + piece.strip("\n") for piece in _cut(body, max(_LEAST, room - tokens(head)), (_lines, _words))]
    return [piece.strip("\n").rstrip() for piece in _cut(body, room, (_lines, _sentences, _words))]


def _cut(text: str, room: int, ways: Sequence[Callable[[str], list[str]]]) -> list[str]:
    """Cut a text into pieces of at most `room` tokens and about equal size, the first way that suffices."""
    total = tokens(text)
    if total <= room:
        return [text]
    split, *finer = ways or (_letters,)
    aim = total / ceil(total / room)
    pieces: list[str] = []
    used = 0
    for piece in (smaller for larger in split(text) for smaller in _cut(larger, room, finer)):
        cost = tokens(piece)
        if pieces and used + cost <= room and used + cost / 2 <= aim:
            pieces[-1] += piece
            used += cost
        else:
            pieces.append(piece)
            used = cost
    return pieces


def _stanzas(code: str) -> list[str]:
    return re.split(r"(?<=\n\n)(?!\n)", code)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _sentences(text: str) -> list[str]:
    starts = [start for start, _ in sentence_spans(text, 0, len(text))]
    return [text[start:end] for start, end in zip([0, *starts[1:]], [*starts[1:], len(text)], strict=True)]


def _words(text: str) -> list[str]:
    return re.split(r"(?<=\s)(?=\S)", text)


def _letters(text: str) -> list[str]:
    return [text[start : start + 16] for start in range(0, len(text), 16)]
