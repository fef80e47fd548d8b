"""`citeside prune` and `citeside sessions`, beside a server that runs on the embedded Postgres."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from server.cli.child import CITESIDE, child_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[str]:
    """A server with nothing set."""
    with child_server(folder, "--port", "0") as url:
        yield url


def citeside(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [*CITESIDE, *words, "--data-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | env)


@pytest.fixture
def clients(api: str) -> Iterator[ExitStack]:
    """Closes the clients of a test."""
    with ExitStack() as stack:
        yield stack


def reader(api: str, user_key: str, clients: ExitStack) -> tuple[httpx.Client, str]:
    """Return a reader who has asked something."""
    client = clients.enter_context(httpx.Client(base_url=api, trust_env=False, timeout=60))
    given = client.post("/sessions", json={"user_key": user_key}).raise_for_status().json()
    client.headers["authorization"] = f"Bearer {given['token']}"
    client.post("/chat", json={"message": "How long?", "selected_text": "It lasts an hour."}).raise_for_status()
    return client, given["session_id"]


def test_a_user_is_exported_and_erased_by_key_and_by_session(api: str, folder: Path, clients: ExitStack) -> None:
    first, first_id = reader(api, "jo", clients)
    second, second_id = reader(api, "jo", clients)
    other, other_id = reader(api, "al", clients)
    exported = citeside(folder, "sessions", "export", "--user-key", "jo")
    sessions = json.loads(exported.stdout)
    assert [one["session"]["id"] for one in sessions] == [first_id, second_id]
    assert sessions[0] == first.get("/sessions/me/export").json()
    assert sessions[1]["threads"][0]["messages"][0]["content"] == "How long?"

    erased = citeside(folder, "sessions", "erase", first_id)
    assert (erased.returncode, erased.stdout) == (0, f"erased: {first_id}\n")
    assert [client.get("/threads").status_code for client in (first, second, other)] == [401, 200, 200]
    assert citeside(folder, "sessions", "erase", "--user-key", "jo").stdout == f"erased: {second_id}\n"
    assert [client.get("/threads").status_code for client in (first, second, other)] == [401, 401, 200]
    assert json.loads(citeside(folder, "sessions", "export", other_id).stdout)[0]["session"]["user_key"] == "al"


@pytest.mark.parametrize("action", ["erase", "export"])
def test_nobody_to_erase_is_an_error(api: str, folder: Path, action: str) -> None:
    done = citeside(folder, "sessions", action, str(uuid4()))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "citeside sessions: There is no session of this id or user key in the database.\n"
    assert citeside(folder, "sessions", action, "--user-key", "nobody").returncode == 1


def test_a_dry_run_tells_what_a_prune_deletes_and_deletes_nothing(api: str, folder: Path, clients: ExitStack) -> None:
    client, _ = reader(api, "ed", clients)
    before = client.get("/threads").json()
    told = citeside(folder, "prune", "--older-than", "1", "--dry-run")
    assert told.stdout == "Older than 1 days, would be deleted:\n  nothing\n"
    assert client.get("/threads").json() == before


def test_what_is_kept_for_ever_is_pruned_only_by_a_named_age(api: str, folder: Path) -> None:
    refused = citeside(folder, "prune", CITESIDE_RETENTION_DAYS="0")
    assert refused.returncode == 1 and "name an age by --older-than" in refused.stderr
    assert citeside(folder, "prune", "--older-than", "0").returncode == 2
    assert citeside(folder, "prune", "--older-than", "30", CITESIDE_RETENTION_DAYS="0").returncode == 0
