"""LangSmith: a run becomes a dataset and an experiment there, and the tests it may follow run without it too."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI, Request
from langsmith import Client
from langsmith import testing as told

from evals.cases import SupportCase, own_cases
from evals.experiments import open_client, run_experiment
from evals.results import Results, Row, summarise
from evals.scorers import try_case
from graph.errors import ConfigurationError
from server.settings import Settings
from tests.server.http import on_a_port

PARAPHRASED = {"hand-001", "hand-016"}
"""Supported in other words than the scorer can follow; the suite counts them as false doubt."""

SAID_ALIKE = [case for case in own_cases("support") if case.supported and case.id not in PARAPHRASED]
ABOUT = {"seed": 1, "digest": "abc", "revision": "123", "prompts": "456", "models": ["extractive"]}
WHEN = "2026-11-28T00:00:00Z"


class LangSmith:
    """As much of LangSmith as an experiment needs."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.examples: list[dict[str, Any]] = []
        self.dataset: dict[str, Any] = {}
        self.project: dict[str, Any] = {}
        self.received = b""
        self.url = ""
        self._serve()

    def _serve(self) -> None:
        app = self.app

        @app.get("/info")
        async def info() -> dict[str, Any]:
            return {"version": "0.15"}

        @app.get("/datasets")
        async def datasets(name: str) -> list[dict[str, Any]]:
            return [self.dataset] if self.dataset.get("name") == name else []

        @app.post("/datasets")
        async def create_dataset(request: Request) -> dict[str, Any]:
            self.dataset = {"id": str(uuid4()), "created_at": WHEN, **await request.json()}
            return self.dataset

        @app.get("/datasets/{dataset_id}")
        async def dataset(dataset_id: str) -> dict[str, Any]:
            return self.dataset

        @app.post("/examples/bulk")
        async def create_examples(request: Request) -> list[dict[str, Any]]:
            self.examples += [{"created_at": WHEN, "modified_at": WHEN, **one} for one in await request.json()]
            return self.examples

        @app.get("/examples")
        async def examples(offset: int = 0) -> list[dict[str, Any]]:
            return self.examples[offset:]

        @app.post("/sessions")
        async def create_project(request: Request) -> dict[str, Any]:
            self.project = {"tenant_id": str(UUID(int=1)), "reference_dataset_id": None, **await request.json()}
            return self.project

        @app.get("/sessions/{project_id}")
        async def project(project_id: str) -> dict[str, Any]:
            return self.project

        @app.patch("/sessions/{project_id}")
        async def change_project(project_id: str, request: Request) -> dict[str, Any]:
            self.project |= {name: value for name, value in (await request.json()).items() if value}
            return self.project

        @app.post("/runs/{kind}")
        async def runs(kind: str, request: Request) -> dict[str, Any]:
            self.received += await request.body()
            return {}


@pytest.fixture
async def langsmith() -> AsyncIterator[LangSmith]:
    """A LangSmith of the test's own."""
    standing_in = LangSmith()
    async with on_a_port(standing_in.app) as client:
        standing_in.url = str(client.base_url)
        yield standing_in


@pytest.fixture
def results() -> Results:
    """Two cases that were tried."""
    given = {"suite": "support", "site": "docs", "question": "It is so.", "expected": "supported"}
    rows = [
        Row.model_validate({**given, "case": "good", "scores": {"support": 1, "label": 1, "accuracy": 1}}),
        Row.model_validate({**given, "case": "bad", "scores": {"support": 0, "label": 1}, "failed": ["scored 0"]}),
    ]
    return summarise(ABOUT, rows, ["support"])


@pytest.mark.anyio
async def test_a_run_becomes_a_dataset_and_an_experiment(
    langsmith: LangSmith, results: Results, plain_settings: Settings
) -> None:
    client = Client(langsmith.url, api_key="key")
    # In a loop of its own: aevaluate blocks the one it runs in (langsmith 0.15), which serves the stand-in here.
    name = await asyncio.to_thread(lambda: asyncio.run(run_experiment(results, plain_settings, client)))
    assert name.startswith("citeside-123")
    assert [one["inputs"]["case"] for one in langsmith.examples] == ["support/good", "support/bad"]
    metadata = langsmith.project["extra"]["metadata"]
    assert (metadata["revision"], metadata["prompts"]) == ("123", "456")
    await asyncio.to_thread(client.flush)
    sent = re.findall(rb'"key":"([a-z_.]+)","score":([0-9.a-z]+)', langsmith.received)
    assert set(sent) == {
        (b"passed", b"false"),
        (b"passed", b"true"),
        (b"support.accuracy", b"1.0"),
        (b"support.label", b"1.0"),
        (b"support.support", b"0.0"),
        (b"support.support", b"1.0"),
    }


def test_an_experiment_needs_a_key(plain_settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="LANGSMITH_API_KEY"):
        open_client(plain_settings)


@pytest.mark.langsmith
@pytest.mark.parametrize("case", SAID_ALIKE, ids=lambda case: case.id)
@pytest.mark.anyio
async def test_what_a_text_says_is_supported(case: SupportCase) -> None:
    told.log_inputs({"sentence": case.sentence, "evidence": case.evidence})
    row = await try_case(case, None, None)
    told.log_outputs({"support": row.scores["support"]})
    assert not row.failed
