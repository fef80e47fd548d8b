"""assess -> answer_selection: an answer that rests on the reader's selection alone.

The rule is kept by what is absent: no field here can hold a retriever, no key that these nodes read can hold a
passage or a grounded turn, and an import contract in `pyproject.toml` keeps the other path out of reach. Whatever
an answerer says, only whole sentences of the selection are shown behind the label: it may choose them, not word them;
what it finds missing is worded by `graph.missing`, which has no field for a fact.
"""

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from langgraph.runtime import Runtime

from graph.citations import find_verbatim
from graph.emit import emit
from graph.errors import ModelFailed, ModelUnavailable
from graph.events import Delta, Status, VerdictGiven
from graph.extractive import ExtractiveSelectionAnswerer
from graph.injection import suspected
from graph.markdown import as_code, as_text
from graph.missing import admissible, describe, lacking, say_missing
from graph.ports import Claim, Finish, Lack, SelectionAnswerer, Sufficiency
from graph.state import Answered, Assessed, Selected, ToAnswerSelection
from graph.sufficiency import WIDER, WordSufficiency
from graph.terms import content_terms
from graph.texts import say
from graph.types import CONSTRAINED_LABEL, ConstrainedAnswer, Missing, Notice, Span, Verdict
from graph.units import Unit, bullet, quotable

_Outcome = Literal["answered", "partial", "insufficient"]

_LACKS = 3
"""Missing things told to the reader; more of them help nobody to mark a better text."""


@dataclass(frozen=True, slots=True)
class Constrained:
    """The nodes of a constrained turn. There is no retriever to call."""

    answerer: SelectionAnswerer
    sufficiency: Sufficiency
    fallback: ExtractiveSelectionAnswerer = field(default_factory=ExtractiveSelectionAnswerer)

    async def assess(self, state: Selected, runtime: Runtime) -> Assessed:
        """Judge whether the selection answers the question, unless that is left to the answerer."""
        emit(Status(step="assessing"), runtime)
        verdict = await self.sufficiency.assess(state["question"], state["selection"].text, locale=state["locale"])
        if verdict:
            emit(VerdictGiven(verdict=verdict), runtime)
        return {"verdict": verdict}

    async def answer_selection(self, state: ToAnswerSelection, runtime: Runtime) -> Answered:
        """Write the label, then what the selection says about the question, then what it lacks."""
        verdict = state["verdict"]
        reply = _Reply(state, runtime)
        if verdict and verdict.verdict == "insufficient":
            return {"answer": reply.finished(verdict)}
        emit(Status(step="answering"), runtime)
        try:
            await reply.take_from(self.answerer)
            if reply.is_empty() and self.answerer.name != self.fallback.name:
                reply.notice("model_unusable", "notice_model_unusable")
        except (ModelUnavailable, ModelFailed):
            if reply.has_shown():
                raise
            reply.forget()
            reply.notice("model_unavailable", "notice_model_unavailable")
        if reply.is_empty():
            verdict = await WordSufficiency().assess(state["question"], state["selection"].text, locale=state["locale"])
            if verdict.verdict != "insufficient":
                await reply.take_from(self.fallback)
        if self.answerer.name == self.fallback.name:
            reply.notice("extractive", "notice_extractive_selection")
        return {"answer": reply.finished(verdict)}


class _Reply:
    """The text a constrained turn shows, and the words of the selection it rests on."""

    def __init__(self, state: ToAnswerSelection, runtime: Runtime) -> None:
        self._state = state
        self._runtime = runtime
        self._selection = state["selection"].text
        self._unsaid = quotable(self._selection)
        self._text = ""
        self._shown: list[Unit] = []
        self._lacks: list[Lack] = []
        self._notices: list[Notice] = []
        self._model = "none"
        self._finish = Finish(finish="stop")
        self._show(f"{CONSTRAINED_LABEL}\n\n")

    async def take_from(self, answerer: SelectionAnswerer) -> None:
        """Show what an answerer claims as far as the selection bears it, and note what it finds missing."""
        claims = answerer.claims(self._state["question"], self._selection, self._state["earlier"])
        async with aclosing(claims) as items:
            async for item in items:
                self._model = answerer.name
                match item:
                    case Claim():
                        self._release(item)
                    case Lack():
                        if admissible(item, self._state["question"]):
                            self._lacks.append(item)
                    case Finish():
                        self._finish = item

    def has_shown(self) -> bool:
        """Tell whether the reader saw a sentence."""
        return bool(self._shown)

    def forget(self) -> None:
        """Drop what an answerer that broke off found missing: it had not read to the end."""
        self._lacks = []

    def is_empty(self) -> bool:
        """Tell whether nothing was shown and nothing was found missing."""
        return not self._shown and not self._lacks

    def notice(self, code: str, text: str) -> None:
        """Tell the reader how the answer came to be."""
        self._notices.append(Notice(code=code, detail=say(text, self._state["locale"])))

    def finished(self, judged: Verdict | None) -> ConstrainedAnswer:
        """Close the text with what is missing and return the answer; a verdict that was not sent yet is sent."""
        verdict = self._verdict(judged)
        outcome: _Outcome = "answered" if verdict.verdict == "sufficient" else verdict.verdict
        if verdict.verdict != "sufficient":
            self._show(("\n\n" if self._shown else "") + say_missing(verdict, self._state["locale"]))
        if verdict != self._state["verdict"]:
            emit(VerdictGiven(verdict=verdict), self._runtime)
        return ConstrainedAnswer(
            text=self._text,
            outcome=outcome,
            verdict=verdict,
            injection_suspected=suspected(question=self._state["question"], selection=self._selection),
            notices=tuple(self._notices),
            model=self._model,
            tokens=self._finish.tokens,
            input_tokens=self._finish.input_tokens,
            truncated=self._finish.finish == "length",
        )

    def _release(self, claim: Claim) -> None:
        """Show the sentences and code blocks that a claim quotes, whole and once each, so that no "not" is cut off.

        No rewording is shown, for words alone cannot tell a fair one from a false one: "Plan A allows 10" is made of
        nothing but words of "Plan A allows 5 users, plan B allows 10", in their order.
        """
        quote = find_verbatim(claim.quote, self._selection) or find_verbatim(
            claim.quote.replace("&lt;", "<"),
            self._selection,  # as the model was given it
        )
        if quote is None or not content_terms(claim.quote):
            return
        quoted = [u for u in self._unsaid if u.start < quote.end and quote.start < u.end]
        tables = _tables(quoted) - _tables(self._shown)
        rows = (u for u in reversed(self._unsaid) if u.kind == "row" and u.block in tables)
        heads = {u.block: u for u in rows}  # a row says little without the names of its columns
        for unit in sorted({*quoted, *heads.values()}, key=lambda u: u.start):
            self._show(self._gap(unit) + as_markdown(self._selection, unit))
            self._shown.append(unit)
        said = set(self._shown)
        self._unsaid = [u for u in self._unsaid if u not in said]

    def _gap(self, unit: Unit) -> str:
        """Return what parts a sentence from the one shown before: a blank only where it follows it in the selection."""
        if not self._shown:
            return ""
        between = self._selection[self._shown[-1].end : unit.start]
        return " " if between.isspace() and "\n" not in between else "\n\n"

    def _verdict(self, judged: Verdict | None) -> Verdict:
        """Return what holds in the end: nothing shown is insufficient, whatever was judged before."""
        used = tuple(Span(start=u.start, end=u.end) for u in sorted(self._shown, key=lambda u: u.start))
        missing = tuple(self._describe(lack) for lack in list(dict.fromkeys(self._lacks))[:_LACKS]) or (
            judged.missing if judged else ()
        )
        if not used:
            missing = missing or (self._describe(lacking(self._state["question"], frozenset())),)
            return Verdict(verdict="insufficient", missing=missing, widen=WIDER)
        if missing:
            return Verdict(verdict="partial", used=used, missing=missing, widen=WIDER)
        return Verdict(verdict="sufficient", used=used)

    def _describe(self, lack: Lack) -> Missing:
        mentioned = content_terms(lack.about) <= content_terms(self._selection)
        return describe(lack, self._state["locale"], mentioned=mentioned)

    def _show(self, text: str) -> None:
        self._text += text
        emit(Delta(text=text), self._runtime)


def _tables(units: Iterable[Unit]) -> set[int]:
    """Return the blocks of which rows are among `units`."""
    return {unit.block for unit in units if unit.kind == "row"}


def as_markdown(selection: str, unit: Unit) -> str:
    """Return what shows a unit of a selection as it stands there: code as a block, cells apart, items with a bullet."""
    text = selection[unit.start : unit.end]
    if unit.kind == "code":
        return as_code(text)
    return bullet(selection, unit) + as_text(" · ".join(cell.strip() for cell in text.split("\t") if cell.strip()))
