"""LangSmith: told of a run under the id of its message when tracing is on, and of nothing when it is not."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from server.app import create_app
from server.cli.child import CITESIDE
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio


PROJECT = UUID(int=7)


class LangSmith:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.received = b""
        self.feedback: list[dict[str, Any]] = []
        self.refuses = 0
        self.asked = 0
        self.url = ""

        @self.app.middleware("http")
        async def count(request: Request, answer: Any) -> Any:
            self.asked += 1
            return await answer(request)

        @self.app.get("/info")
        async def info() -> dict[str, object]:
            return {"version": "0.15"}

        @self.app.post("/runs/{kind}")
        async def runs(kind: str, request: Request) -> dict[str, object]:
            self.received += await request.body()
            return {}

        @self.app.get("/sessions")
        async def projects(name: str) -> list[dict[str, object]]:
            return [
                {
                    "id": str(PROJECT),
                    "name": name,
                    "tenant_id": str(PROJECT),
                    "start_time": "2026-11-28T00:00:00",
                    "reference_dataset_id": None,
                }
            ]

        @self.app.post("/feedback")
        async def feedback(request: Request) -> Response:
            given = await request.json()
            self.refuses -= 1
            if self.refuses >= 0:
                return Response(status_code=500)
            if any(given["id"] == known["id"] for known in self.feedback):
                return Response(status_code=409)
            self.feedback.append(given)
            return JSONResponse({})

        @self.app.patch("/feedback/{feedback_id}")
        async def change(feedback_id: str, request: Request) -> dict[str, object]:
            self.feedback.append({"id": feedback_id, **await request.json()})
            return {}


@pytest.fixture
async def langsmith() -> AsyncIterator[LangSmith]:
    """A LangSmith of the test's own."""
    standing_in = LangSmith()
    async with on_a_port(standing_in.app) as client:
        standing_in.url = str(client.base_url)
        yield standing_in


@pytest.mark.parametrize("tracing", [True, False])
async def test_a_run_is_traced_in_its_thread_when_tracing_is_on(
    settings: Settings, model: Scripted, langsmith: LangSmith, tracing: bool
) -> None:
    traced = settings.model_copy(
        update={
            "langsmith_tracing": tracing,
            "langsmith_endpoint": langsmith.url,
            "langsmith_api_key": SecretStr("key"),
        }
    )
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(traced, opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = (await reader.request("POST", "/chat", message="How long does a session last?")).json()
        disclosures = (await client.get("/config")).json()["disclosures"]
    assert [told["code"] for told in disclosures] == ["kept", *(["traced"] if tracing else [])]
    assert (answer["message"]["id"].encode() in langsmith.received) == tracing
    assert (answer["thread_id"].encode() in langsmith.received) == tracing
    assert bool(langsmith.received) == tracing


@pytest.mark.parametrize("variable", ["LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING_V2"])
async def test_no_other_variable_turns_tracing_on_behind_our_back(
    settings: Settings, langsmith: LangSmith, variable: str, data_dir: Path
) -> None:
    env = os.environ | {variable: "true", "LANGCHAIN_API_KEY": "key", "LANGCHAIN_ENDPOINT": langsmith.url}
    env |= {"LANGSMITH_ENDPOINT": langsmith.url, "DATABASE_URL": settings.database_url.get_secret_value()}  # pyright: ignore
    words = [*CITESIDE, "ask", "How long?", "--selected-text", "-", "--data-dir", str(data_dir)]
    told = {"input": "It lasts an hour.", "capture_output": True, "text": True, "env": env}
    done = await asyncio.to_thread(subprocess.run, words, **told)  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert (done.returncode, langsmith.asked) == (0, 0), done.stderr
    assert "It lasts an hour." in done.stdout


def _traced(settings: Settings, url: str) -> Settings:
    on = {"langsmith_tracing": True, "langsmith_endpoint": url, "langsmith_api_key": SecretStr("key")}
    return settings.model_copy(update=on)


async def test_what_a_reader_thinks_joins_the_trace_of_the_answer(
    settings: Settings, model: Scripted, langsmith: LangSmith
) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(_traced(settings, langsmith.url), opening=opening)) as client:
        reader = await Reader.arrive(client)
        message_id = (await reader.request("POST", "/chat", message="How long?")).json()["message"]["id"]
        for rating, note in (("down", "too short"), ("up", "fine")):
            path = f"/messages/{message_id}/feedback"
            assert (await reader.request("PUT", path, rating=rating, note=note)).status_code == 204
            async with asyncio.timeout(20):
                while len(langsmith.feedback) < (1 if rating == "down" else 2):
                    await asyncio.sleep(0.01)
    told, changed = langsmith.feedback
    assert (told["run_id"], told["session_id"]) == (message_id, str(PROJECT))
    assert (told["key"], told["score"], told["comment"]) == ("reader", 0, "too short")
    assert (changed["id"], changed["score"], changed["comment"]) == (told["id"], 1, "fine")


async def test_a_langsmith_that_is_away_does_not_keep_a_reader_waiting(
    settings: Settings, model: Scripted, langsmith: LangSmith
) -> None:
    langsmith.refuses = 1_000
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(_traced(settings, langsmith.url), opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = (await reader.request("POST", "/chat", message="How long?")).json()
        path = f"/messages/{answer['message']['id']}/feedback"
        assert (await reader.request("PUT", path, rating="down")).status_code == 204
        (listed,) = [m for m in await reader.messages(answer["thread_id"]) if m["role"] == "assistant"]
    assert listed["feedback"]["rating"] == "down"
    assert langsmith.feedback == []
