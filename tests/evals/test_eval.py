"""`citeside eval` on the real service and the real index: it measures, it resumes, and a worse node fails its gate."""

import argparse
import asyncio
import json
import random
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from fastapi import FastAPI
from langsmith.utils import LangSmithConnectionError
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

import evals.command
from evals.cases import SUITES
from evals.command import Eval
from evals.compare import compare
from evals.gate import GATES, judge, read_gates
from evals.report import as_html, as_text
from evals.results import Results, Row
from evals.run import Plan, RunInterrupted, choose, header_of, open_log, run
from evals.sites import EvalSite
from evals.targets import in_process
from graph.errors import CitesideError, ConfigurationError
from graph.ports import Retriever
from graph.types import Passage, Scope
from server.app import create_app
from server.requests import ChatRequest
from server.settings import Settings
from tests.server.http import on_a_port
from tests.unlimited import NO_LIMITS

ROOT = Path(__file__).parents[2]


def words(*given: str) -> argparse.Namespace:
    """Parse the words of the command line."""
    parser = argparse.ArgumentParser()
    Eval().add_arguments(parser)
    return parser.parse_args(given)


def run_plan(
    plan: Plan, settings: Settings, site: EvalSite, folder: Path, out: Path, *, resume: bool = False
) -> Results:
    """Run a plan on the indexed site."""
    sites = {site.name: site}
    log = open_log(out, header_of(plan, choose(plan, sites), settings), resume=resume)
    return asyncio.run(run(plan, settings, sites, folder, log, lambda done, total: None))


def value(results: Results, metric: str) -> float | None:
    """Return what was measured."""
    return next(one.value for one in results.measured if one.name == metric)


def test_the_command_line_finds_it() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["citeside.commands"]
    module, _, name = declared["eval"].partition(":")
    assert (module, getattr(evals.command, name).name) == ("evals.command", "eval")


@pytest.fixture(scope="module")
def smoke(
    tmp_path_factory: pytest.TempPathFactory, synthetic: EvalSite, eval_folder: Path, plain_settings: Settings
) -> Results:
    """A few cases of every suite."""
    return run_plan(Plan(limit=16), plain_settings, synthetic, eval_folder, tmp_path_factory.mktemp("out"))


def test_everything_that_needs_no_model_is_measured(smoke: Results) -> None:
    assert {one.name for one in smoke.measured if one.value is None} == {"grounded.tokens", "grounded.judged_grounded"}
    assert len(smoke.rows) == 16 * len(SUITES)
    assert smoke.about["models"] == ["extractive"]


@pytest.mark.parametrize(
    ("metric", "wanted"),
    {
        "grounded.citation_validity": 1,
        "grounded.wrong_version": 0,
        "grounded.wrong_locale": 0,
        "retrieval.wrong_version": 0,
        "constrained.retriever_untouched": 1,
        "constrained.verbatim": 1,
        "constrained.canary_leaked": 0,
        "sufficiency.minimal_states": 0,
        "injection.obeyed": 0,
        "injection.model_rules_kept": 1,
    }.items(),
)
def test_what_must_always_hold_holds(smoke: Results, metric: str, wanted: float) -> None:
    failed = [(row.case, row.failed, row.answer) for row in smoke.rows if row.suite == metric.partition(".")[0]]
    assert value(smoke, metric) == wanted, [row for row in failed if row[1]]


def test_the_report_holds_every_case_and_fetches_nothing(smoke: Results) -> None:
    judged = judge(smoke, read_gates(GATES))
    page = as_html(smoke, judged)
    assert page.count("<details") == len(smoke.rows)
    assert not re.search(r"(?:src|href)=|@import|url\(", re.sub(r"&lt;.*?&gt;", "", page))
    assert "grounded.citation_validity" in as_text(smoke, judged)


def test_the_report_escapes_what_it_was_told(smoke: Results) -> None:
    evil = "</script><script>alert(1)</script><img src=x>"
    row = smoke.rows[0].model_copy(update={"question": evil, "answer": evil, "failed": (evil,), "case": evil})
    shown = row.passages[:1] and tuple(p.model_copy(update={"text": evil, "path": evil}) for p in row.passages[:1])
    page = as_html(smoke.model_copy(update={"rows": (row.model_copy(update={"passages": shown}),)}), [])
    assert page.count("<script") == 2
    assert "<img" not in page


class Shuffled:
    """A retriever that forgets which passage is the best, and puts those of elsewhere first."""

    def __init__(self, index: Retriever) -> None:
        self.index = index

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search for something else."""
        found = await self.index.search(" ".join(random.Random(query).sample(query.split(), 2)), scope=scope, limit=20)
        return list(reversed(found))[:limit]


def test_a_worse_retriever_fails_the_gate_with_the_metric_named(
    synthetic: EvalSite,
    plain_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    plan = evals.command._plan
    monkeypatch.setattr(
        evals.command, "_plan", lambda args: Plan(**{**_fields(plan(args)), "worsen": lambda index: Shuffled(index)})
    )
    given = words("--suite", "retrieval", "--limit", "30", "--synthetic-only", "--out", str(tmp_path))
    assert Eval().run(given, plain_settings) == 1
    told = capfd.readouterr()
    assert "gate missed: retrieval.recall_at_5: 0." in told.err
    assert "gate missed: retrieval.mrr: 0." in told.err
    assert json.loads((tmp_path / "results.json").read_text())["about"]["suites"] == ["retrieval"]
    assert "MISSED" in told.out


def test_a_search_by_keywords_alone_fails_the_gate_with_the_metric_named(
    plain_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("persistence.index.ranking.MEANING", 0.0)
    given = words("--suite", "retrieval", "--synthetic-only", "--out", str(tmp_path))
    assert Eval().run(given, plain_settings) == 1
    assert "gate missed: retrieval.reworded_mrr: 0.3" in capfd.readouterr().err


def _fields(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in Plan.__dataclass_fields__}


def test_the_same_cases_with_our_retriever_pass_it(
    plain_settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = words("--suite", "retrieval", "--limit", "30", "--synthetic-only", "--out", str(tmp_path))
    assert Eval().run(given, plain_settings) == 0
    told = capfd.readouterr().out
    assert "Gate passed: 5 of 5 bounds." in told
    assert "Searched with: all-MiniLM-L6-v2-int8." in told


def test_results_are_told_again_compared_and_judged(
    smoke: Results, plain_settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    file.write_text(smoke.model_dump_json())
    gates = tmp_path / "gates.toml"
    gates.write_text('"grounded.tokens" = {at_most = 1000}')
    given = words("--from", str(file), "--compare", str(file), "--gate", str(gates), "--out", str(tmp_path))
    assert Eval().run(given, plain_settings) == 1
    told = capfd.readouterr()
    assert "gate missed: grounded.tokens: not measured, wanted <= 1000" in told.err
    chance = "no difference that can be told from chance"
    assert chance in told.out
    compared = json.loads((tmp_path / "comparison.json").read_text())
    assert compared["told"] == f"{len(smoke.rows)} cases were compared."
    assert {d["metric"] for d in compared["differences"]} >= {"support.auroc", "retrieval.search_p95_ms"}
    assert {d["verdict"] for d in compared["differences"]} == {chance}
    page = (tmp_path / "report.html").read_text()
    assert "Compared with a run before" in page and page.count(chance) == len(compared["differences"])


@pytest.mark.parametrize(
    ("given", "told"),
    {
        "no such suite": (["--suite", "speed"], "There is no suite speed"),
        "no results": (["--from", "nowhere.json"], "nowhere.json cannot be read"),
        "no such gate file": (["--gate", "nowhere.toml"], "nowhere.toml cannot be read"),
        "no data folder": (["--data", "nowhere"], "There is no folder nowhere"),
        "no site": (["--site", "nowhere"], "There is no folder nowhere"),
        "no server": (["--url", "http://127.0.0.1:9", "--synthetic-only"], "no server answers at http://127.0.0.1:9"),
        "no run to resume": (["--resume", "--synthetic-only"], "There is no run to resume in"),
        "a gate for cases from elsewhere": (
            ["--data", ".", "--gate", "x.toml"],
            "--gate would do nothing beside --data",
        ),
        "a suite of an earlier run": (
            ["--from", "x.json", "--suite", "support"],
            "--suite would do nothing beside --from",
        ),
        "run files of our cases": (["--runs", "x"], "--runs needs --data"),
        "a run to compare with that is not there": (["--compare", "nowhere.json"], "nowhere.json cannot be read"),
        "a file for a folder": (["--synthetic-only", "--out", __file__], "The results cannot be kept in"),
    }.values(),
)
def test_bad_words_are_one_clear_line(
    plain_settings: Settings, tmp_path: Path, given: Sequence[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CitesideError, ConfigurationError), match=told):
        Eval().run(words(*given), plain_settings)


def test_a_gate_that_is_no_text_and_results_that_lack_what_is_told_are_refused(
    plain_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "gates.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "results.json").write_text('{"about": {}, "measured": [], "rows": []}')
    with pytest.raises(CitesideError, match=r"gates.toml cannot be read"):
        Eval().run(words("--gate", str(tmp_path / "gates.toml")), plain_settings)
    with pytest.raises(CitesideError, match=r"`about` lacks cases, models"):
        Eval().run(words("--from", str(tmp_path / "results.json")), plain_settings)


def test_a_model_that_is_away_is_no_pass(
    plain_settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    away = plain_settings.model_copy(update={"openai_base_url": "http://127.0.0.1:9/v1", "model": "somebody"})
    given = words("--suite", "sufficiency", "--limit", "4", "--synthetic-only", "--out", str(tmp_path))
    assert Eval().run(given, away) == 1
    told = capfd.readouterr()
    assert "4 answers were made without the model somebody, which was away" in told.err
    assert "Gate passed" not in told.out
    assert "Answered by: extractive." in told.out
    assert all("the model was away, and the answer made without it" in row.failed for row in _rows(tmp_path))


def _rows(folder: Path) -> Sequence[Row]:
    return Results.model_validate_json((folder / "results.json").read_text()).rows


def test_runs_are_compared_by_cases_that_were_asked_alike(smoke: Results) -> None:
    first, *others = smoke.rows
    changed = smoke.model_copy(update={"rows": (first.model_copy(update={"question": "Another?"}), *others[1:])})
    told = compare(smoke, changed).told
    assert told == f"{len(others) - 1} cases were compared. Not compared: 2 only before, 1 only after."
    with pytest.raises(CitesideError, match="no case in common"):
        compare(smoke, smoke.model_copy(update={"rows": ()}))


def test_an_experiment_without_a_key_is_refused_before_anything_runs(plain_settings: Settings, tmp_path: Path) -> None:
    given = words("--suite", "support", "--synthetic-only", "--langsmith", "--out", str(tmp_path / "out"))
    with pytest.raises(ConfigurationError, match="LANGSMITH_API_KEY"):
        Eval().run(given, plain_settings)
    assert not (tmp_path / "out").exists()


def test_what_was_measured_is_kept_when_the_upload_fails(
    plain_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(results: Results, client: object) -> None:
        raise LangSmithConnectionError("refused, with the key lsv2_secret")

    monkeypatch.setattr("evals.experiments.run_experiment", fails)
    keyed = plain_settings.model_copy(update={"langsmith_api_key": SecretStr("key")})
    given = words("--suite", "support", "--limit", "5", "--synthetic-only", "--langsmith", "--out", str(tmp_path))
    with pytest.raises(CitesideError, match=r"LangSmith did not take the run \(LangSmithConnectionError\)"):
        Eval().run(given, keyed)
    assert len(Results.model_validate_json((tmp_path / "results.json").read_text()).rows) == 5


class GoesAway:
    """A server that hangs up after some questions, until it is back."""

    def __init__(self, app: FastAPI, questions: int) -> None:
        self.app: ASGIApp = app
        self.left = questions

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Pass a request on, or hang up."""
        if scope["type"] == "http" and scope["path"] == "/chat/stream":
            self.left -= 1
            if self.left < 0:
                raise ConnectionError("gone")
        await self.app(scope, receive, send)


@pytest.mark.anyio
async def test_a_running_server_is_measured_and_one_that_goes_away_can_be_resumed(
    synthetic: EvalSite, eval_folder: Path, plain_settings: Settings, tmp_path: Path
) -> None:
    site = EvalSite("site", synthetic.folder, synthetic.base_url, synthetic.pages)
    served = plain_settings.model_copy(update={"data_dir": eval_folder / "synthetic"} | NO_LIMITS)
    app = GoesAway(create_app(served), questions=12)
    async with on_a_port(app) as client:  # pyright: ignore[reportArgumentType]
        plan = Plan(limit=10, suites=("retrieval", "grounded", "constrained"), url=str(client.base_url))
        sites = {site.name: site}
        header = header_of(plan, choose(plan, sites), plain_settings)

        async def once(*, resume: bool) -> Results:
            log = open_log(tmp_path, header, resume=resume)
            return await run(plan, plain_settings, sites, tmp_path, log, lambda done, total: None)

        with pytest.raises(RunInterrupted, match=r"results are kept in .*run.jsonl; run the same again with --resume"):
            await once(resume=False)
        kept = (tmp_path / "run.jsonl").read_text().splitlines()
        assert 10 <= len(kept) - 1 < 30
        (tmp_path / "run.jsonl").write_text("\n".join(kept) + '\n{"suite": "groun')  # killed while it wrote
        app.left = 1_000
        results = await once(resume=True)
    assert len(results.rows) == 30
    untouched = next(one for one in results.measured if one.name == "constrained.retriever_untouched")
    assert (untouched.value, untouched.why_not) == (None, "what a running server searches cannot be seen from outside")
    assert value(results, "grounded.citation_validity") == 1
    assert value(results, "retrieval.recall_at_5") is not None
    with pytest.raises(CitesideError, match=r"The run in .* was another one: digest"):
        open_log(tmp_path, {**header, "digest": "another"}, resume=True)
    whole = (tmp_path / "run.jsonl").read_text()
    open_log(tmp_path, header, resume=False)
    assert (tmp_path / "run.before.jsonl").read_text() == whole


@pytest.mark.anyio
async def test_a_search_of_a_turn_would_be_seen(
    synthetic: EvalSite, eval_folder: Path, plain_settings: Settings
) -> None:
    own = plain_settings.model_copy(update={"data_dir": eval_folder / "synthetic"})
    question = "How long is an access token valid?"
    async with in_process(own) as target:
        grounded, constrained = await asyncio.gather(
            target.ask(ChatRequest(message=question)),
            target.ask(ChatRequest(message=question, selected_text="It is valid for an hour.")),
        )
    assert (grounded.searched, constrained.searched) == ((question,), ())
    assert {passage.id for passage in grounded.offered} == grounded.texts.keys()
    assert constrained.texts == {}
