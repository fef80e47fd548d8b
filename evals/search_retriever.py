"""Finds passages through a running server, because an embedded index has one owner and the server is it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from graph.errors import IndexUnavailable
from graph.types import Passage, Scope

MOST = 20
"""Passages that the server returns for a search at most."""


@asynccontextmanager
async def open_search_retriever(url: str) -> AsyncIterator["SearchRetriever"]:
    """Open a session at the server behind `url`, such as http://127.0.0.1:8000, and erase it at the end.

    Raises IndexUnavailable when no Citeside server answers there.
    """
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        session = await _ask(client, "POST", "/sessions", json={})
        client.headers["authorization"] = f"Bearer {session.get('token')}"
        try:
            yield SearchRetriever(client)
        finally:
            await client.delete("/sessions/me")


@dataclass(frozen=True, slots=True)
class SearchRetriever:
    """The port `Retriever` over `GET /search`. Its passages name no version and no locale: the server does not."""

    client: httpx.AsyncClient

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return at most `limit` passages, and at most 20, best first.

        The server takes no `scope.path`. Raises IndexUnavailable, saying what was asked and what came back.
        """
        asked = {"q": query, "version": scope.version, "locale": scope.locale, "limit": min(limit, MOST)}
        params = {name: value for name, value in asked.items() if value is not None}
        found = await _ask(self.client, "GET", "/search", params=params)
        return [_passage(each) for each in found["data"]]


def _passage(found: dict[str, Any]) -> Passage:
    """Keep what a passage has: a newer server may say more."""
    return Passage(id=found["passage_id"], **{name: found[name] for name in Passage.model_fields.keys() & found.keys()})


async def _ask(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> dict[str, Any]:
    """Return the JSON object that a server answers with."""
    try:
        answer = await client.request(method, path, **request)
    except httpx.RequestError as error:
        raise IndexUnavailable(
            f"No server answers at {client.base_url} ({error or type(error).__name__}). "
            "Start one, for example with `./run demo`, or give the URL of one that runs."
        ) from error
    try:
        told = answer.json()
        if answer.is_success:
            return told
        problem = f"{told['code']}: {told['detail']}"
    except (ValueError, LookupError, TypeError):  # neither JSON nor one of our problems
        problem = "and nothing that a Citeside server would say; is the URL right?"
    raise IndexUnavailable(f"{method} {answer.url} answered {answer.status_code} {problem}")
