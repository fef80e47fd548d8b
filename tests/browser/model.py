"""The language model of the suite: says what a test tells it, about the texts that the server gave it."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from anyio.from_thread import BlockingPortal

from evals.mock_openai import Fault, Script, mock_openai

HOLD = object()
"""Stands between two pieces: the model waits here until the test lets it go on."""

_PASSAGE = re.compile(r"<passage (\d+)>\n(.*?)\n</passage \1>", re.DOTALL)
_SELECTION = re.compile(r"<text>\n(.*)\n</text>", re.DOTALL)
_CITED = re.compile(r"\[\[(.+?)\]\]")


@dataclass
class Model:
    """Answers every question as it was last told to."""

    portal: BlockingPortal
    url: str = ""
    _grounded: Script = field(default_factory=Script)
    _quotes: Sequence[str] = ()
    _lack: dict[str, str] = field(default_factory=dict)
    _held: asyncio.Event = field(default_factory=asyncio.Event)

    def says(self, *pieces: object, pace: float = 0.0, fault: Fault | None = None) -> None:
        """Answer from passages with `pieces`, `pace` seconds apart. `[[words]]` cites the passage with these words."""
        self._held = asyncio.Event()
        self._grounded = Script([self._held if p is HOLD else str(p) for p in pieces], delay=pace, fault=fault)

    def quotes(self, *sentences: str, missing: str = "fact", about: str) -> None:
        """Answer from a selection with those of `sentences` that stand in it; without any, say what is `missing`."""
        self._quotes, self._lack = sentences, {"missing": missing, "about": about}

    def go_on(self) -> None:
        """Say what stands behind HOLD."""
        self.portal.call(self._held.set)

    def reply(self, asked: dict[str, Any]) -> Script:
        """Choose what is said to one request."""
        given = asked["messages"][-1]["content"]
        if selection := _SELECTION.search(given):
            found = [{"quote": s} for s in self._quotes if _plain(s) in _plain(selection[1])]
            return Script([json.dumps(line) + "\n" for line in found or [self._lack]])
        passages = {number: _plain(text) for number, text in _PASSAGE.findall(given)}
        if not passages:
            return Script([given])  # a follow-up that is to be made to stand on its own

        def number(words: re.Match[str]) -> str:
            holding = (n for n, text in passages.items() if _plain(words[1]) in text)
            return f"[{next(holding, f'no passage says {words[1]!r}')}]"

        told = self._grounded
        pieces = [_CITED.sub(number, piece) if isinstance(piece, str) else piece for piece in told.pieces]
        return Script(pieces, delay=told.delay, fault=told.fault)


@contextmanager
def open_model(portal: BlockingPortal) -> Iterator[Model]:
    """Serve on a free loopback port."""
    model = Model(portal)
    with portal.wrap_async_context_manager(mock_openai(model.reply)) as model.url:
        yield model


def _plain(text: str) -> str:
    return " ".join(text.split())
