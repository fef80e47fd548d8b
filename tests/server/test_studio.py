"""`langgraph dev` serves the graph that `langgraph.json` names, as Studio will open it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from graph.errors import IndexMissing
from persistence.embeddings import open_embedder
from persistence.ingest import ingest
from server.studio import make_graph
from tests.persistence.site import doc, write_site

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
LANGGRAPH = Path(sys.executable).with_name("langgraph")
READY_SECONDS = 120

QUIET = {"LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true", "LANGSMITH_TRACING": "false"}
"""What keeps `langgraph dev` from calling home, as the guide says."""

QUESTION = "How long does a session last?"


class Gatekeeper:
    """A proxy that lets nothing through and notes who wanted to go where."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Gatekeeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _watch(self) -> None:
        with suppress(OSError):  # when it is shut down
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    self.asked.append(connection.recv(1000))


@contextmanager
def langgraph_dev(folder: Path, data_dir: Path, gatekeeper: Gatekeeper) -> Iterator[str]:
    """Run `langgraph dev` on the project's own `langgraph.json`, in a folder without .env, and give its URL."""
    shutil.copy(ROOT / "langgraph.json", folder)
    (folder / "server").symlink_to(ROOT / "server")  # what langgraph.json names is sought from where it stands
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        **os.environ,
        **QUIET,
        "PYTHONPATH": str(ROOT),
        "CITESIDE_DATA_DIR": str(data_dir),
        "HTTP_PROXY": gatekeeper.url,
        "HTTPS_PROXY": gatekeeper.url,
        "NO_PROXY": "127.0.0.1",
    }
    log = folder / "log"
    with log.open("w") as output:
        command = [LANGGRAPH, "dev", "--no-browser", "--no-reload", "--port", str(port)]
        child = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(f"{url}/ok"):
            assert child.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield url
    finally:
        child.send_signal(signal.SIGINT)
        child.wait(30)
    assert "Traceback" not in log.read_text()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def gatekeeper() -> Iterator[Gatekeeper]:
    """Stands at the door of the machine."""
    with Gatekeeper() as keeper:
        yield keeper


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, gatekeeper: Gatekeeper) -> Iterator[SyncLangGraphClient]:
    """Return what Studio has: the API of `langgraph dev`, on an index of one page."""
    data_dir, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("studio")
    page = doc("<h1>Sessions</h1><p>A session expires 30 days after it was last seen.</p>", "docs/sessions/")
    site = write_site(tmp_path_factory.mktemp("site"), {"docs/sessions/index.html": page})
    ingest(str(site), data_dir=data_dir, embedder=open_embedder(data_dir, model=None, api_key=None, base_url=None))
    with langgraph_dev(folder, data_dir, gatekeeper) as url, get_sync_client(url=url) as client:
        yield client


def test_studio_sees_every_node_and_event_of_a_question(studio: SyncLangGraphClient, gatekeeper: Gatekeeper) -> None:
    thread = studio.threads.create()["thread_id"]
    stream = studio.runs.stream(
        thread, "turn", input={"question": QUESTION}, stream_mode=["updates", "custom"], stream_subgraphs=True
    )
    seen = [(part.event.partition("|")[0], part.data) for part in stream]
    nodes = [node for kind, data in seen if kind == "updates" for node in data]
    assert nodes == ["read", "condense", "retrieve", "ground", "answer", "check", "turn"]
    text = "".join(data["text"] for kind, data in seen if kind == "custom" and data["event"] == "delta")
    assert text == "A session expires 30 days after it was last seen. [1]"
    answer = studio.threads.get_state(thread)["values"]["answer"]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert (answer["text"], answer["outcome"]) == (text, "answered")
    assert answer["citations"][0]["path"] == "docs/sessions/"
    assert gatekeeper.asked == []


def test_studio_asks_about_marked_text(studio: SyncLangGraphClient, gatekeeper: Gatekeeper) -> None:
    marked = {"question": QUESTION, "selected_text": "A session lasts 12 days."}
    state = studio.runs.wait(None, "turn", input=marked)
    assert isinstance(state, dict)
    assert state["answer"]["text"] == "Answer constrained to provided text.\n\nA session lasts 12 days."
    assert "passages" not in state
    assert gatekeeper.asked == []


async def test_without_an_index_marked_text_is_answered_and_a_question_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no .env is
    monkeypatch.setenv("CITESIDE_DATA_DIR", str(tmp_path))
    make_graph.cache_clear()
    graph = make_graph()
    marked = {"question": QUESTION, "selected_text": "A session lasts 30 days."}
    answered = await graph.ainvoke(marked)  # pyright: ignore[reportArgumentType]
    assert answered["answer"].text.endswith("A session lasts 30 days.")
    with pytest.raises(IndexMissing, match="citeside ingest"):
        await graph.ainvoke({"question": QUESTION})  # pyright: ignore[reportArgumentType]
    make_graph.cache_clear()
