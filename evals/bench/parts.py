"""Measures the parts on this machine: retrieval, ingest, start and memory, on synthetic pages in a temporary folder."""

import asyncio
import json
import os
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

from evals.bench.passages import WORDS_OF_A_PASSAGE, page, time_searches, write_index
from persistence.embeddings import Embedder, open_embedder
from persistence.ingest import ingest
from server.cli.child import child_server

PASSAGES = 10_000
SEARCHES = 200
STARTS = 3


class Row(NamedTuple):
    """A figure beside its goal, both as text with their units."""

    part: str
    measured: str
    goal: str


def measure(step: Callable[[str], None]) -> Iterator[Row]:
    """Yield a row a part; `step` is told what is being measured."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        step("building the embedding model")
        embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
        step("searching")
        yield from asyncio.run(_retrieval(data_dir, embedder))
        step("ingesting")
        yield _ingest(Path(folder), embedder)
        step("starting")
        yield _help()
        yield from _server(Path(folder) / "ingested")


async def _retrieval(data_dir: Path, embedder: Embedder) -> list[Row]:
    """Search an index of synthetic passages."""
    await write_index(data_dir, embedder, PASSAGES)
    seconds = await time_searches(data_dir, embedder, SEARCHES)
    p50, p95 = statistics.median(seconds) * 1e3, float(np.percentile(seconds, 95)) * 1e3
    return [
        Row(f"retrieval at {PASSAGES} passages, median", f"{p50:.1f} ms", ""),
        Row(f"retrieval at {PASSAGES} passages, p95", f"{p95:.1f} ms", "< 25 ms"),
    ]


def _ingest(folder: Path, embedder: Embedder) -> Row:
    """Ingest pages of one long passage each, reading and writing included."""
    site = folder / "site"
    for n in range(240):
        file = site / "docs" / f"p{n}" / "index.html"
        file.parent.mkdir(parents=True)
        file.write_text(page(n, WORDS_OF_A_PASSAGE))
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
