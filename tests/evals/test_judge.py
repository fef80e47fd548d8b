"""A judge is asked when there is one, and its absence is told; it never becomes a silent pass."""

import json
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from evals.judge import judged
from evals.results import Results, Row, summarise
from evals.run import Plan, not_measured
from server.settings import Settings
from tests.server.http import on_a_port

METRIC = "grounded.judged_grounded"


@pytest.fixture
def results() -> Results:
    """An answer, and a question that was declined."""
    passage = {"path": "docs/", "title": "T", "heading": "", "text": "It is so."}
    common = {"suite": "grounded", "site": "docs", "question": "Is it so?", "passages": [passage]}
    rows = [
        Row.model_validate({**common, "case": "a", "answer": "It is so. [1]", "outcome": "answered"}),
        Row.model_validate({**common, "case": "b", "answer": "Not covered.", "outcome": "not_covered"}),
    ]
    return summarise({"seed": 1, "suites": ["grounded"]}, rows, ["grounded"])


@pytest.mark.parametrize(
    ("judge", "told"),
    [(None, "no judge was asked for (--judge MODEL)"), ("gpt", "a judge needs OPENAI_API_KEY or OPENAI_BASE_URL")],
)
@pytest.mark.anyio
async def test_a_judge_that_is_not_there_is_told(
    results: Results, plain_settings: Settings, judge: str | None, told: str
) -> None:
    assert not_measured(Plan(judge=judge), plain_settings)[METRIC] == told
    if judge:
        assert await judged(results, plain_settings, judge) is results


@pytest.mark.anyio
async def test_a_judge_reads_answer_and_passages(results: Results, plain_settings: Settings) -> None:
    app = FastAPI()
    asked: list[dict[str, Any]] = []

    @app.post("/v1/chat/completions")
    async def complete(request: Request) -> dict[str, Any]:
        asked.append(await request.json())
        said = {"role": "assistant", "content": json.dumps({"reasoning": "It says so.", "score": True})}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

    async with on_a_port(app) as client:
        keyed = plain_settings.model_copy(
            update={"openai_base_url": f"{client.base_url}/v1", "openai_api_key": SecretStr("key")}
        )
        found = await judged(results, keyed, "judge-model")
    (measured,) = [one for one in found.measured if one.name == METRIC]
    assert (measured.value, measured.cases) == (1, 1)
    (request,) = asked
    assert request["model"] == "judge-model"
    told = json.dumps(request["messages"])
    assert "It is so. [1]" in told
