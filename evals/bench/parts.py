"""Measures the parts on this machine: retrieval, ingest, start and memory, on synthetic pages in a temporary folder."""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from graph.types import Scope
from persistence.embeddings import Embedder, open_embedder
from persistence.index import Keywords, open_index, open_writer
from persistence.ingest import ingest
from persistence.pages import read_page
from persistence.passages import IndexedPassage, cut_into_passages
from server.cli.child import child_server

PASSAGES = 10_000
SEARCHES = 200
SEED = 20261123
STARTS = 3

_WORDS = """index passage reader answer question server client thread turn session token value option default setting
file folder build page heading anchor version locale search vector keyword score limit error retry stream event delta
cursor offset table code sample command port origin header request response body field number text sentence quote
citation selection verdict missing model embedding database pool query statement worker lease flush migration schema
record column row key cache hash lock process signal timeout deadline memory thread network proxy buffer chunk image
""".split()


class Row(NamedTuple):
    """A figure beside its goal, both as text with their units."""

    part: str
    measured: str
    goal: str


def measure(step: Callable[[str], None]) -> Iterator[Row]:
    """Yield a row a part; `step` is told what is being measured."""
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        step("building the embedding model")
        embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
        step("searching")
        yield from asyncio.run(_retrieval(data_dir, embedder, rng))
        step("ingesting")
        yield _ingest(Path(folder), embedder, rng)
        step("starting")
        yield _help()
        yield from _server(Path(folder) / "ingested")


async def _retrieval(data_dir: Path, embedder: Embedder, rng: random.Random) -> list[Row]:
    """Search an index of synthetic passages with random vectors: what is measured does not depend on their meaning."""
    passages = [_passage(n, rng) for n in range(PASSAGES)]
    vectors = np.random.default_rng(SEED).standard_normal((PASSAGES, embedder.dimensions), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    async with open_writer(data_dir, embedder, Keywords.of(passages), url=None, api_key=None) as writer:
        for start in range(0, PASSAGES, 64):
            await writer.add(passages[start : start + 64], vectors[start : start + 64])
        pages = {passage.url: "0" * 64 for passage in passages}
        await writer.publish(base_url="http://localhost/", default_locale="en", pages=pages)
    seconds: list[float] = []
    async with open_index(data_dir, embedder, url=None, api_key=None) as index:
        for _ in range(SEARCHES):
            question = f"How is the {rng.choice(_WORDS)} of a {rng.choice(_WORDS)} set with {rng.choice(_WORDS)}?"
            began = time.perf_counter()
            await index.search(question, scope=Scope(), limit=6)
            seconds.append(time.perf_counter() - began)
    p50, p95 = statistics.median(seconds) * 1e3, float(np.percentile(seconds, 95)) * 1e3
    return [
        Row(f"retrieval at {PASSAGES} passages, median", f"{p50:.1f} ms", ""),
        Row(f"retrieval at {PASSAGES} passages, p95", f"{p95:.1f} ms", "< 25 ms"),
    ]


def _ingest(folder: Path, embedder: Embedder, rng: random.Random) -> Row:
    """Ingest pages of one long passage each, reading and writing included."""
    site = folder / "site"
    for n in range(240):
        page = site / "docs" / f"p{n}" / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(_html(n, _prose(rng, 150)))
    report = ingest(str(site), data_dir=folder / "ingested", embedder=embedder, base_url="http://localhost/")
    speed = report.passages / report.seconds
    return Row("ingest, passages of 150 words and more", f"{speed:.0f} /s", ">= 40 /s")


def _help() -> Row:
    seconds = min(_seconds([sys.executable, "-m", "server.cli", "--help"]) for _ in range(STARTS))
    return Row("citeside --help", f"{seconds:.2f} s", "< 0.3 s on a quiet machine")


def _server(data_dir: Path) -> Iterator[Row]:
    """Start a server on an ingested folder, compare with the bare imports, and weigh it after one turn of each kind."""
    with child_server(data_dir, "--port", "0"):
        pass
    imports = "import fastapi, langgraph.graph, onnxruntime"
    ratios: list[float] = []
    for _ in range(STARTS):
        bare = _seconds([sys.executable, "-c", imports])
        began = time.perf_counter()
        with child_server(data_dir, "--port", "0"):
            ratios.append((time.perf_counter() - began) / bare)
    yield Row("server ready / bare imports", f"{statistics.median(ratios):.2f}", "<= 1.5")
    with child_server(data_dir, "--port", "0") as url, httpx.Client(base_url=url, timeout=60) as client:
        token = client.post("/sessions", json={}).raise_for_status().json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        client.post("/chat", json={"message": "What is the default value of an option?"}).raise_for_status()
        constrained = {"message": "What is kept?", "selected_text": "Messages are kept."}
        client.post("/chat", json=constrained).raise_for_status()
        yield Row("resident memory of the server after use", f"{_resident(data_dir):.0f} MB", "< 450 MB")


def _seconds(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _resident(data_dir: Path) -> float:
    pid = json.loads((data_dir / "server.json").read_text())["pid"]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _passage(number: int, rng: random.Random) -> IndexedPassage:
    page = read_page(_html(number, _prose(rng, 150)))
    assert page is not None
    path = f"docs/p{number}/"
    return cut_into_passages(page, f"http://localhost/{path}", path)[0]


def _html(number: int, prose: str) -> str:
    return (
        f"<!doctype html><html lang=en><head><title>Page {number}</title>"
        "<meta name=docsearch:version content=current><meta name=docusaurus_tag content=docs-default-current>"
        f"</head><body><article><div class=theme-doc-markdown><h1>Page {number}</h1><p>{prose}</p></div></article>"
    )


def _prose(rng: random.Random, words: int) -> str:
    sentences = [" ".join(rng.choices(_WORDS, k=15)).capitalize() + "." for _ in range(words // 15)]
    return " ".join(sentences)
