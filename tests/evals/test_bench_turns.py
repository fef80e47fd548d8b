"""The benchmark of turns counts every token, compares like with like, and names who failed; no time is asserted."""

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from evals.bench.turns.plan import QUICK, Load
from evals.bench.turns.processes import child
from evals.bench.turns.readers import Target, failures, read
from evals.bench.turns.report import PAGE, as_text, rewrite_page
from evals.bench.turns.results import Failure, Measured, Results, summarise
from evals.bench.turns.stamps import stamps, token
from evals.bench.turns.targets import PASSTHROUGH
from graph.errors import CitesideError
from server.cli.child import CITESIDE

BEGIN, END = "<!-- bench turns: begin -->", "<!-- bench turns: end -->"

TARGETS = ("citeside", "passthrough", "tutorial")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run of all cells writes down."""
    file = tmp_path_factory.mktemp("bench") / "turns.json"
    words = [*CITESIDE, "bench", "turns", "--quick", "--repeat", "1", "--json", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


def test_every_cell_is_measured_for_every_target(quick: dict[str, Any]) -> None:
    assert quick["failures"] == []
    measured = {(row["cell"], row["target"]) for row in quick["measured"]}
    everywhere = {(cell, target) for cell in ("idle", "first", "burst", "paced", "sustained") for target in TARGETS}
    assert measured == everywhere | {
        ("first", "model"),
        ("burst", "model"),
        ("stored", "citeside"),
        ("few", "citeside"),
    }


@pytest.mark.parametrize("cell", ["first", "burst", "paced"])
def test_every_token_the_model_wrote_arrives(quick: dict[str, Any], cell: str) -> None:
    load: Load = getattr(QUICK, cell)
    counted = {row["target"]: row["figures"]["tokens"] for row in quick["measured"] if row["cell"] == cell}
    assert set(counted) >= set(TARGETS)
    assert set(counted.values()) == {load.streams * load.turns * load.tokens}


def test_every_idle_stream_waits_for_the_model(quick: dict[str, Any]) -> None:
    waiting = [row["figures"]["streams"] for row in quick["measured"] if row["cell"] == "idle"]
    assert waiting == [QUICK.idle_streams] * len(TARGETS)


def test_a_stored_turn_has_written_what_it_holds(quick: dict[str, Any]) -> None:
    figures = quick["best"]["stored"]["citeside"]
    assert figures["message_bytes"] > QUICK.stored.tokens * 10
    assert figures["bare_inserts_ms"] > 0
    assert figures["wal_kib"] * 1024 > figures["message_bytes"]


def test_a_run_tells_its_circumstances(quick: dict[str, Any]) -> None:
    about = quick["about"]
    assert about["cores"] >= 1 and len(about["load_average_before"]) == len(about["load_average_after"]) == 3
    assert {"python", "citeside", "openai", "langgraph", "postgres"} <= set(about["versions"])
    assert about["plan"]["burst"]["tokens"] == QUICK.burst.tokens


def test_the_terminal_tells_every_goal_and_the_page_takes_no_quick_figures(quick: dict[str, Any]) -> None:
    results = Results.model_validate(quick)
    text = as_text(results)
    assert [verdict.goal for verdict in results.goals if verdict.goal not in text] == []
    with pytest.raises(CitesideError, match="--quick"):
        rewrite_page(results)


def _row(target: str, speed: float, cell: str = "burst", **more: Any) -> Measured:
    figures = {"tokens_per_cpu_s": speed, **more.pop("figures", {})}
    return Measured.model_validate(
        {"cell": cell, "target": target, "round": 1, "figures": figures, "failures": {}, **more}
    )


def test_the_best_round_of_each_target_is_compared() -> None:
    rows = [_row("citeside", 900), _row("citeside", 1000), _row("passthrough", 200), _row("tutorial", 250)]
    goals = summarise({}, rows, []).goals[:3]
    assert [(goal.measured, goal.reached) for goal in goals] == [(5.0, True), (4.0, False), (None, None)]


def test_a_cell_in_which_tokens_were_lost_counts_for_nothing() -> None:
    rows = [_row("citeside", 1000, failures={"HTTP 200 with 3 of 5 tokens": 1}), _row("passthrough", 200)]
    assert "citeside" not in summarise({}, rows, []).best["burst"]


def test_streams_whose_readers_wait_too_long_are_not_held() -> None:
    def step(streams: int, p95: float) -> Measured:
        return _row("citeside", 1000, "sustained", figures={"streams": streams, "first_p95_ms": p95})

    assert (
        summarise({}, [step(32, 20), step(48, 249), step(64, 250)], []).best["sustained"]["citeside"]["streams"] == 48
    )


def test_tokens_that_were_sent_together_are_counted_one_by_one() -> None:
    merged = b'data: {"text": "%s%s%s"}' % (token(16), token(17), token(18))
    assert len(stamps(merged)) == 3
    assert stamps(merged[: merged.rindex(b"=")]) == stamps(merged)[:2]  # half a token is none


@pytest.mark.anyio
async def test_a_target_that_loses_tokens_is_told_apart_from_one_that_hangs_up() -> None:
    def said(*tokens: bytes) -> bytes:
        body = b"event: token\r\ndata: %s\r\n\r\nevent: done\r\ndata: %s\r\n\r\n" % (b"".join(tokens), token(1))
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    answers = [said(token(1), token(2)), said(token(1)), b"", b"nonsense\r\n\r\n"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        target = Target(PASSTHROUGH, server.sockets[0].getsockname()[1], pid=0)
        whole = failures(await read(target, Load(streams=1, turns=1, tokens=2)))
        wrong = failures(await read(target, Load(streams=1, turns=3, tokens=2)))
    assert whole == {}
    assert wrong == {"HTTP 200 with 1 of 2 tokens": 1, "ConnectionError after 0 of 2 tokens": 2}


@pytest.mark.anyio
async def test_a_target_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with child("passthrough", "evals.bench.turns.targets.nowhere", tmp_path, {}) as started:
        with pytest.raises(CitesideError, match="before it served"):
            await started.ready()
        assert "nowhere" in started.last_words()


def test_the_page_takes_new_figures_in_place_of_the_old(quick: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nbehind\n")
    failed = Failure(target="tutorial", what="did not start", log="")
    results = Results.model_validate({**quick, "about": {**quick["about"], "quick": False}, "failures": [failed]})
    rewrite_page(results, page)
    once = page.read_text()
    rewrite_page(results, page)
    assert page.read_text() == once
    assert once.startswith(f"before\n\n{BEGIN}\n") and once.endswith(f"{END}\n\nbehind\n") and "old" not in once
    assert "tutorial did not start" in once


def test_the_page_of_the_docs_has_a_place_for_the_figures() -> None:
    assert PAGE.read_text().count(BEGIN) == PAGE.read_text().count(END) == 1


def test_nothing_outlives_a_run_that_was_interrupted() -> None:
    words = [*CITESIDE, "bench", "turns", "--quick"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr
        while "idle" not in (line := run.stderr.readline()):
            assert line, "the run ended before it measured"
        started = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
    assert len(started) >= 4  # the model and three targets
    assert (run.returncode, [process for process in started if process.is_running()]) == (130, [])
