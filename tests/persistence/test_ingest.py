"""The index follows the site: what is new can be found, what is gone cannot, and a failure changes nothing."""

import asyncio
import io
import json
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from graph.errors import AlreadyOwned, IndexUnavailable, IngestError
from graph.types import Scope
from persistence.embeddings import Embedder, NoEmbedder
from persistence.index import Manifest, open_index
from persistence.ingest import IngestReport, ingest, shown
from tests.persistence.site import BASE, doc, heading, plain, write_site


class CountingEmbedder:
    """Stands in for a model: a vector from a text's letters. Remembers what it was given."""

    dimensions = 4

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.seen: list[str] = []

    async def embed_query(self, text: str) -> list[float]:
        return next(self.embed_passages([text]))[0].tolist()

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        self.seen += texts
        yield np.array([[len(text), text.count("e"), text.count("a"), 1] for text in texts], np.float32)


PAGES = {
    "docs/index.html": doc("<h1>Start</h1><p>Run the zebra command.", "docs/"),
    "docs/limits/index.html": doc(f"<h1>Limits</h1>{heading(2, 'Size', 'size')}<p>Ten giraffes.", "docs/limits"),
    "de/docs/limits/index.html": doc("<h1>Grenzen</h1><p>Zehn Giraffen.", "de/docs/limits", locale="de"),
    "blog/news/index.html": plain(
        "<article><h1>News</h1><div class=markdown><p>A walrus arrived.</div></article>",
        "plugin-blog blog-post-page",
        "blog/news",
    ),
    "404.html": plain("<main>Lost walrus</main>", "plugin-native", "404.html"),
}


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_site(tmp_path / "build", PAGES)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def index(build: Path, data_dir: Path, embedder: Embedder | None = None) -> IngestReport:
    """Ingest a build folder, by keywords alone unless an embedder is given."""
    return ingest(str(build), data_dir=data_dir, embedder=embedder or NoEmbedder())


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    """Return how many pages were new, changed, gone and unchanged."""
    return report.new, report.changed, report.gone, report.unchanged


def search(data_dir: Path, query: str, scope: Scope | None = None, embedder: Embedder | None = None) -> list[str]:
    """Return the URLs that a search finds by the words of the query, best first."""

    async def found() -> list[str]:
        async with open_index(data_dir, embedder or NoEmbedder(), url=None, api_key=None) as opened:
            passages = await opened.search(query, scope=scope or Scope(), limit=5)
            return [passage.url for passage in passages if passage.coverage]

    return asyncio.run(found())


def manifest(data_dir: Path) -> Manifest:
    """Return what the current generation holds."""

    async def read() -> Manifest | None:
        async with open_index(data_dir, NoEmbedder(), url=None, api_key=None) as opened:
            return await opened.manifest()

    current = asyncio.run(read())
    assert current is not None
    return current


def test_an_ingested_page_is_found(build: Path, data_dir: Path) -> None:
    report = index(build, data_dir)
    assert counts(report) == (4, 0, 0, 0)
    assert (report.pages, report.passages) == (4, 4)
    assert search(data_dir, "How many giraffes?") == [f"{BASE}docs/limits#size"]
    assert search(data_dir, "walrus") == [f"{BASE}blog/news"]
    assert search(data_dir, "Giraffen", Scope(locale="de")) == [f"{BASE}de/docs/limits"]
    known = manifest(data_dir)
    assert (known.generation, known.base_url, known.default_locale) == (report.generation, BASE, "en")


def test_a_build_that_says_the_same_changes_nothing(build: Path, data_dir: Path) -> None:
    before = index(build, data_dir)
    for name, html in PAGES.items():
        (build / name).write_text(html.replace("<body>", "<script src=/assets/main.0a1b2c.js></script><body>"))
    after = index(build, data_dir)
    assert counts(after) == (0, 0, 0, 4)
    assert after.generation == before.generation
    assert after.passages == before.passages


def test_an_index_of_an_earlier_layout_is_written_anew(
    build: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("persistence.index.LAYOUT", 1)
        before = index(build, data_dir)
    after = index(build, data_dir)
    assert counts(after) == (0, 0, 0, 4)
    assert after.generation != before.generation
    assert search(data_dir, "walrus") == [f"{BASE}blog/news"]


def test_only_what_changed_is_embedded(build: Path, data_dir: Path) -> None:
    embedder = CountingEmbedder()
    index(build, data_dir, embedder)
    assert len(embedder.seen) == 4
    embedder.seen.clear()
    write_site(build, {"docs/index.html": doc("<h1>Start</h1><p>Run the quagga command.", "docs/")})
    report = index(build, data_dir, embedder)
    assert counts(report) == (0, 1, 0, 3)
    assert embedder.seen == ["Start\n\nRun the quagga command."]
    assert search(data_dir, "quagga", embedder=embedder) == [f"{BASE}docs/"]
    assert search(data_dir, "zebra", embedder=embedder) == []


def test_a_page_that_is_gone_is_not_found_any_more(build: Path, data_dir: Path) -> None:
    index(build, data_dir)
    (build / "docs/limits/index.html").unlink()
    assert counts(index(build, data_dir)) == (0, 0, 1, 3)
    assert search(data_dir, "giraffes") == []


def test_a_new_version_makes_the_former_one_older_though_its_words_are_the_same(tmp_path: Path, data_dir: Path) -> None:
    old = {"docs/a/index.html": doc("<p>Old okapi.", "docs/a", version="1.0")}
    index(write_site(tmp_path / "one", old), data_dir)
    assert search(data_dir, "okapi") == [f"{BASE}docs/a"]
    new = {
        "docs/a/index.html": doc("<p>New okapi.", "docs/a", version="2.0"),
        "docs/1.0/a/index.html": doc("<p>Old okapi.", "docs/1.0/a", version="1.0"),
    }
    index(write_site(tmp_path / "two", new), data_dir)
    assert search(data_dir, "okapi") == [f"{BASE}docs/a"]
    assert search(data_dir, "okapi", Scope(version="1.0", path="docs/1.0/a")) == [f"{BASE}docs/1.0/a"]


def test_another_model_embeds_everything_anew(build: Path, data_dir: Path) -> None:
    index(build, data_dir, CountingEmbedder("first"))
    second = CountingEmbedder("second")
    report = index(build, data_dir, second)
    assert counts(report) == (0, 0, 0, 4)
    assert len(second.seen) == 4
    assert manifest(data_dir).embedding_model == "second"


def test_another_base_url_moves_all_pages(build: Path, data_dir: Path) -> None:
    index(build, data_dir)
    report = ingest(str(build), data_dir=data_dir, embedder=NoEmbedder(), base_url="http://localhost:3000/x/")
    assert counts(report) == (4, 0, 4, 0)
    assert search(data_dir, "giraffes") == ["http://localhost:3000/x/docs/limits#size"]


def test_hidden_pages_are_left_out_unless_the_whole_site_is_hidden(tmp_path: Path, data_dir: Path) -> None:
    hidden = {
        "docs/secret/index.html": doc("<p>Secret okapi.", "docs/secret", head="<meta name=robots content=noindex>")
    }
    index(write_site(tmp_path / "some", {**PAGES, **hidden}), data_dir)
    assert search(data_dir, "okapi") == []
    index(write_site(tmp_path / "all", hidden), data_dir)
    assert search(data_dir, "okapi") == [f"{BASE}docs/secret"]


def test_a_page_built_twice_is_indexed_once(build: Path, data_dir: Path) -> None:
    write_site(build, {"docs/limits.html": PAGES["docs/limits/index.html"]})
    assert index(build, data_dir).pages == 4


def test_a_reader_sees_a_new_generation_without_a_restart(build: Path, data_dir: Path) -> None:
    index(build, data_dir)
    write_site(build, {"docs/index.html": doc("<h1>Start</h1><p>Run the quagga command.", "docs/")})

    async def read_on() -> list[int]:
        async with open_index(data_dir, NoEmbedder(), url=None, api_key=None) as opened:
            before = await opened.search("quagga", scope=Scope(), limit=5)
            await asyncio.to_thread(index, build, data_dir)
            after = await opened.search("quagga", scope=Scope(), limit=5)
            return [sum(passage.coverage > 0 for passage in found) for found in (before, after)]

    assert asyncio.run(read_on()) == [0, 1]


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        pytest.param({}, "There is no folder", id="no folder"),
        pytest.param({"index.html": plain("<main><h1>Empty</h1></main>")}, "None of the 1 pages", id="no text"),
    ],
)
def test_a_site_that_cannot_be_read_leaves_the_index_as_it_is(
    build: Path, data_dir: Path, tmp_path: Path, pages: dict[str, str], message: str
) -> None:
    report = index(build, data_dir)
    with pytest.raises(IngestError, match=message):
        index(write_site(tmp_path / "broken", pages), data_dir)
    assert manifest(data_dir).generation == report.generation


class FailingEmbedder(CountingEmbedder):
    """Stands in for a remote model that goes away."""

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        raise IndexUnavailable("The model is away.")


def test_a_model_that_fails_leaves_the_index_as_it_is(build: Path, data_dir: Path) -> None:
    report = index(build, data_dir)
    with pytest.raises(IndexUnavailable, match="The model is away"):
        index(build, data_dir, FailingEmbedder())
    assert manifest(data_dir).generation == report.generation
    assert sorted(path.name for path in (data_dir / "index").iterdir() if path.is_dir()) == [report.generation]


class WaitingEmbedder(CountingEmbedder):
    """Stands in for a slow model: says that it was asked, and does not answer."""

    def __init__(self, asked: Event) -> None:
        super().__init__()
        self._asked = asked

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        self._asked.set()
        signal.pause()
        return super().embed_passages(texts)


def wait_in_an_ingest(build: Path, data_dir: Path, asked: Event) -> None:
    """Run in a process of its own: an ingest that never ends."""
    index(build, data_dir, WaitingEmbedder(asked))


@pytest.fixture
def waiting(build: Path, data_dir: Path) -> Iterator[BaseProcess]:
    """Another process in the midst of an ingest."""
    spawn = multiprocessing.get_context("spawn")
    asked = spawn.Event()
    process = spawn.Process(target=wait_in_an_ingest, args=(build, data_dir, asked))
    process.start()
    assert asked.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_second_ingest_names_the_one_that_is_running(build: Path, data_dir: Path, waiting: BaseProcess) -> None:
    with pytest.raises(AlreadyOwned, match=f"Another ingest into {data_dir} is running: process {waiting.pid}, since"):
        index(build, data_dir)


def test_a_killed_ingest_leaves_the_index_and_the_way_free(
    build: Path, data_dir: Path, tmp_path: Path, waiting: BaseProcess
) -> None:
    assert waiting.pid is not None
    os.kill(waiting.pid, signal.SIGKILL)
    waiting.join()
    with pytest.raises(AssertionError):
        manifest(data_dir)
    assert counts(index(build, data_dir)) == (4, 0, 0, 0)
    assert search(data_dir, "giraffes") == [f"{BASE}docs/limits#size"]


def test_a_generation_that_was_lost_is_written_anew(build: Path, data_dir: Path) -> None:
    before = index(build, data_dir)
    (data_dir / "index" / before.generation / "manifest.json").unlink()
    assert counts(index(build, data_dir)) == (4, 0, 0, 0)
    assert search(data_dir, "giraffes") == [f"{BASE}docs/limits#size"]


def test_nobody_else_may_read_what_is_stored(build: Path, data_dir: Path) -> None:
    index(build, data_dir)
    assert {oct(path.stat().st_mode & 0o77) for path in (data_dir, *data_dir.glob("*"), *data_dir.glob("index/*"))} == {
        "0o0"
    }


def test_progress_is_lines_of_json_where_there_is_no_terminal(build: Path, data_dir: Path) -> None:
    stream = io.StringIO()
    with shown(stream) as progress:
        ingest(str(build), data_dir=data_dir, embedder=NoEmbedder(), progress=progress)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line for line in lines if line["done"] == line["total"]] == [
        {"stage": "reading", "done": 4, "total": 4},
        {"stage": "embedding", "done": 4, "total": 4},
        {"stage": "writing", "done": 4, "total": 4},
    ]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(build: Path, data_dir: Path) -> None:
    stream = Terminal()
    with shown(stream) as progress:
        ingest(str(build), data_dir=data_dir, embedder=NoEmbedder(), progress=progress)
    shown_text = stream.getvalue()
    assert [stage for stage in ("reading", "embedding", "writing") if f"{stage}:" not in shown_text] == []
    assert "passages/s" in shown_text
