"""Shows a run in LangSmith: its cases as a dataset with a split each suite, its answers and scores as an experiment."""

import asyncio
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from langsmith import Client
from langsmith.evaluation import aevaluate
from langsmith.schemas import Example, Run

from evals.results import Results, Row
from graph.errors import ConfigurationError
from server.settings import Settings

AT_ONCE = 8


def open_client(settings: Settings) -> Client:
    """Return a client of the LangSmith that is configured. Raises ConfigurationError without a key."""
    if settings.langsmith_api_key is None:
        raise ConfigurationError("--langsmith needs LANGSMITH_API_KEY.")
    return Client(settings.langsmith_endpoint, api_key=settings.langsmith_api_key.get_secret_value())


async def run_experiment(results: Results, client: Client) -> str:
    """Upload a run and return the experiment's name; cases that a dataset has already are not sent again."""
    dataset = f"citeside {results.about['digest']}"
    rows = {_key(row): row for row in results.rows}
    await asyncio.to_thread(_upload, client, dataset, results)

    async def answered(inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what this run answered; nothing is asked twice."""
        return _outputs(rows[inputs["case"]])

    def scored(run: Run, example: Example) -> dict[str, Any]:
        row = rows[(example.inputs or {})["case"]]
        scores = [{"key": f"{row.suite}.{name}", "score": value} for name, value in row.scores.items()]
        return {"results": [*scores, {"key": "passed", "score": not row.failed, "comment": "; ".join(row.failed)}]}

    about = results.about
    experiment = await aevaluate(
        answered,
        data=dataset,
        evaluators=[scored],
        metadata={name: about[name] for name in ("revision", "prompts", "models", "seed", "digest")},
        experiment_prefix=f"citeside-{about['revision']}",
        max_concurrency=AT_ONCE,
        client=client,
    )
    return experiment.experiment_name


def _upload(client: Client, dataset: str, results: Results) -> None:
    if not client.has_dataset(dataset_name=dataset):
        made = client.create_dataset(dataset, description="Cases of `citeside eval`, by suite.")
        try:
            client.create_examples(dataset_id=made.id, examples=[_example(row, dataset) for row in results.rows])
        except BaseException:
            client.delete_dataset(dataset_id=made.id)  # else the next run would take it for complete
            raise


def _key(row: Row) -> str:
    return f"{row.suite}/{row.case}"


def _example(row: Row, dataset: str) -> dict[str, Any]:
    return {
        "id": uuid5(NAMESPACE_URL, f"{dataset}/{_key(row)}"),
        "inputs": {
            "case": _key(row),
            "question": row.question,
            "earlier": list(row.earlier),
            "selection": row.selection,
        },
        "reference_outputs": {"expected": row.expected},
        "metadata": {"site": row.site, "rule": row.rule},
        "split": row.suite,
    }


def _outputs(row: Row) -> dict[str, Any]:
    return {
        "answer": row.answer,
        "outcome": row.outcome,
        "verdict": row.verdict,
        "passages": [passage.path for passage in row.passages],
        "citations": [citation.model_dump() for citation in row.citations],
    }
