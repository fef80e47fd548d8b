"""Answers without a language model, from the sentences of the text itself."""

import math
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from graph.condense import condense
from graph.missing import asked_kind
from graph.ports import Claim, Finish, Lack, Piece
from graph.support import support
from graph.terms import content_terms, question_terms
from graph.types import Exchange, Passage
from graph.units import Unit, quotable, split_units

NAME = "extractive"

_RUN = 3
"""Sentences taken from the best place; a reader skims three, and more dilute the answer."""

_LISTED = 8
"""Items taken behind a sentence that ends in a colon."""

_SIDE_PASSAGES = 2
"""Further passages that may add a sentence each."""

_FIRST = 0.05
"""Given to the passage that was ranked first, half of it to the second ...: fusion sees what a cosine does not."""

_SHOWN = 0.1
"""Given to a passage with code when the question asks how to do something: the command is the answer."""

_AS_NEAR = 0.75
"""Share of the first passage's cosine from which another may add to it."""

_REPEATED = 0.8
"""Support from which a sentence says what was said already."""


@dataclass(frozen=True, slots=True)
class ExtractiveAnswerer:
    """Composes an answer from the sentences of the passages that speak most directly to the question."""

    name: str = NAME

    async def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the best place of the best passage, then what others add, each sentence with its marker."""
        terms = question_terms(condense(question, history))
        weight = _weights([p.text for p in passages])
        wants_code = asked_kind(question) in {"steps", "code"}
        relevance = [
            _relevance(p, terms, weight) + _FIRST / (1 + i) + _SHOWN * (wants_code and _has_code(p.text))
            for i, p in enumerate(passages)
        ]
        ranked = sorted((i for i, p in enumerate(passages) if _sayable(p.text)), key=lambda i: -relevance[i])
        said = ""
        for rank, i in enumerate(ranked[: 1 + _SIDE_PASSAGES]):
            passage = passages[i]
            if rank == 0:
                chosen = _run(passage, terms, weight, wants_code=wants_code)
            elif passage.score >= _AS_NEAR * passages[ranked[0]].score:
                chosen = _addition(passage, terms, weight, said)
            else:
                chosen = []
            if chosen:
                block = _render(passage, chosen, marker=i + 1)
                yield Piece(text=f"\n\n{block}" if said else block)
                said += block
        yield Piece(finish="stop")


@dataclass(frozen=True, slots=True)
class ExtractiveSelectionAnswerer:
    """Answers with the sentences of a selection that speak to the question, word for word."""

    name: str = NAME

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncGenerator[Claim | Lack | Finish, None]:
        """Yield each chosen sentence; of a question without content words, the opening ones."""
        terms = question_terms(condense(question, earlier))
        found = quotable(selection)
        for unit in _telling(selection, found, terms) if terms else found[:_RUN]:
            yield Claim(quote=selection[unit.start : unit.end])
        yield Finish(finish="stop")


def _telling(text: str, found: list[Unit], terms: frozenset[str]) -> list[Unit]:
    shared = {unit: len(content_terms(text[unit.start : unit.end]) & terms) for unit in found}
    best = sorted((u for u in found if shared[u]), key=lambda u: (-shared[u], u.start))[:_RUN]
    if not best:
        return []
    kept = {u for u in best if shared[u] * 2 >= shared[best[0]]}
    for unit in best:
        if text[unit.start : unit.end].endswith(":"):
            kept.update(_listed(found, found.index(unit)))
    return sorted(kept, key=lambda u: u.start)


def _weights(texts: Sequence[str]) -> dict[str, float]:
    """Return how much each term tells one sentence from another: ln(1 + N / df) over the sentences of `texts`."""
    sentences = [content_terms(text[u.start : u.end]) for text in texts for u in quotable(text)]
    df = Counter(term for terms in sentences for term in terms)
    return {term: math.log(1 + len(sentences) / count) for term, count in df.items()}


def _coverage(text: str, terms: frozenset[str], weight: dict[str, float]) -> float:
    total = sum(weight.get(term, 1.0) for term in terms)
    return sum(weight.get(term, 1.0) for term in terms & content_terms(text)) / total if total else 0.0


def _relevance(passage: Passage, terms: frozenset[str], weight: dict[str, float]) -> float:
    return passage.score + 0.3 * _coverage(f"{passage.title} {passage.heading} {passage.text}", terms, weight)


def _has_code(text: str) -> bool:
    return any(unit.kind == "code" for unit in quotable(text))


def _run(passage: Passage, terms: frozenset[str], weight: dict[str, float], *, wants_code: bool) -> list[Unit]:
    """Return the sentences from the most telling one on, the code or list they lead to included."""
    found = _sayable(passage.text)
    if not found:
        return []
    code = next((i for i, u in enumerate(found) if u.kind == "code"), None) if wants_code else None
    if code is not None:
        return found[max(0, code - 1) : code + 2]
    scores = [_coverage(passage.text[u.start : u.end], terms, weight) for u in found]
    best = max(range(len(found)), key=lambda i: (scores[i], -i)) if max(scores) >= 0.2 else 0
    run: list[Unit] = []
    for at in range(best, min(best + _RUN, len(found))):
        run.append(found[at])
        if passage.text[: found[at].end].endswith(":"):
            return run + _listed(found, at)
    after = best + len(run)
    if run[-1].kind == "sentence" and after < len(found) and found[after].kind == "code":
        run.append(found[after])
    return run


def _sayable(text: str) -> list[Unit]:
    """Return the units an answer may repeat: all but the header rows of tables, which say nothing alone."""
    found = quotable(text)
    tables = {u.block: u for u in reversed(found) if u.kind == "row"}
    return [u for u in found if tables.get(u.block) is not u or found[-1] is u]


def _listed(found: list[Unit], at: int) -> list[Unit]:
    """Return the items behind the lead-in at `at`: the units of the next block."""
    following = found[at + 1 : at + 1 + _LISTED]
    return [u for u in following if u.block == following[0].block]


def _addition(passage: Passage, terms: frozenset[str], weight: dict[str, float], said: str) -> list[Unit]:
    """Return the one sentence of a further passage that covers most of the question and is not said yet."""
    scored = [
        (_coverage(passage.text[u.start : u.end], terms, weight), u)
        for u in _sayable(passage.text)
        if u.kind == "sentence" and support(passage.text[u.start : u.end], said) < _REPEATED
    ]
    best = max(scored, key=lambda pair: pair[0], default=None)
    return [best[1]] if best and best[0] >= 0.6 else []


def _render(passage: Passage, chosen: Sequence[Unit], *, marker: int) -> str:
    lines: list[str] = []
    header = _table_header(passage.text) if any(u.kind == "row" for u in chosen) else []
    previous: Unit | None = None
    for unit in chosen:
        words = passage.text[unit.start : unit.end]
        if unit.kind == "code":
            lead = [f"{(passage.heading or passage.title).split(' > ')[-1]} [{marker}]:"] if previous is None else []
            fence = "```" if "```" not in words else "````"
            lines += [*lead, f"{fence}\n{words}\n{fence}"]
        elif unit.kind == "row":
            lines.append(f"- {_row(words, header)} [{marker}]")
        elif previous and previous.block == unit.block and _same_line(passage.text, previous, unit):
            lines[-1] += f" {words} [{marker}]"
        else:
            bullet = "- " if _is_item(passage.text, unit) else ""
            lines.append(f"{bullet}{words} [{marker}]")
        previous = unit
    return "\n\n".join(lines).replace("]\n\n- ", "]\n- ")


def _same_line(text: str, first: Unit, second: Unit) -> bool:
    return "\n" not in text[first.end : second.start]


def _is_item(text: str, unit: Unit) -> bool:
    """Tell whether the unit opens a list item, that is, stands right behind a bullet."""
    before = text[text.rfind("\n", 0, unit.start) + 1 : unit.start]
    return bool(before.strip()) and " " not in before.strip()


def _table_header(text: str) -> list[str]:
    first = next(u for u in split_units(text) if u.kind == "row")
    return text[first.start : first.end].split("\t")


def _row(words: str, header: Sequence[str]) -> str:
    cells = words.split("\t")
    if cells == list(header) or len(cells) != len(header):
        return " · ".join(cell for cell in cells if cell)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in zip(header, cells, strict=True) if cell)
