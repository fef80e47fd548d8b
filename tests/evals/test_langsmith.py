"""LangSmith: a run becomes a dataset and an experiment there, and the tests it may follow run without it too."""

import asyncio
import re

import pytest
from langsmith import Client
from langsmith import testing as told

from evals.cases import SupportCase, own_cases
from evals.experiments import open_client, run_experiment
from evals.results import Results, Row, summarise
from evals.scorers import try_case
from graph.errors import ConfigurationError
from server.settings import Settings
from tests.langsmith import LangSmith, langsmith

__all__ = ["langsmith"]

PARAPHRASED = {"hand-001", "hand-016"}
"""Supported in other words than the scorer can follow; the suite counts them as false doubt."""

SAID_ALIKE = [case for case in own_cases("support") if case.supported and case.id not in PARAPHRASED]
ABOUT = {"seed": 1, "digest": "abc", "revision": "123", "prompts": "456", "models": ["extractive"]}


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
async def test_a_run_becomes_a_dataset_and_an_experiment(langsmith: LangSmith, results: Results) -> None:
    client = Client(langsmith.url, api_key="key")
    # In a loop of its own: aevaluate blocks the one it runs in (langsmith 0.15), which serves the stand-in here.
    name = await asyncio.to_thread(lambda: asyncio.run(run_experiment(results, client)))
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
