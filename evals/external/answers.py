"""Measures answers made without a model: where they point, and how near they come to answers that people wrote.

The first citation is to lie on a page that answers; ROUGE-L is compared with that of the first three sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from langgraph.runtime import Runtime

from evals.external import Figure, Tell, rows
from evals.external.retrieval import CACHE, SETS, searched_sites, tell_left_out
from evals.rouge import rouge_l
from graph.citations import MarkerGate, resolve
from graph.extractive import ExtractiveAnswerer, ExtractiveSelectionAnswerer
from graph.grounded import Grounded
from graph.ports import Claim
from graph.state import Search
from graph.types import Citation, Passage, Scope
from graph.units import quotable

LEAD = 3
"""Sentences from the beginning that an answer has to be better than."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer without its markers, what it cites, and the passages it was made of."""

    text: str
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class _Scored:
    """A question's answer, the page of each passage it was made of, and the pages that are right."""

    qid: str
    answer: Answered
    pages: Mapping[str, str]
    gold: frozenset[str]

    def points_right(self) -> bool:
        first = self.answer.citations[:1]
        return any(self.pages[citation.passage_id] in self.gold for citation in first)


async def measure(folder: Path, tell: Tell, *, cache: Path = CACHE) -> list[Figure]:
    """Score what `folder` has cases for; `cache` keeps the indexes of its pages between runs."""
    return [
        *await _first_citations(folder, tell, cache),
        *await _docs_answers(folder, tell, cache),
        *await _clapnq(folder, tell),
    ]


async def answer(question: str, passages: Sequence[Passage]) -> Answered:
    """Answer as a grounded turn without a model does, and resolve its markers."""
    gate = MarkerGate(offered=passages)
    text = "".join([gate.feed(piece.text) async for piece in ExtractiveAnswerer().answer(question, passages, ())])
    text += gate.flush()
    plain = text
    for marker, at in reversed(gate.marks):
        plain = plain[:at].removesuffix(" ") + plain[at + len(f"[{marker}]") :]
    return Answered(plain, resolve(text, gate.marks, passages), tuple(passages))


async def _asked(folder: Path, scored: str, tell: Tell, cache: Path) -> list[_Scored]:
    """Answer each question of a retrieval set from the passages the product finds."""
    questions = next(each for each in SETS if each.name == scored).load(folder)
    found: list[_Scored] = []
    async for site, index, page in searched_sites(folder, cache, tell, only={each.site for each in questions}):
        tell(f"{scored}: answering questions about {site}")
        turn = Grounded(index, ExtractiveAnswerer())
        for each in (q for q in questions if q.site == site):
            search: Search = {"query": each.question, "scope": Scope()}
            passages = (await turn.retrieve(search, Runtime()))["passages"]
            made = await answer(each.question, passages)
            pages = {passage.id: page(passage) for passage in passages}
            found.append(_Scored(each.qid, made, pages, each.gold))
    tell_left_out(scored, questions, {each.qid for each in found}, tell)
    return found


async def _first_citations(folder: Path, tell: Tell, cache: Path) -> list[Figure]:
    found = await _asked(folder, "docs_retrieval", tell, cache)
    hits = [each.points_right() for each in found]
    given = [each.points_right() for each in found if each.gold & set(each.pages.values())]
    return [
        Figure("docs_retrieval", "first citation", mean(hits), len(hits), goal=0.6),
        Figure("docs_retrieval", "first citation where found", mean(given) if given else 0.0, len(given)),
    ]


async def _docs_answers(folder: Path, tell: Tell, cache: Path) -> list[Figure]:
    found = await _asked(folder, "docs_qa_anthropic", tell, cache)
    wanted = {row["qid"]: row["reference_answer"] for row in rows(folder, "docs_qa_anthropic.queries.jsonl")}
    ours = [rouge_l(each.answer.text, [wanted[each.qid]]) for each in found]
    lead = [rouge_l(_opening(each.answer.passages[0].text), [wanted[each.qid]]) for each in found]
    return [_ratio("docs_qa_anthropic", "ROUGE-L to first three", ours, lead)]


async def _clapnq(folder: Path, tell: Tell) -> list[Figure]:
    answerable = [row for row in rows(folder, "sufficiency_clapnq.jsonl") if row["answerable"]]
    tell(f"ClapNQ: answering {len(answerable)} questions")
    lead = [rouge_l(_opening(row["context"]), row["answers"]) for row in answerable]
    selected = [rouge_l(await _selected(row), row["answers"]) for row in answerable]
    grounded = [rouge_l((await answer(row["question"], [_passage(row)])).text, row["answers"]) for row in answerable]
    return [
        Figure("ClapNQ", "ROUGE-L", mean(selected), len(selected), baseline=mean(lead)),
        _ratio("ClapNQ", "ROUGE-L to first three", selected, lead, goal=1.3),
        _ratio("ClapNQ as a passage", "ROUGE-L to first three", grounded, lead, goal=1.3),
    ]


async def _selected(row: dict[str, Any]) -> str:
    claims = ExtractiveSelectionAnswerer().claims(row["question"], row["context"], ())
    return " ".join([claim.quote async for claim in claims if isinstance(claim, Claim)])


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(id=row["id"], url="", path="", title=row["title"], text=row["context"], score=1.0)


def _opening(text: str) -> str:
    return " ".join(text[unit.start : unit.end] for unit in quotable(text)[:LEAD])


def _ratio(name: str, metric: str, ours: Sequence[float], lead: Sequence[float], goal: float | None = None) -> Figure:
    return Figure(name, metric, mean(ours) / mean(lead), len(ours), baseline=1.0, goal=goal)
