"""Searches for a question while it is being stored, so that the index and the database are waited for side by side."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from graph.ports import Retriever
from graph.types import Passage, Scope


class _Search(NamedTuple):
    query: str
    scope: Scope
    limit: int


_BEGUN: ContextVar[dict[_Search, asyncio.Task[list[Passage]]]] = ContextVar("citeside_search")
"""What was begun for the turn at hand; emptied when it is taken, for a turn's context lasts as long as the turn."""


class SearchAhead:
    """A retriever whose search may have begun before a turn asks for it."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search, or take what this very search, begun ahead, finds."""
        begun = _BEGUN.get({}).pop(_Search(query, scope, limit), None)
        if begun:
            return await begun
        return await self._retriever.search(query, scope=scope, limit=limit)

    @contextmanager
    def begun(self, query: str, *, scope: Scope, limit: int) -> Iterator[None]:
        """Begin a search whose result tasks made in this block get, but not before the block has ended well.

        So a graph may begin there: its retrieval is where it waits to learn whether there is a turn at all, and nothing
        that costs anything lies before. When the block raises, the search is cancelled, and who waits for it too.
        """
        stored = asyncio.Event()
        search = asyncio.create_task(self._find(query, scope, limit, stored))
        search.add_done_callback(lambda done: done.cancelled() or done.exception())  # it counts where it is awaited
        token = _BEGUN.set({_Search(query, scope, limit): search})
        try:
            yield
            stored.set()
        except BaseException:
            search.cancel()
            raise
        finally:
            _BEGUN.reset(token)

    async def _find(self, query: str, scope: Scope, limit: int, stored: asyncio.Event) -> list[Passage]:
        found = await self._retriever.search(query, scope=scope, limit=limit)
        await stored.wait()
        return found
