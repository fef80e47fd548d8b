"""`citeside serve --workers N`: several processes behind one socket, on one database."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import httpx
import httpx2
import psutil
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from persistence.postgres import POOL_SIZE
from server.cli.serve import running_server
from tests.server.http import parse
from tests.server.test_metrics import TOKEN, named, samples_of
from tests.unlimited import NO_LIMITS_IN_THE_ENVIRONMENT

TEXT = "A notebook holds at most 500 pages. Pages beyond that are archived after 30 days."
NOWHERE = "http://127.0.0.1:9"
"""A Qdrant that is away: answers about selected text do without one."""


def _command(data_dir: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *words]


@contextmanager
def _serving(
    data_dir: Path, database_url: str, log: IO[bytes], **more: str
) -> Iterator[tuple[psutil.Process, httpx.Client]]:
    env = os.environ | {"DATABASE_URL": database_url, "QDRANT_URL": NOWHERE, "CITESIDE_ADMIN_TOKEN": TOKEN}
    env |= NO_LIMITS_IN_THE_ENVIRONMENT | more
    env["TMPDIR"] = str(data_dir.parent)
    process = subprocess.Popen(_command(data_dir, "--workers", "2"), env=env, stdout=log, stderr=log)
    try:
        while not (url := running_server(data_dir)):
            assert process.poll() is None, Path(log.name).read_text()
            time.sleep(0.05)
        with httpx.Client(base_url=url, timeout=30) as client:
            token = client.post("/sessions", json={}).raise_for_status().json()["token"]
            client.headers["authorization"] = f"Bearer {token}"
            yield psutil.Process(process.pid), client
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _workers(parent: psutil.Process) -> list[psutil.Process]:
    alive = [child for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def _ask(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/chat/stream", json={"message": "How many pages does a notebook hold?"} | body)


def test_two_workers_serve_one_database_and_one_that_is_killed_is_replaced(tmp_path: Path, database_url: str) -> None:
    with (tmp_path / "log").open("wb") as log, _serving(tmp_path / "data", database_url, log) as (parent, client):
        first = parse(_ask(client, selected_text=TEXT).raise_for_status().text)
        assert first[-1].data["status"] == "completed"
        before = {worker.pid for worker in _workers(parent)}
        assert len(before) == 2
        for pid in before:  # whichever of them held the turn, its answer is with the other, and with its successor
            os.kill(pid, signal.SIGKILL)
            while not (after := {worker.pid for worker in _workers(parent)} - before):
                time.sleep(0.1)
            while (told := _again(client, f"/turns/{first[0].data['turn_id']}/stream")) is None:
                time.sleep(0.1)
            assert parse(told)[-2:] == first[-2:]
            before = (before | after) - {pid}
    assert running_server(tmp_path / "data") is None
    assert not (tmp_path / "data" / "server.json").exists()


def test_a_pause_stops_new_turns_in_all_workers_at_once(tmp_path: Path, database_url: str) -> None:
    with (tmp_path / "log").open("wb") as log, _serving(tmp_path / "data", database_url, log) as (parent, client):
        while len(_workers(parent)) < 2:
            time.sleep(0.1)
        _citeside("pause", database_url)
        try:
            assert set(_asked_anew(client, 20)) == {503}
        finally:
            _citeside("resume", database_url)
        assert set(_asked_anew(client, 4)) == {200}


def _citeside(word: str, database_url: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "server.cli", word], env=os.environ | {"DATABASE_URL": database_url}, check=True
    )


def _asked_anew(client: httpx.Client, times: int) -> Iterator[int]:
    """Ask over a new connection each time, which either worker may take."""
    for _ in range(times):
        with httpx.Client(base_url=client.base_url, headers=client.headers, timeout=30) as anew:
            yield _ask(anew, selected_text=TEXT).status_code


@pytest.mark.anyio
async def test_a_client_of_the_tools_need_not_stay_with_one_worker(tmp_path: Path, database_url: str) -> None:
    with (
        (tmp_path / "log").open("wb") as log,
        _serving(tmp_path / "data", database_url, log, CITESIDE_MCP="true") as (_, http),
    ):
        for mode in ("auto", "legacy"):
            each_time_anew = httpx2.AsyncClient(limits=httpx2.Limits(max_keepalive_connections=0), timeout=30)
            transport = streamable_http_client(str(http.base_url.join("/mcp")), http_client=each_time_anew)
            async with each_time_anew, Client(transport, mode=mode) as client:
                for _ in range(6):
                    asked = {"question": "How many pages does a notebook hold?", "selected_text": TEXT}
                    result = await client.call_tool("ask_docs", asked)
                    assert result.structured_content and "500 pages" in result.structured_content["answer"]


def _scrape(client: httpx.Client) -> dict[str, float]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}  # so that the next meets any worker
    return samples_of(client.get("/metrics", headers=headers).raise_for_status().text)


def test_any_worker_tells_the_numbers_of_all_and_none_runs_backwards(tmp_path: Path, database_url: str) -> None:
    turns = "citeside_turns_total{code=none}{mode=constrained}{status=completed}"
    with (tmp_path / "log").open("wb") as log, _serving(tmp_path / "data", database_url, log) as (parent, client):
        (folder,) = tmp_path.glob("citeside-metrics-*")
        while _scrape(client)["citeside_workers"] < 2:
            time.sleep(0.1)
        for _ in range(12):
            answer = httpx.post(
                f"{client.base_url}/chat", headers=client.headers, json={"message": "How many?", "selected_text": TEXT}
            )
            assert answer.status_code == 200
        assert len(list(folder.glob("counter_*.db"))) == 2
        assert [_scrape(client)[turns] for _ in range(8)] == [12] * 8  # whichever worker answers
        told = _scrape(client)
        assert named(told, "citeside_turn_seconds_count") == {"{mode=constrained}": 12}
        assert told["citeside_database_connections_limit"] == 2 * POOL_SIZE
        files = sorted(file.name for file in folder.iterdir())

        for victim in _workers(parent):
            os.kill(victim.pid, signal.SIGKILL)
            # What the dead one had does not count, until it is back.
            for workers_and_connections in [(1, POOL_SIZE), (2, 2 * POOL_SIZE)]:
                told = {}
                while (told.get("citeside_workers"), told.get("citeside_database_connections_limit")) != (
                    workers_and_connections
                ):
                    time.sleep(0.05)
                    with suppress(httpx.TransportError):
                        told = _scrape(client)
                        assert told[turns] == 12
        _ask(client, selected_text=TEXT).raise_for_status()
        assert _scrape(client)[turns] == 13
        assert sorted(file.name for file in folder.iterdir()) == files  # the dead left their slots, and nothing else
    assert not folder.exists()


def _again(client: httpx.Client, path: str) -> str | None:
    """Ask until a connection is not one of the worker that was killed."""
    try:
        return client.get(path).raise_for_status().text
    except httpx.TransportError:
        return None


@pytest.mark.parametrize("missing", ["DATABASE_URL", "QDRANT_URL"])
def test_several_workers_need_what_they_can_share(tmp_path: Path, missing: str) -> None:
    shared = {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d", "QDRANT_URL": NOWHERE}
    env = os.environ | {name: value for name, value in shared.items() if name != missing}
    done = subprocess.run(_command(tmp_path, "--workers", "2"), env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"citeside serve: several workers need {missing}: an embedded index has one owner")


def test_workers_that_cannot_start_say_why_in_one_line(tmp_path: Path) -> None:
    env = os.environ | {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d", "QDRANT_URL": NOWHERE}
    done = subprocess.run(_command(tmp_path, "--workers", "2"), env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert told and all(line.startswith("citeside serve: Postgres cannot serve us") for line in told)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_package_that_is_not_installed_is_named_in_one_line(tmp_path: Path, workers: str) -> None:
    (tmp_path / "chatkit.py").touch()  # hides the package: a module has no `chatkit.types` in it
    env = os.environ | {"DATABASE_URL": "postgresql://u@127.0.0.1:1/d", "QDRANT_URL": NOWHERE}
    env |= {"CITESIDE_CHATKIT": "true", "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        _command(tmp_path, "--workers", workers), env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert told and all(line.startswith("citeside serve: CITESIDE_CHATKIT is on, but") for line in told)
