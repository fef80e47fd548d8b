"""A graph in a notebook can search through a running server, and is told plainly when there is none."""

import socket
from functools import partial

import httpx
import pytest
from fastapi import FastAPI

from evals.search_retriever import open_search_retriever
from graph.errors import IndexMissing, IndexUnavailable
from graph.types import Passage, Scope
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import on_a_port
from tests.server.stand_ins import PASSAGE, Scripted, answerers

pytestmark = pytest.mark.anyio


class Shelf:
    """Finds one passage, or is empty-handed for a reason; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Scope, int]] = []

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        if query == "anything":
            raise IndexMissing("nothing was ingested yet")
        self.asked.append((query, scope, limit))
        return [PASSAGE]


async def test_passages_come_from_the_server_and_its_trouble_is_told(settings: Settings) -> None:
    shelf = Shelf()
    app = create_app(settings, opening=partial(open_service, answerers=answerers(Scripted()), retriever=shelf))
    scope = Scope(version="1.0", locale="en")
    async with on_a_port(app) as client:
        async with open_search_retriever(str(client.base_url)) as retriever:
            assert await retriever.search("How long does a session last?", scope=scope, limit=50) == [PASSAGE]
            assert shelf.asked == [("How long does a session last?", scope, 20)]
            with pytest.raises(IndexUnavailable, match=r"GET .*/search\?.* answered 503 index_missing: The documentat"):
                await retriever.search("anything", scope=Scope(), limit=5)
        session = retriever.client.headers["authorization"]
        after = await client.get("/threads", headers={"authorization": session})
        assert after.status_code == httpx.codes.UNAUTHORIZED  # it was erased


async def test_without_a_server_the_error_says_what_to_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(IndexUnavailable, match=f"No server answers at {url}.*./run demo"):
        async with open_search_retriever(url):
            pass


async def test_a_server_of_another_kind_is_told_apart() -> None:
    async with on_a_port(FastAPI()) as client:
        with pytest.raises(IndexUnavailable, match=r"POST .*/sessions answered 404 and nothing that a Citeside server"):
            async with open_search_retriever(str(client.base_url)):
                pass
