"""condense -> retrieve -> ground -> answer -> check: an answer that rests on passages, or says that none do."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import Literal

from langgraph.runtime import Runtime

from graph.citations import MarkerGate, resolve, unsupported
from graph.condense import RuleCondenser
from graph.emit import emit
from graph.errors import ModelFailed, ModelUnavailable
from graph.events import Delta, OfferedPassage, Passages, Status
from graph.extractive import NAME as EXTRACTIVE
from graph.extractive import ExtractiveAnswerer
from graph.injection import suspected
from graph.markdown import as_text
from graph.ports import Answerer, Condenser, Piece, Retriever
from graph.questions import parts_alone
from graph.state import (
    Answered,
    Condensed,
    Draft,
    Drafted,
    Evidence,
    FollowUp,
    Grounds,
    Retrieved,
    Search,
    ToCheck,
    ToDecline,
)
from graph.support import is_near
from graph.texts import say
from graph.types import Exchange, GroundedAnswer, Grounding, NearestPage, Notice, Passage, PassageRef

PASSAGES = 6
"""Given to the answerer: more of them seldom help and are paid for."""


@dataclass(frozen=True, slots=True)
class Grounded:
    """The nodes of a grounded turn. Each runs alone: `await Grounded(index, answerer).retrieve({...}, Runtime())`."""

    retriever: Retriever
    answerer: Answerer
    condenser: Condenser = field(default_factory=RuleCondenser)
    fallback: ExtractiveAnswerer = field(default_factory=ExtractiveAnswerer)
    limit: int = PASSAGES
    keywords_only: bool = False

    async def condense(self, state: FollowUp, runtime: Runtime) -> Condensed:
        """Make a follow-up stand on its own."""
        if state["history"]:
            emit(Status(step="condensing"), runtime)
        return {"query": await self.condenser.condense(state["question"], state["history"])}

    async def retrieve(self, state: Search, runtime: Runtime) -> Retrieved:
        """Search the reader's scope, for a question with several parts also for each of them."""
        emit(Status(step="retrieving"), runtime)
        query = state["query"]
        question, _, added = query.partition("\n")
        asked = parts_alone(question, [Exchange(question=added, answer="")] if added else ())
        search = partial(self.retriever.search, scope=state["scope"], limit=self.limit)
        if len(asked) == 1:
            return {"passages": await search(query)}
        whole, *of_parts = await asyncio.gather(*map(search, (query, *asked)))
        # A question that is far from the docs is not brought near by one part of it.
        near = is_near(whole) or all(map(is_near, of_parts))
        return {"passages": _in_turn(whole, of_parts)[: self.limit] if near else whole}

    async def ground(self, state: Retrieved, runtime: Runtime) -> Grounds:
        """Decide whether the passages are near enough to answer from, and show those which an answer may cite."""
        emit(Status(step="reading"), runtime)
        passages = state["passages"]
        near = is_near(passages)
        if near:
            emit(Passages(passages=tuple(_offered(n, p) for n, p in enumerate(passages, 1))), runtime)
        return {"near": near}

    async def answer(self, state: Evidence, runtime: Runtime) -> Drafted:
        """Stream the answer, holding back markers that nobody issued."""
        emit(Status(step="answering"), runtime)
        passages, history = state["passages"], state["history"]
        try:
            return await self._draft(self.answerer, state["question"], passages, history, runtime, state["locale"])
        except ModelUnavailable:
            unavailable = Notice(code="model_unavailable", detail=say("notice_model_unavailable", state["locale"]))
            drafted = await self._draft(
                self.fallback, state["question"], passages, history, runtime, state["locale"], unavailable
            )
            return drafted

    async def _draft(
        self,
        answerer: Answerer,
        question: str,
        passages: Sequence[Passage],
        history: Sequence[Exchange],
        runtime: Runtime,
        locale: str,
        *notices: Notice,
    ) -> Drafted:
        gate = MarkerGate(offered=passages)
        shown: list[str] = []
        last = Piece()

        def release(text: str) -> None:
            if text:
                shown.append(text)
                emit(Delta(text=text), runtime)

        try:
            async with aclosing(answerer.answer(question, passages, history)) as pieces:
                async for piece in pieces:
                    release(gate.feed(piece.text))
                    last = piece
        except ModelFailed as error:
            if shown:
                raise
            raise ModelUnavailable(f"{answerer.name} broke off before a word of it was shown") from error
        release(gate.flush())
        if not shown and answerer.name != self.fallback.name:
            raise ModelUnavailable(f"{answerer.name} said nothing but markers that nobody issued")
        if not shown:
            release(say("related", locale, pages=_titles(_nearest(passages))))
        if answerer.name == self.fallback.name and not notices:
            notices = (Notice(code="extractive", detail=say("notice_extractive", locale)),)
        return {
            "draft": {
                "text": "".join(shown),
                "marks": gate.marks,
                "notices": notices,
                "model": answerer.name,
                "tokens": last.tokens,
                "input_tokens": last.input_tokens,
                "truncated": last.finish == "length",
            }
        }

    async def check(self, state: ToCheck, runtime: Runtime) -> Answered:
        """Resolve each marker to the words it rests on, and mark the sentences that nothing cited supports."""
        emit(Status(step="checking"), runtime)
        draft, passages = state["draft"], state["passages"]
        citations = resolve(draft["text"], draft["marks"], passages)
        cited = [p for p in passages if any(c.passage_id == p.id for c in citations)]
        quotes = draft["model"] == self.fallback.name  # by construction
        doubted = () if quotes else unsupported(draft["text"], draft["marks"], passages)
        answer = GroundedAnswer(
            text=draft["text"],
            outcome="answered" if citations else "partial",
            citations=citations,
            grounding=Grounding(passages=_refs(passages), unsupported=doubted),
            nearest=() if citations else _nearest(passages),
            notices=(*draft["notices"], *self._search_notices(cited, state), *_warning(cited, draft, state["locale"])),
            injection_suspected=suspected(question=state["question"], passages=passages),
            model=draft["model"],
            tokens=draft["tokens"],
            input_tokens=draft["input_tokens"],
            truncated=draft["truncated"],
        )
        return {"answer": answer}

    async def decline(self, state: ToDecline, runtime: Runtime) -> Answered:
        """Say that the docs do not cover the question, and name the nearest pages; no model is asked."""
        nearest = _nearest(state["passages"])
        text = say("not_covered", state["locale"])
        if nearest:
            text += " " + say("nearest", state["locale"], pages=_titles(nearest))
        emit(Delta(text=text), runtime)
        answer = GroundedAnswer(
            text=text,
            outcome="not_covered",
            grounding=Grounding(passages=_refs(state["passages"])),
            nearest=nearest,
            injection_suspected=suspected(question=state["question"]),
            model="none",
        )
        return {"answer": answer}

    def _search_notices(self, cited: Sequence[Passage], state: ToCheck) -> list[Notice]:
        notices: list[Notice] = []
        scope, versions = state["scope"], {p.version for p in cited} - {None}
        if scope.locale and any(p.locale not in {scope.locale, None} for p in cited):
            notices.append(Notice(code="scope_fallback", detail=say("notice_other_language", state["locale"])))
        elif scope.version and versions and scope.version not in versions:
            notices.append(Notice(code="scope_fallback", detail=say("notice_other_version", state["locale"])))
        if self.keywords_only:
            notices.append(Notice(code="keywords_only", detail=say("notice_keywords_only", state["locale"])))
        return notices


async def after_ground(state: Grounds) -> Literal["answer", "decline"]:
    """Route a question that the docs cover to its answer."""
    return "answer" if state["near"] else "decline"


def _offered(number: int, p: Passage) -> OfferedPassage:
    return OfferedPassage(
        marker=number, id=p.id, url=p.url, path=p.path, title=p.title, heading=p.heading, score=p.score
    )


def _warning(cited: Sequence[Passage], draft: Draft, locale: str) -> list[Notice]:
    """Return what a reader should know of an answer that a model made of a page with orders to it."""
    if draft["model"] == EXTRACTIVE or not suspected(passages=cited):
        return []
    return [Notice(code="injection_suspected", detail=say("notice_injection_suspected", locale))]


def _titles(pages: Sequence[NearestPage]) -> str:
    return ", ".join(as_text(page.title) for page in pages)


def _refs(passages: Sequence[Passage]) -> tuple[PassageRef, ...]:
    return tuple(PassageRef(id=p.id, url=p.url, score=p.score) for p in passages)


def _in_turn(whole: Sequence[Passage], of_parts: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Return passages of several searches, the best of each first; one found by several, as near as it was found."""
    ranked = [p for rank in zip_longest(whole, *of_parts) for p in rank if p]
    nearest: dict[str, Passage] = {}
    for passage in ranked:
        known = nearest.get(passage.id)
        nearest[passage.id] = max(known, passage, key=lambda p: p.score) if known else passage
    ranks = [{p.id: rank for rank, p in enumerate(found, 1)} for found in of_parts]
    return [p.model_copy(update={"places": tuple(rank.get(p.id, 0) for rank in ranks)}) for p in nearest.values()]


def _nearest(passages: Sequence[Passage]) -> tuple[NearestPage, ...]:
    """Return up to three pages in the order they were found in, each once."""
    pages: dict[str, Passage] = {}
    for p in passages:
        pages.setdefault(p.path.partition("#")[0], p)
    return tuple(NearestPage(url=p.url, path=p.path, title=p.title) for p in list(pages.values())[:3])
