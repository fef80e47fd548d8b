"""LangSmith: told of a run under the id of its message when tracing is on, and of nothing when it is not."""

import asyncio
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from server.app import create_app
from server.cli.child import CITESIDE
from server.service import open_service
from server.settings import Settings
from tests.langsmith import PROJECT, LangSmith, langsmith
from tests.server.http import Reader, in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

__all__ = ["langsmith"]

pytestmark = pytest.mark.anyio


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
    env = os.environ | {variable: "true", "LANGCHAIN_API_KEY": "secret", "LANGCHAIN_ENDPOINT": langsmith.url}
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


async def test_a_langsmith_that_does_not_answer_keeps_no_reader_waiting(
    settings: Settings, model: Scripted, langsmith: LangSmith
) -> None:
    langsmith.answers.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(_traced(settings, langsmith.url), opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = (await reader.request("POST", "/chat", message="How long?")).json()
        path = f"/messages/{answer['message']['id']}/feedback"
        assert (await reader.request("PUT", path, rating="down")).status_code == 204
        (listed,) = [m for m in await reader.messages(answer["thread_id"]) if m["role"] == "assistant"]
        assert listed["feedback"]["rating"] == "down"
        async with asyncio.timeout(20):
            while not langsmith.waiting:  # it was asked, and has not answered yet
                await asyncio.sleep(0.01)
        assert langsmith.feedback == []
        langsmith.answers.set()
    assert [told["run_id"] for told in langsmith.feedback] == [answer["message"]["id"]]
