"""LangSmith: told of a run under the id of its message when tracing is on, and of nothing when it is not."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio


class LangSmith:
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.received = b""
        self.url = ""

        @self.app.get("/info")
        async def info() -> dict[str, object]:
            return {"version": "0.15"}

        @self.app.post("/runs/{kind}")
        async def runs(kind: str, request: Request) -> dict[str, object]:
            self.received += await request.body()
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
    assert [told["code"] for told in disclosures] == (["traced"] if tracing else [])
    assert (answer["message"]["id"].encode() in langsmith.received) == tracing
    assert (answer["thread_id"].encode() in langsmith.received) == tracing
    assert bool(langsmith.received) == tracing
