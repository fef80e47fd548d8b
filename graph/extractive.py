"""Answers without a language model, from the sentences of the text itself."""

import re
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from graph.markdown import as_code, as_text
from graph.ports import Claim, Finish, Lack, Piece
from graph.questions import parts_alone
from graph.sentences import Asked, ask, chances, gives, worth_saying
from graph.terms import content_terms, tongues, words
from graph.types import Exchange, Passage
from graph.units import Unit, is_item, quotable, split_units

NAME = "extractive"

MOST_SENTENCES = 3
"""Sentences chosen from one text; a reader skims three, and more dilute the answer."""

_LISTED = 8
"""Items taken behind a sentence that ends in a colon, and how long a list may be that one of its items brings along;
`_CITATIONS` ends the lists of passages."""

_CITATIONS = 5
"""Markers in an answer at most; a list is cut there, and says so."""

_ALIKE = 0.7
"""Share of what the best row of a table covers from which others of it are answers too; lead-ins alike."""

_SIDE_PASSAGES = 2
"""Further passages that may add a sentence each."""

_COVERAGE = 0.3
"""What it adds to a passage's cosine that it holds all of the question's terms."""

_FIRST = 0.1
"""Given to the passage that was ranked first, half of it to the second ...: fusion sees what a cosine does not."""

_FOUND = 0.5
"""Given to a passage that the search for a part of the question found first, half of it to the second ...: of 36 parts
of questions about our docs 25 begin with the passage they begin with when asked alone, and 10 by their words alone."""

_SAME_PAGE = 0.1
"""Given to a passage for the best ranked other one of its page, half of it for one at rank two ...: the page that is
found several times is likelier the one that answers."""

_SHOWN = 0.05
"""Given to a passage with code when the question asks how to do something: the command is the answer."""

_AS_NEAR = 0.75
"""Share of the first passage's cosine from which another may add to it."""

_REPEATED = 0.8
"""Share of its terms that were said from which a sentence says nothing new."""

_LONGEST = 40
"""Terms of a sentence that is added; what is longer is seldom a sentence."""

_TO_THE_POINT = 0.6
"""Share of the question, by weight, from which a sentence of a further passage is added."""

_OPENING = re.compile(
    r"(?:it|its|he|she|they|his|her|their|this|these|that|those|such|however|also|then|otherwise|therefore|dies|diese[rsmn]?"
    r"|er|sie|es|ihre?|dazu|dafür|dabei|damit|dann|außerdem|sonst|jedoch)\b",
    re.IGNORECASE,
)
"""How a sentence begins that cannot be read without the one before it."""

_POINTS_ELSEWHERE = re.compile(r"(?:see|siehe|read more|learn more|mehr dazu)\b", re.IGNORECASE)
"""How a sentence begins that tells only where to read."""


@dataclass(frozen=True, slots=True)
class ExtractiveAnswerer:
    """Composes an answer from the sentences of the passages that speak most directly to the question."""

    name: str = NAME

    async def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answering sentences of the best passage of each part, then what others add, each with its marker.

        Nothing but the end is yielded when no passage speaks to the question: they are related and no more.
        """
        alone = parts_alone(question, history)
        asked = [_Part.of(part, passages, n if len(alone) > 1 else None) for n, part in enumerate(alone)]
        answers = _leading(passages, asked)
        shared = _shared_out(answers)
        cut = {(i, kept[-1]) for (i, kept), (_, whole) in zip(shared, answers, strict=True) if len(kept) < len(whole)}
        picked: dict[int, list[Unit]] = {}
        for i, units in shared:
            picked[i] = sorted({*picked.get(i, ()), *units}, key=lambda u: u.start)
        answering = len(picked)
        for part in asked:
            for i in part.ranked[1 : 1 + _SIDE_PASSAGES]:
                if i not in picked and passages[i].score >= _AS_NEAR * passages[part.ranked[0]].score:
                    picked[i] = _addition(passages[i].text, part.asked, _said(passages, picked.items()))
        room = _CITATIONS
        for place, (i, units) in enumerate(picked.items()):
            kept_for_others = max(0, answering - 1 - place)
            if units and room > kept_for_others:
                ends = {unit for j, unit in cut if j == i}
                block, used = _render(passages[i], units, ends, marker=i + 1, room=room - kept_for_others)
                yield Piece(text=block if room == _CITATIONS else f"\n\n{block}")
                room -= used
        yield Piece(finish="stop")


@dataclass(frozen=True, slots=True)
class ExtractiveSelectionAnswerer:
    """Answers with the sentences of a selection that speak to the question, word for word."""

    name: str = NAME

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncGenerator[Claim | Lack | Finish, None]:
        """Yield the sentences chosen for each part of the question, in order; of one without words, the first."""
        found = _once(selection, quotable(selection), set())
        chosen: set[Unit] = set()
        for part in parts_alone(question, earlier):
            asked = ask(part, [selection])
            if not asked.terms:
                chosen.update(found[:MOST_SENTENCES])
            elif asked.weight:
                chosen.update(_answering(selection, found, asked))
        for unit in sorted(chosen, key=lambda u: u.start):
            yield Claim(quote=selection[unit.start : unit.end])
        yield Finish(finish="stop")


class _Part(NamedTuple):
    """A part of a question, its own words without those of parts before it, and the passages, the best one first."""

    asked: Asked
    own: Asked
    ranked: list[int]

    @classmethod
    def of(cls, question: str, passages: Sequence[Passage], number: int | None) -> "_Part":
        texts = [p.text for p in passages]
        first, added, _ = question.partition("\n")
        asked = ask(question, texts)
        own = ask(first, texts) if added else asked
        return cls(asked, own, _ranked(passages, asked, own, question, number))


def _leading(passages: Sequence[Passage], asked: Sequence[_Part]) -> list[tuple[int, list[Unit]]]:
    """Return for each part the passage that answers it best and its units.

    Where these were said for another part and lack a word of its own, the next passage answers.
    """
    found: list[tuple[int, list[Unit]]] = []
    told: set[str] = set()
    for part in asked:
        for i in part.ranked[: 1 + _SIDE_PASSAGES]:
            text = passages[i].text
            units = _once(text, _answering(text, _sayable(text), part.asked), told)
            if units:
                found.append((i, units))
            if units or part.own.terms <= part.own.held(_said(passages, found)):
                break
    return found


def _said(passages: Sequence[Passage], answers: Iterable[tuple[int, Sequence[Unit]]]) -> str:
    return " ".join(passages[i].text[u.start : u.end] for i, units in answers for u in units)


def _shared_out(answers: Sequence[tuple[int, list[Unit]]]) -> list[tuple[int, list[Unit]]]:
    """Return the answers to several parts with so many units in all as there are markers, the longest cut first."""
    kept = list(answers)
    while len(kept) > 1 and sum(len(units) for _, units in kept) > _CITATIONS:
        longest = max(range(len(kept)), key=lambda n: len(kept[n][1]))
        i, units = kept[longest]
        kept[longest] = i, units[:-1]
    return kept


def _ranked(passages: Sequence[Passage], asked: Asked, own: Asked, question: str, number: int | None) -> list[int]:
    """Return which passages speak to the question, the one to begin with first.

    A part of a question, of the `number` given, is ranked by its own words and by the search for it: how near a passage
    is was measured for the whole, or for another part.
    """
    wants_code = asked.kind in {"steps", "code"}
    pages = [p.path.partition("#")[0] for p in passages]
    said = [f"{p.title} {p.heading} {p.text}" for p in passages]

    def near(i: int) -> float:
        if number is None:
            return passages[i].score + _COVERAGE * asked.covered(said[i])
        covered = asked.covered(said[i])
        if own.weight:
            covered = (covered + own.covered(said[i])) / 2
        places = passages[i].places
        return covered + (_FOUND / places[number] if number < len(places) and places[number] else 0)

    relevance = [
        near(i)
        + _FIRST / (1 + i)
        + _SAME_PAGE * sum(1 / (1 + j) for j, page in enumerate(pages) if j != i and page == pages[i])
        + _SHOWN * (wants_code and any(u.kind == "code" for u in quotable(p.text)))
        for i, p in enumerate(passages)
    ]
    speaking = [i for i, p in enumerate(passages) if _sayable(p.text) and _speaks(p, asked, question)]
    return sorted(speaking, key=lambda i: -relevance[i])


def _speaks(passage: Passage, asked: Asked, question: str) -> bool:
    """Tell whether a passage shares words with the question; one in another language is taken to when it was found."""
    said = f"{passage.title} {passage.heading} {passage.text}"
    asking, saying = tongues(question), tongues(said)
    foreign = bool(asking and saying) and not asking & saying
    return not asked.terms or foreign or bool(asked.held(said))


@lru_cache(maxsize=32)
def _sayable(text: str) -> tuple[Unit, ...]:
    """Return the units an answer may repeat: all but the header rows of tables, which say nothing alone.

    Each part of a question asks for those of each passage.
    """
    found = _once(text, quotable(text), set())
    tables = {u.block: u for u in reversed(found) if u.kind == "row"}
    return tuple(u for u in found if tables.get(u.block) is not u or found[-1] is u)


def _once(text: str, units: Iterable[Unit], told: set[str]) -> list[Unit]:
    """Return the units but for sentences that were `told` word for word, and add them to it."""
    fresh: list[Unit] = []
    for unit in units:
        said = " ".join(text[unit.start : unit.end].split()).casefold()
        if unit.kind != "sentence" or said not in told:
            fresh.append(unit)
        told.add(said)
    return fresh


def _answering(text: str, found: Sequence[Unit], asked: Asked) -> list[Unit]:
    """Return the units of `text` that answer, in its order, with what they cannot be read without."""
    sentences = [text[u.start : u.end] for u in found]
    read = [f"{_header(text, u)} {s}" if _is_below(text, u) else s for u, s in zip(found, sentences, strict=True)]
    covered = [asked.covered(sentence) for sentence in read]
    chosen = (
        _chosen(found, sentences, read, covered, asked) if any(covered) else list(range(len(found)))[:MOST_SENTENCES]
    )
    if asked.kind in {"steps", "code"}:
        chosen += _shown(found, sentences, asked)
    kept = {*chosen, *(j for i in chosen for j in _before(text, found, i))}
    lists = {i: _behind(text, found, i, covered) for i in kept}
    kept |= {j for i, listed in lists.items() for j in listed[:_LISTED] if i in chosen or len(listed) <= _LISTED}
    if asked.kind == "list" and not any(found[i].kind == "row" or is_item(text, found[i]) for i in kept):
        kept |= {j for i in kept for j in _enumerated(text, found, i)}
    # A row that only its column names connect with the question answers as well as any other of its table.
    rows = [i for i in kept if found[i].kind == "row" and (asked.kind == "list" or not asked.covered(sentences[i]))]
    kept |= {j for i in rows for j in _rows_alike(found, covered, i)[:_LISTED]}
    kept |= {i + 1 for i in chosen if _is_answered_next(text, found, i, asked)}
    return [found[i] for i in sorted(kept)]


def _is_below(text: str, unit: Unit) -> bool:
    """Tell whether a unit is a row that has the first row of its table above it."""
    return unit.kind == "row" and text[unit.start : unit.end] != _header(text, unit)


def _chosen(
    found: Sequence[Unit], sentences: Sequence[str], read: Sequence[str], covered: Sequence[float], asked: Asked
) -> list[int]:
    """Return the sentences that make the best answer; of rows and of lead-ins only those that come near the best."""
    chance = chances(asked, read)
    chosen = worth_saying(chance, [len(words(sentence)) or 1 for sentence in sentences], MOST_SENTENCES)
    near = [i for i in chosen if covered[i] >= _ALIKE * _rival(found, sentences, covered, i)]
    near = [i for i in near if covered[i]] or near  # what shares no word with the question reads as a mistake
    told = [i for i in near if gives(asked, sentences[i]) > 0 or _in_its_paragraph(found, covered, i)]
    return [i for i in told if not _POINTS_ELSEWHERE.match(sentences[i])] or near


def _in_its_paragraph(found: Sequence[Unit], covered: Sequence[float], at: int) -> bool:
    """Tell whether the paragraph of the unit at `at` speaks of what is asked."""
    return any(share for unit, share in zip(found, covered, strict=True) if unit.block == found[at].block)


def _rival(found: Sequence[Unit], sentences: Sequence[str], covered: Sequence[float], at: int) -> float:
    """Return the most that anything covers which is to be read instead of the unit at `at`."""
    if found[at].kind == "row":
        return _best_row(found, covered, at)
    return max(covered) if sentences[at].endswith(":") else 0.0


def _best_row(found: Sequence[Unit], covered: Sequence[float], at: int) -> float:
    return max(share for unit, share in zip(found, covered, strict=True) if unit.block == found[at].block)


def _rows_alike(found: Sequence[Unit], covered: Sequence[float], at: int) -> list[int]:
    """Return the rows of the table of the row at `at` that come near its best one."""
    least = _ALIKE * _best_row(found, covered, at)
    return [i for i, u in enumerate(found) if u.block == found[at].block and u.kind == "row" and covered[i] >= least]


def _shown(found: Sequence[Unit], sentences: Sequence[str], asked: Asked) -> list[int]:
    """Return the code block that, read with the sentence before it, speaks most to the question."""
    blocks = [i for i, u in enumerate(found) if u.kind == "code"]
    return [max(blocks, key=lambda i: asked.covered(" ".join(sentences[max(0, i - 1) : i + 1])))] if blocks else []


def _before(text: str, found: Sequence[Unit], at: int) -> list[int]:
    """Return what the unit at `at` cannot be read without: the sentence it points back to, the lead-in of its list."""
    unit = found[at]
    if at == 0:
        return []
    if unit.kind == "code":
        return [at - 1] if found[at - 1].kind == "sentence" else []
    if is_item(text, unit) or unit.kind == "row":
        first = next(i for i, u in enumerate(found) if u.block == unit.block)
        lead = first if not is_item(text, found[first]) and unit.kind != "row" else first - 1
        return [lead] if lead >= 0 and text[: found[lead].end].endswith(":") else []
    if found[at - 1].block == unit.block and _OPENING.match(text, unit.start):
        return [at - 1]
    return []


def _behind(text: str, found: Sequence[Unit], at: int, covered: Sequence[float]) -> list[int]:
    """Return what the sentence at `at` announces when it ends in a colon: the code, list or rows of the next block.

    A list or code block is taken whole, of a table the rows that come near its best one.
    """
    if not text[: found[at].end].endswith(":") or at + 1 == len(found):
        return []
    if found[at + 1].kind == "row":
        return _rows_alike(found, covered, at + 1)
    return [i for i in range(at + 1, len(found)) if found[i].block == found[at + 1].block]


def _enumerated(text: str, found: Sequence[Unit], at: int) -> list[int]:
    """Return the list or table behind the paragraph of the unit at `at`: what a question for several things wants."""
    behind = [i for i in range(at + 1, len(found)) if found[i].block > found[at].block]
    if not behind or not (found[behind[0]].kind == "row" or is_item(text, found[behind[0]])):
        return []
    return [i for i in behind if found[i].block == found[behind[0]].block][:_LISTED]


def _is_answered_next(text: str, found: Sequence[Unit], at: int, asked: Asked) -> bool:
    """Tell whether a sentence only speaks of what is asked, and the next one goes on from it and gives the fact."""
    if at + 1 == len(found) or found[at + 1].block != found[at].block:
        return False
    this, following = (text[u.start : u.end] for u in found[at : at + 2])
    return bool(_OPENING.match(following)) and gives(asked, this) < 0 < gives(asked, following)


def _addition(text: str, asked: Asked, said: str) -> list[Unit]:
    """Return the sentence of a further passage that is most to the point and adds something, with what it leans on.

    It adds what was not said, and of that a word of the question or a fact of the kind asked for.
    """
    found = _sayable(text)
    known = content_terms(said)
    covered: dict[int, float] = {}
    for i, unit in enumerate(found):
        sentence = text[unit.start : unit.end]
        terms = content_terms(sentence)
        adds = bool(asked.held(sentence) - asked.held(said)) or gives(asked, sentence) > 0
        if unit.kind == "sentence" and adds and len(terms & known) < _REPEATED * len(terms) and len(terms) <= _LONGEST:
            covered[i] = asked.covered(sentence)
    best = max(covered, key=lambda i: covered[i], default=None)
    if best is None or covered[best] < _TO_THE_POINT:
        return []
    return [found[i] for i in sorted({best, *_before(text, found, best)})]


def _render(
    passage: Passage, chosen: Sequence[Unit], cut: Collection[Unit], *, marker: int, room: int
) -> tuple[str, int]:
    """Return Markdown and how many markers it holds, at most `room`.

    Neighbouring sentences are a paragraph with one marker, items and rows a list, code is fenced. A list that goes on
    behind a unit of `cut` says so.
    """
    text = passage.text
    blocks: list[str] = []
    used = 0
    previous: Unit | None = None
    for unit in chosen:
        quote = text[unit.start : unit.end]
        follows = previous is not None and unit.kind == previous.kind == "sentence" and _same_line(text, previous, unit)
        if follows and previous and _adjoin(text, previous, unit):
            blocks[-1] = f"{blocks[-1].removesuffix(f' [{marker}]')} {as_text(quote)} [{marker}]"
        elif unit.kind == "code" and previous:
            blocks.append(as_code(quote))
        elif used == room:
            if blocks[-1].startswith("- "):
                blocks.append("- …")
            break
        else:
            used += 1
            if unit.kind == "code":
                above = (passage.heading or passage.title).split(" > ")[-1]
                blocks += [f"{as_text(above)} [{marker}]:", as_code(quote)]
            elif unit.kind == "row":
                blocks.append(f"- {as_text(_row(quote, _header(text, unit)))} [{marker}]")
            elif follows:
                blocks[-1] += f" {as_text(quote)} [{marker}]"
            else:
                blocks.append(f"{'- ' if is_item(text, unit) else ''}{as_text(quote)} [{marker}]")
        if unit in cut and blocks[-1].startswith("- "):
            blocks.append("- …")
        previous = unit
    return "\n\n".join(blocks).replace("]\n\n- ", "]\n- "), used


def _same_line(text: str, first: Unit, second: Unit) -> bool:
    return "\n" not in text[first.end : second.start]


def _adjoin(text: str, first: Unit, second: Unit) -> bool:
    return not text[first.end : second.start].strip()


def _header(text: str, row: Unit) -> str:
    """Return the first row of the table that `row` stands in."""
    return _headers(text)[row.block]


@lru_cache(maxsize=32)
def _headers(text: str) -> dict[int, str]:
    """Return the first row of each table of a text, by its block: every row of a long table asks for it."""
    return {u.block: text[u.start : u.end] for u in reversed(split_units(text)) if u.kind == "row"}


def _row(row: str, header: str) -> str:
    cells, names = row.split("\t"), header.split("\t")
    if cells == names or len(cells) != len(names):
        return " · ".join(cell for cell in cells if cell)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=True) if cell)
