"""Takes out of readers' words, before they are stored or shown to a model, what an operator's function finds in them.

Questions, selections, titles, notes and search words all pass here. A selection that was changed is *the* selection
of its turn: all offsets count the changed text, as it is stored and listed. Whoever sent it holds another text, and is
told by the notice `scrubbed` not to lay these offsets over it.
"""

import asyncio
from collections.abc import Callable
from typing import overload

from graph.errors import CitesideError
from graph.texts import say
from graph.types import Notice
from persistence.postgres import storable
from server.hooks import load_hook
from server.requests import (
    LINE_LIMIT,
    MESSAGE_LIMIT,
    REASON_LIMIT,
    SELECTION_LIMIT,
    TITLE_LIMIT,
    ChatRequest,
    FeedbackRequest,
    StoredRequest,
)
from server.settings import Settings, variable


class ScrubFailed(CitesideError):
    """The operator's function raised, or returned what is no text: what it was given is neither stored nor sent."""


class Scrub:
    """Applies the operator's function, in a thread: it may be slow. Without one, all text stays as it is."""

    def __init__(self, function: Callable[[str], str] | None) -> None:
        """Take the function; it is called from several threads, and equal texts must become equal texts."""
        self._function = function

    @property
    def on(self) -> bool:
        """Tell whether there is a function."""
        return self._function is not None

    @overload
    async def text(self, text: str, limit: int) -> str: ...
    @overload
    async def text(self, text: str | None, limit: int) -> str | None: ...
    async def text(self, text: str | None, limit: int) -> str | None:
        """Return a text as it may be kept, cut to `limit` code points. Raises ScrubFailed."""
        if self._function is None or text is None:
            return text
        return await asyncio.to_thread(_apply, self._function, text, limit)

    async def asked(self, asked: ChatRequest) -> ChatRequest:
        """Return a question as it may be kept, saying so if that is not as it was sent. Raises ScrubFailed."""
        if self._function is None:
            return asked
        kept: dict[str, object] = {
            "message": await self.text(asked.message, MESSAGE_LIMIT),
            "selected_text": await self.text(asked.selected_text, SELECTION_LIMIT),
        }
        if any(getattr(asked, name) != text for name, text in kept.items()):
            kept["scrubbed"] = True
        if asked.selector:
            around = {name: await self.text(getattr(asked.selector, name), LINE_LIMIT) for name in ("prefix", "suffix")}
            kept["selector"] = asked.selector.model_copy(update=around)
        return StoredRequest.model_validate(dict(asked) | kept)

    async def title(self, title: str) -> str:
        """Return a thread's title as it may be kept. Raises ScrubFailed."""
        return await self.text(title, TITLE_LIMIT)

    async def opinion(self, given: FeedbackRequest) -> FeedbackRequest:
        """Return an opinion as it may be kept. Raises ScrubFailed."""
        reason, note = await self.text(given.reason, REASON_LIMIT), await self.text(given.note, LINE_LIMIT)
        return given.model_copy(update={"reason": reason, "note": note})


def _apply(function: Callable[[str], str], text: str, limit: int) -> str:
    try:
        scrubbed = function(text)
    except Exception as error:  # its message may quote the text, which belongs in no log
        raise ScrubFailed(f"the function in CITESIDE_SCRUB raised {type(error).__name__}") from error
    if not isinstance(scrubbed, str):
        raise ScrubFailed(f"the function in CITESIDE_SCRUB returned {type(scrubbed).__name__}, not text")
    if text.strip() and not scrubbed.strip():
        raise ScrubFailed("the function in CITESIDE_SCRUB left nothing of a text: it is to put something in place")
    return storable(scrubbed)[:limit]


def open_scrub(settings: Settings) -> Scrub:
    """Return what CITESIDE_SCRUB names. Raises ConfigurationError when there is no such function."""
    return Scrub(load_hook(variable("scrub"), settings.scrub) if settings.scrub else None)


def scrubbed_notices(asked: ChatRequest) -> tuple[Notice, ...]:
    """Return what a reader should know of a question that is not as they sent it."""
    if not (isinstance(asked, StoredRequest) and asked.scrubbed):
        return ()
    return (Notice(code="scrubbed", detail=say("notice_scrubbed", asked.scope.locale or "en")),)
