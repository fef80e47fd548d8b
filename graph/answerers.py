"""Answers with a language model: any LangChain chat model behind the ports of a turn."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from pydantic import ValidationError

from graph.condense import condense, leans_on_history
from graph.errors import CitesideError, ModelFailed, ModelUnavailable
from graph.ports import Claim, Finish, Lack, MissingKind, Piece
from graph.prompts import condense_messages, constrained_messages, grounded_messages
from graph.types import Exchange, Passage

_JSON = json.JSONDecoder(strict=False)  # a quote of several lines is copied with its line breaks
_UNFINISHED = ("Unterminated", "Invalid \\")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # NUL and lone surrogates, which Postgres and UTF-8 refuse
_ENDINGS: dict[str, Literal["stop", "length"]] = {"stop": "stop", "end_turn": "stop", "length": "length"}


@dataclass(frozen=True, slots=True)
class ModelAnswerer:
    """Answers from passages with `model`; `instructions` set the tone and name facts of the product."""

    model: BaseChatModel
    name: str
    instructions: str = ""

    def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the model's text as it comes, its reasoning left out."""
        return _pieces(self.model, grounded_messages(question, passages, history, self.instructions), self.name)


@dataclass(frozen=True, slots=True)
class ModelSelectionAnswerer:
    """Answers from a selection with `model`, which chooses what of it answers by quoting it."""

    model: BaseChatModel
    name: str

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncGenerator[Claim | Lack | Finish, None]:
        """Yield what the objects of the model's reply hold; what is not of the agreed form is left out."""
        buffered = ""
        async for piece in _pieces(self.model, constrained_messages(question, selection, earlier), self.name):
            items, buffered = take_items(buffered + piece.text, final=piece.finish is not None)
            for item in items:
                yield item
            if piece.finish:
                yield Finish(finish=piece.finish, tokens=piece.tokens)


@dataclass(frozen=True, slots=True)
class ModelCondenser:
    """Rewrites a follow-up with `model`; when that fails, the rule of `graph.condense` takes over."""

    model: BaseChatModel

    async def condense(self, question: str, history: Sequence[Exchange]) -> str:
        """Return the standalone form of `question`; a question that does not lean on history costs no call."""
        if not history or not leans_on_history(question):
            return question
        try:
            parts = [p.text async for p in _pieces(self.model, condense_messages(question, history), "condenser")]
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
        if "missing" in value:
            kind = value["missing"] if value["missing"] in get_args(MissingKind) else "fact"
            return Lack(kind=kind, about=value["about"])
        return Claim(quote=value["quote"])
    except (KeyError, ValidationError):
        return None


async def _pieces(model: BaseChatModel, messages: list[BaseMessage], name: str) -> AsyncGenerator[Piece, None]:
    """Stream a model's visible text.

    The answer counts as whole only with a finish reason: a stream that was cut cleanly raises nothing in
    langchain-openai 1.7, it just stops.
    """
    reasoning = ReasoningFilter()
    begun = False
    finish: str | None = None
    tokens: int | None = None
    try:
        async with aclosing(cast(AsyncGenerator[AIMessageChunk], model.astream(messages))) as chunks:
            async for chunk in chunks:
                finish = chunk.response_metadata.get("finish_reason") or finish
                if chunk.usage_metadata:
                    tokens = chunk.usage_metadata["total_tokens"]
                text = _UNSTORABLE.sub("", reasoning.feed(chunk.text))
                if text := text if begun else text.lstrip():
                    begun = True
                    yield Piece(text=text)
    except CitesideError:
        raise
    except Exception as error:  # any provider's own exception class may come out of a chat model
        raise _failure(begun, f"{name} failed with {type(error).__name__}") from error
    if text := reasoning.flush():
        begun = True
        yield Piece(text=text)
    if finish not in _ENDINGS:
        raise _failure(begun, f"{name} ended with finish reason {finish!r}")
    if not begun:
        raise ModelUnavailable(f"{name} ended without a word of text")
    yield Piece(finish=_ENDINGS[finish], tokens=tokens)


def _failure(begun: bool, what: str) -> CitesideError:
    if begun:
        return ModelFailed(f"{what} after its answer had begun. Try again.")
    return ModelUnavailable(f"{what} before the first word of its answer")


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
