"""The tools at `/mcp`, called by the protocol's own client over real HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from graph.errors import IndexUnavailable, ModelFailed
from graph.ports import Retriever
from graph.texts import say
from server.app import create_app
from server.mcp.tools import PAGE_LIMIT
from server.problems import FAILURES
from server.service import open_service
from server.settings import Settings
from tests.postgres_fixtures import connection_to
from tests.server.http import Reader, in_process, on_a_port
from tests.server.passages import INDEXED, ingest
from tests.server.stand_ins import PASSAGE, KnownPassages, Scripted, Trap, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
ANSWER = "A session expires 30 days after it was last seen."
LABEL = "Answer constrained to provided text.\n\n"
UNRELATED = "Bananas are yellow."
ERAS = ("auto", "legacy")
"""The two ways in which clients begin: by a request that says all, and by a handshake."""


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"mcp": True})


@asynccontextmanager
async def served(
    settings: Settings, model: Scripted, retriever: Retriever | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    opening = partial(open_service, answerers=answerers(model), retriever=retriever)
    async with on_a_port(create_app(settings, opening=opening)) as client:
        yield client


@pytest.fixture
async def http(settings: Settings, model: Scripted) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client of a server that finds the same passage for every question."""
    async with served(settings, model, KnownPassages()) as client:
        yield client


@asynccontextmanager
async def connected(
    http: httpx.AsyncClient, headers: dict[str, str] | None = None, *, mode: str = "auto", **options: Any
) -> AsyncIterator[Client]:
    """Connect the protocol's client to the server of `http`."""
    async with httpx2.AsyncClient(headers=headers, timeout=30, **options) as carrier:
        transport = streamable_http_client(str(http.base_url.join("/mcp")), http_client=carrier)
        async with Client(transport, mode=mode) as client:
            yield client


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def given(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, text(result)
    assert result.structured_content is not None
    return result.structured_content


def refused(result: CallToolResult) -> dict[str, Any]:
    assert result.is_error and result.structured_content is None
    return json.loads(text(result))


@pytest.fixture
async def stored(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks into the store."""
    async with connection_to(database_url) as connection:
        yield connection


async def rows(stored: asyncpg.Connection) -> list[int]:
    tables = ("sessions", "threads", "turns", "messages", "turn_deltas")
    return [await stored.fetchval(f"select count(*) from {table}") for table in tables]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_is_told_what_the_tools_take_and_give(http: httpx.AsyncClient, mode: str) -> None:
    async with connected(http, mode=mode) as client:
        assert client.instructions and "never an instruction" in client.instructions
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert list(tools) == ["search_docs", "get_page", "ask_docs"]
    for tool in tools.values():
        assert tool.annotations and tool.annotations.read_only_hint
        assert tool.title and tool.description and tool.output_schema
    asked = tools["ask_docs"].input_schema
    assert asked["required"] == ["question"]
    assert asked["properties"]["question"]["maxLength"] == 4_000
    assert asked["properties"]["selected_text"]["anyOf"][0]["maxLength"] == 20_000
    assert tools["search_docs"].input_schema["properties"]["limit"]["maximum"] == 20


@pytest.mark.parametrize("mode", ERAS)
async def test_a_question_is_answered_with_numbered_citations_and_nothing_is_kept(
    http: httpx.AsyncClient, stored: asyncpg.Connection, mode: str
) -> None:
    before = await rows(stored)
    told: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(done)

    async with connected(http, mode=mode) as client:
        result = await client.call_tool("ask_docs", {"question": QUESTION}, progress_callback=progress)
    answer = given(result)
    assert answer["answer"] == f"{ANSWER} [1]"
    assert (answer["status"], answer["mode"], answer["outcome"], answer["label"]) == (
        "completed",
        "grounded",
        "answered",
        None,
    )
    assert [(cited["marker"], cited["url"], cited["quote"]) for cited in answer["citations"]] == [
        (1, PASSAGE.url, PASSAGE.text)
    ]
    assert text(result) == f"{ANSWER} [1]\n\n[1] Sessions > Expiry: {PASSAGE.url}"
    assert told and told == sorted(told)
    assert await rows(stored) == before


async def test_a_selection_is_all_that_an_answer_rests_on(settings: Settings, model: Scripted) -> None:
    async with served(settings, model, Trap()) as http, connected(http) as client:
        answer = given(await client.call_tool("ask_docs", {"question": QUESTION, "selected_text": ANSWER}))
        assert answer["answer"] == LABEL + ANSWER
        assert (answer["mode"], answer["label"]) == ("constrained", LABEL.strip())
        assert answer["citations"] == [] and answer["missing"] == []
        seats = {"question": "How many seats does the plan include?", "selected_text": UNRELATED}
        lacking = given(await client.call_tool("ask_docs", seats))
        assert lacking["answer"].startswith(LABEL + say("insufficient", "en"))
        assert lacking["outcome"] == "insufficient"
        assert lacking["missing"][0].keys() == {"what", "why", "minimal_text"}


async def test_pages_are_found_and_read_as_they_are_indexed(
    settings: Settings, model: Scripted, tmp_path: Path
) -> None:
    top = replace(INDEXED, heading="", url="https://docs.example/sessions/", path="sessions/", text="About sessions.")
    long = replace(top, page="long", url="https://docs.example/long", path="long", title="Long", text="x" * PAGE_LIMIT)
    page = [
        replace(top, id="0d2c1f66-0000-5000-8000-000000000002"),
        replace(INDEXED, position=1),
        replace(INDEXED, id="0d2c1f66-0000-5000-8000-000000000003", position=2, text="It can be revoked."),
        replace(long, id="0d2c1f66-0000-5000-8000-000000000004"),
    ]
    alone = settings.model_copy(update={"data_dir": tmp_path})
    async with served(alone, model) as http, connected(http) as client:
        assert refused(await client.call_tool("search_docs", {"query": "expiry"}))["code"] == "index_missing"
        await ingest(tmp_path, page)
        found = await client.call_tool("search_docs", {"query": "When does a session expire?", "limit": 1})
        assert [(one["path"], one["text"]) for one in given(found)["data"]] == [(INDEXED.path, INDEXED.text)]
        assert text(found) == f"## Sessions > Expiry\n{INDEXED.url}\n\n{INDEXED.text}"
        whole = {
            "url": "https://docs.example/sessions/",
            "path": "sessions/",
            "title": "Sessions",
            "version": None,
            "locale": "en",
            "text": f"# Sessions\n\nAbout sessions.\n\n## Expiry {{#expiry}}\n\n{INDEXED.text}\n\nIt can be revoked.",
            "truncated": False,
        }
        for address in ("sessions", "/sessions/", "https://docs.example/sessions/#expiry"):
            read = await client.call_tool("get_page", {"page": address})
            assert given(read) == whole and text(read) == whole["text"]
        cut = given(await client.call_tool("get_page", {"page": "long"}))
        assert (len(cut["text"]), cut["truncated"]) == (PAGE_LIMIT, True)
        assert refused(await client.call_tool("get_page", {"page": "nowhere"}))["code"] == "page_unknown"


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("ask_docs", {}, "invalid_request"),
    ("ask_docs", {"question": " "}, "invalid_request"),
    ("ask_docs", {"question": "x" * 4_001}, "invalid_request"),
    ("ask_docs", {"question": "a\x00b"}, "invalid_request"),
    ("ask_docs", {"question": QUESTION, "selected_text": " "}, "selection_blank"),
    ("ask_docs", {"question": QUESTION, "selected_text": "x" * 20_001}, "invalid_request"),
    ("ask_docs", {"question": QUESTION, "thread_id": "0192f0c1-0000-7000-8000-000000000000"}, "invalid_request"),
    ("search_docs", {"query": ""}, "invalid_request"),
    ("search_docs", {"query": "expiry", "limit": 21}, "invalid_request"),
    ("get_page", {"page": 7}, "invalid_request"),
]


@pytest.mark.parametrize("mode", ERAS)
async def test_what_does_not_validate_is_refused_without_an_echo(
    http: httpx.AsyncClient, stored: asyncpg.Connection, mode: str
) -> None:
    before = await rows(stored)
    async with connected(http, mode=mode) as client:
        for tool, arguments, code in WRONG:
            problem = refused(await client.call_tool(tool, arguments))
            assert (problem["status"], problem["code"]) == (422, code)
            assert "xxx" not in json.dumps(problem)
        with pytest.raises(MCPError, match="no such tool"):
            await client.call_tool("drop_docs", {})
    assert await rows(stored) == before


async def test_failures_have_the_codes_of_the_http_api(
    settings: Settings, stored: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        async def search(self, *_: object, **__: object) -> None:
            raise IndexUnavailable("Qdrant at http://secret:1 gave no answer")

    class Broken:
        async def search(self, *_: object, **__: object) -> None:
            raise RuntimeError("secret")

    before = await rows(stored)
    for retriever, code in ((Away(), "index_unavailable"), (Broken(), "internal")):
        async with served(settings, Scripted(), retriever) as http, connected(http) as client:
            for tool, arguments in (("search_docs", {"query": "expiry"}), ("ask_docs", {"question": QUESTION})):
                problem = refused(await client.call_tool(tool, arguments))
                assert (problem["code"], problem["detail"]) == (code, FAILURES[code])
    assert await rows(stored) == before


async def test_who_searches_too_often_is_told_so(settings: Settings) -> None:
    changed = settings.model_copy(update={"address_searches_per_minute": 1, "trusted_proxies": ("127.0.0.1",)})
    async with (
        served(changed, Scripted(), KnownPassages()) as http,
        connected(http, {"X-Forwarded-For": "192.0.2.7"}) as client,
    ):
        seen = [await client.call_tool("search_docs", {"query": QUESTION}) for _ in range(3)]
    problems = [refused(result) for result in seen if result.is_error]
    assert {(problem["code"], problem["status"]) for problem in problems} == {("rate_limited_address", 429)}
    assert not seen[0].is_error and 0 < problems[0]["retry_after"] <= 60


async def test_an_answer_that_breaks_off_is_given_as_far_as_it_came(settings: Settings) -> None:
    model = Scripted(error=ModelFailed("it broke"))
    async with served(settings, model, KnownPassages()) as http, connected(http) as client:
        answer = given(await client.call_tool("ask_docs", {"question": QUESTION}))
    assert answer["status"] == "failed"
    assert ANSWER.startswith(answer["answer"].strip())


async def test_with_a_token_a_question_is_kept_in_the_readers_session(http: httpx.AsyncClient) -> None:
    reader = await Reader.arrive(http)
    async with connected(http, reader.headers) as client:
        given(await client.call_tool("ask_docs", {"question": QUESTION}))
    (thread,) = (await reader.request("GET", "/threads")).json()["data"]
    assert thread["title"] == QUESTION


@pytest.mark.parametrize("header", ["Bearer garbage", "Basic eA==", "Bearer"])
async def test_a_token_that_opens_nothing_is_refused_at_the_door(http: httpx.AsyncClient, header: str) -> None:
    answer = await http.post("/mcp", headers={"Authorization": header}, json={})
    assert (answer.status_code, answer.json()["code"]) == (401, "session_required")


async def test_a_client_that_leaves_leaves_nothing_behind(
    http: httpx.AsyncClient, model: Scripted, stored: asyncpg.Connection
) -> None:
    before = await rows(stored)
    model.may_go_on.clear()
    began = asyncio.Event()

    async def progress(done: float, total: float | None, message: str | None) -> None:
        if done:
            began.set()

    async def ask() -> None:
        async with connected(http) as client:
            await client.call_tool("ask_docs", {"question": QUESTION}, progress_callback=progress)

    asking = asyncio.create_task(ask())
    async with asyncio.timeout(20):
        await began.wait()
        assert await rows(stored) != before
        asking.cancel()
        while await rows(stored) != before:
            await asyncio.sleep(0.05)


async def test_pages_of_strange_sites_are_refused(http: httpx.AsyncClient) -> None:
    for origin, status in (("https://evil.example", 403), ("null", 403), ("https://docs.example", 406)):
        answer = await http.post("/mcp", headers={"Origin": origin, "Accept": "text/plain"}, json={})
        assert answer.status_code == status
        assert ("access-control-allow-origin" in answer.headers) == (status != 403)


async def test_only_small_json_is_posted(http: httpx.AsyncClient) -> None:
    assert (await http.get("/mcp")).status_code == 405
    assert (await http.delete("/mcp")).status_code == 405
    large = await http.post("/mcp", content=b"x" * 300_000, headers={"Content-Type": "application/json"})
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    other = await http.post("/mcp", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (other.status_code, other.json()["code"]) == (415, "not_json")


async def test_the_config_lists_it(http: httpx.AsyncClient) -> None:
    assert "mcp" in (await http.get("/config")).json()["features"]


async def test_it_is_not_there_unless_it_is_turned_on(settings: Settings) -> None:
    async with in_process(create_app(settings.model_copy(update={"mcp": False}))) as client:
        assert (await client.post("/mcp", json={})).status_code == 404
        assert "mcp" not in (await client.get("/config")).json()["features"]


def test_the_sdk_is_loaded_only_where_it_is_turned_on() -> None:
    program = (
        "import sys\nfrom server.app import create_app\nfrom server.settings import Settings\n"
        "create_app(Settings(_env_file=None))\nprint('mcp' in sys.modules)\n"
        "create_app(Settings(_env_file=None, mcp=True))\nprint('mcp' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=os.environ)
    assert ran.stdout.split() == ["False", "True"]
