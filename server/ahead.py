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


_BEGUN: ContextVar[tuple[_Search, asyncio.Task[list[Passage]]] | None] = ContextVar("citeside_search", default=None)


class SearchAhead:
    """A retriever whose search may have begun before a turn asks for it."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search, or take what this very search, begun ahead, finds."""
        begun = _BEGUN.get()
        if begun and begun[0] == (query, scope, limit):
            return await begun[1]
        return await self._retriever.search(query, scope=scope, limit=limit)

    @contextmanager
    def begun(self, query: str, *, scope: Scope, limit: int) -> Iterator[None]:
        """Begin a search; tasks made in this block take its result. What nobody takes is dropped."""
        search = asyncio.create_task(self._retriever.search(query, scope=scope, limit=limit))
        search.add_done_callback(lambda done: done.cancelled() or done.exception())  # it counts where it is awaited
        token = _BEGUN.set((_Search(query, scope, limit), search))
        try:
            yield
        except BaseException:
            search.cancel()
            raise
        finally:
            _BEGUN.reset(token)
