"""What was acknowledged survives kill -9 of the server and of Postgres."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.cli.serve import running_server
from tests.unlimited import NO_LIMITS_IN_THE_ENVIRONMENT

ROUNDS = int(os.environ.get("CITESIDE_TEST_CRASH_ROUNDS", "2"))
TEXT = "A notebook holds at most 500 pages. Pages beyond that are archived after 30 days. 🗄️"


@pytest.mark.parametrize("victim", ["server", "server and postgres"])
def test_no_acknowledged_answer_is_lost_when_everything_is_killed(victim: str, tmp_path: Path) -> None:
    acknowledged: dict[str, tuple[str, str]] = {}
    with _serving(tmp_path) as (process, client):
        client.headers["authorization"] = f"Bearer {client.post('/sessions', json={}).json()['token']}"
        token = client.headers["authorization"]
        _ask_until_killed(client, acknowledged, lambda: _kill(victim, process, tmp_path))
    for _ in range(ROUNDS - 1):
        with _serving(tmp_path) as (process, client):
            client.headers["authorization"] = token
            _assert_all_there(client, acknowledged)
            _ask_until_killed(client, acknowledged, lambda p=process: _kill(victim, p, tmp_path))
    with _serving(tmp_path) as (process, client):
        client.headers["authorization"] = token
        _assert_all_there(client, acknowledged)
    assert len(acknowledged) >= ROUNDS


@contextmanager
def _serving(data_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    with (data_dir / "log").open("ab") as log:
        words = [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--data-dir", str(data_dir / "data")]
        process = subprocess.Popen(words, env=os.environ | NO_LIMITS_IN_THE_ENVIRONMENT, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=_url(process, data_dir), timeout=30) as client:
            yield process, client
    finally:
        process.terminate()
        process.wait(40)


def _url(process: subprocess.Popen[bytes], data_dir: Path) -> str:
    for _ in range(1_200):
        assert process.poll() is None, (data_dir / "log").read_text()
        if url := running_server(data_dir / "data"):
            return url
        time.sleep(0.05)
    raise AssertionError("the server did not start within a minute")


def _ask_until_killed(client: httpx.Client, acknowledged: dict[str, tuple[str, str]], kill: Any) -> None:
    """Ask without pause from two threads, kill in the middle, and note every answer that was given."""

    def ask() -> None:
        body = {"message": "How many pages does a notebook hold?", "selected_text": TEXT}
        while True:
            try:
                answer = client.post("/chat", json=body)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                told = answer.json()
                acknowledged[told["message"]["id"]] = (told["thread_id"], told["message"]["content"])

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    before = len(acknowledged)
    while len(acknowledged) < before + 5:
        time.sleep(0.01)
    kill()
    for asker in askers:
        asker.join()


def _kill(victim: str, process: subprocess.Popen[bytes], data_dir: Path) -> None:
    if victim == "server and postgres":
        pid_file = data_dir / "data" / "postgres" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
    process.kill()
    process.wait()


def _assert_all_there(client: httpx.Client, acknowledged: dict[str, tuple[str, str]]) -> None:
    for message_id, (thread_id, content) in acknowledged.items():
        listed = client.get(f"/threads/{thread_id}/messages").json()["data"]
        assert {m["id"]: m["content"] for m in listed}[message_id] == content
