"""Answers with a language model: any LangChain chat model behind the ports of a turn."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from pydantic import ValidationError

from graph.condense import condense, leans_on_history
from graph.errors import CitesideError, ModelFailed, ModelFiltered, ModelSilent, ModelTruncated, ModelUnavailable
from graph.patience import Fault, FaultKind, Patience
from graph.ports import Claim, Finish, Lack, MissingKind, Piece
from graph.prompts import condense_messages, constrained_messages, grounded_messages
from graph.types import Exchange, Passage

_JSON = json.JSONDecoder(strict=False)  # a quote of several lines is copied with its line breaks
_UNFINISHED = ("Unterminated", "Invalid \\")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL and lone surrogates, which Postgres and UTF-8 refuse
_FAILURES: dict[FaultKind, type[ModelFailed]] = {
    "silent": ModelSilent,
    "failed": ModelFailed,
    "truncated": ModelTruncated,
    "filtered": ModelFiltered,
}
_ENDINGS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "end_turn": "stop", "length": "length"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelAnswerer:
    """Answers from passages with `model`; `instructions` set the tone and name facts of the product."""

    model: BaseChatModel
    name: str
    instructions: str = ""
    patience: Patience = field(default_factory=Patience)

    def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the model's text as it comes, its reasoning left out."""
        messages = grounded_messages(question, passages, history, self.instructions)
        return _pieces(self.model, messages, self.name, self.patience)


@dataclass(frozen=True, slots=True)
class ModelSelectionAnswerer:
    """Answers from a selection with `model`, which chooses what of it answers by quoting it."""

    model: BaseChatModel
    name: str
    patience: Patience = field(default_factory=Patience)

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncGenerator[Claim | Lack | Finish, None]:
        """Yield what the objects of the model's reply hold; what is not of the agreed form is left out."""
        buffered = ""
        messages = constrained_messages(question, selection, earlier)
        async with aclosing(_pieces(self.model, messages, self.name, self.patience)) as pieces:
            async for piece in pieces:
                items, buffered = take_items(buffered + piece.text, final=piece.finish is not None)
                for item in items:
                    yield item
                if piece.finish:
                    yield Finish(finish=piece.finish, tokens=piece.tokens, input_tokens=piece.input_tokens)


@dataclass(frozen=True, slots=True)
class ModelCondenser:
    """Rewrites a follow-up with `model`; when that fails, the rule of `graph.condense` takes over."""

    model: BaseChatModel
    patience: Patience = field(default_factory=Patience)

    async def condense(self, question: str, history: Sequence[Exchange]) -> str:
        """Return the standalone form of `question`; a question that does not lean on history costs no call."""
        if not history or not leans_on_history(question):
            return question
        try:
            messages = condense_messages(question, history)
            parts = [p.text async for p in _pieces(self.model, messages, "condenser", self.patience)]
        except (ModelUnavailable, ModelFailed):
            return condense(question, history)
        rewritten = " ".join("".join(parts).split())
        return rewritten if 0 < len(rewritten) <= 4_000 else condense(question, history)


def take_items(text: str, *, final: bool) -> tuple[list[Claim | Lack], str]:
    """Return the claims and lacks of a reply, whatever stands around them, and its end where one may have begun."""
    found: list[Claim | Lack] = []
    at = text.find("{")
    while at >= 0:
        end = at + 1
        try:
            value, after = _JSON.raw_decode(text, at)
            if item := _item(value):
                found.append(item)
                end = after
        except json.JSONDecodeError as error:
            if not final and (error.pos == len(text) or error.msg.startswith(_UNFINISHED)):
                return found, text[at:]
        except RecursionError:
            pass
        at = text.find("{", end)
    return found, ""


def _item(value: Mapping[str, Any]) -> Claim | Lack | None:
    try:
        if value.get("missing") and not value.get("quote"):
            kind = value["missing"] if value["missing"] in get_args(MissingKind) else "fact"
            return Lack(kind=kind, about=value["about"])
        return Claim(quote=value["quote"])
    except (KeyError, ValidationError):
        return None


async def _pieces(
    model: BaseChatModel, messages: list[BaseMessage], name: str, patience: Patience
) -> AsyncGenerator[Piece, None]:
    """Stream a model's visible text; while none of it was seen, a fault that may pass has it asked again.

    Raises ModelUnavailable before the first piece, ModelFailed after it.
    """
    if not patience.breaker.admits():
        raise ModelUnavailable(f"{name} was away several times in a row and is spared for a while")
    began = _now()
    begun = False
    attempt = 0
    while True:
        attempt += 1
        try:
            async with aclosing(_reply(model, messages, patience, began)) as pieces:
                async for piece in pieces:
                    if not begun:
                        begun = True
                        patience.breaker.saw(away=False)
                    yield piece
            return
        except _Broken as broken:
            if begun:
                raise _FAILURES[broken.fault.kind](
                    f"{name} {broken} after its answer had begun. Try again."
                ) from broken
            pause = patience.pause(broken.fault) if attempt < patience.attempts else None
            if pause is None or _now() + pause >= began + patience.silence:
                patience.breaker.saw(away=broken.fault.away)
                _log.warning("model unavailable", extra={"fields": {"why": str(broken), "attempts": attempt}})
                raise ModelUnavailable(f"{name} {broken}") from broken
        await asyncio.sleep(pause)


async def _reply(
    model: BaseChatModel, messages: list[BaseMessage], patience: Patience, began: float
) -> AsyncGenerator[Piece, None]:
    """Stream the visible text of one reply. Raises _Broken.

    It counts as whole only with a finish reason: a stream that was cut cleanly raises nothing in langchain-openai 1.7,
    it just stops. Every chunk is a sign of life, so that a model may think aloud longer than it may be silent.
    """
    reasoning = ReasoningFilter()
    begun = False
    finish: str | None = None
    tokens: int | None = None
    input_tokens: int | None = None
    deadline = began + patience.silence
    try:
        async with aclosing(cast(AsyncGenerator[AIMessageChunk], model.astream(messages))) as chunks:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    break
                finish = chunk.response_metadata.get("finish_reason") or finish
                if chunk.usage_metadata:
                    tokens = chunk.usage_metadata["total_tokens"]
                    input_tokens = chunk.usage_metadata["input_tokens"]
                text = _UNSTORABLE.sub("", reasoning.feed(chunk.text))
                del chunk  # nothing of it is kept while the next is waited for
                if text := text if begun else text.lstrip():
                    begun = True
                    yield Piece(text=text)
                deadline = _now() + patience.silence
                if not begun:
                    deadline = min(deadline, began + patience.thought)
    except CitesideError:
        raise
    except Exception as error:  # any provider's own exception class may come out of a chat model
        raise _Broken(f"failed with {type(error).__name__}", patience.judge(error)) from error
    if text := reasoning.flush():
        begun = True
        yield Piece(text=text)
    if finish is None:
        raise _Broken("ended without a finish reason", Fault("truncated", again=True))
    if finish == "content_filter":
        raise _Broken("was stopped by a content filter", Fault("filtered", away=False))
    if finish not in _ENDINGS:
        raise _Broken("ended with an unknown finish reason", Fault(away=False))
    if not begun:
        raise _Broken("ended without a word of text", Fault(away=False))
    yield Piece(finish=_ENDINGS[finish], tokens=tokens, input_tokens=input_tokens)


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Broken(Exception):
    """A reply that broke off, and what that means."""

    def __init__(self, what: str, fault: Fault) -> None:
        super().__init__(what)
        self.fault = fault


class ReasoningFilter:
    """Leaves out what a model thinks aloud between <think> and </think>, in whatever pieces it comes."""

    _OPEN, _CLOSE = "<think>", "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def feed(self, text: str) -> str:
        """Take a piece and return what of it is meant for the reader."""
        self._held += text
        shown = ""
        while True:
            tag = self._CLOSE if self._thinking else self._OPEN
            before, found, after = self._held.partition(tag)
            if not found:
                break
            shown += "" if self._thinking else before
            self._thinking = not self._thinking
            self._held = after
        keep = max((n for n in range(1, len(tag)) if self._held.endswith(tag[:n])), default=0)
        cut = len(self._held) - keep
        if not self._thinking:
            shown += self._held[:cut]
        self._held = self._held[cut:]
        return shown

    def flush(self) -> str:
        """Return what was held when the text ends; unfinished reasoning is dropped."""
        return "" if self._thinking else self._held
