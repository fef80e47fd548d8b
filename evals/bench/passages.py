"""Makes indexes of synthetic passages and times searches in them: what is measured does not depend on what they mean.

The text is of random words of a technical vocabulary and so are the questions. Vectors are random too, which is the
hardest case for a graph of neighbours: real ones have closer neighbours, that are found sooner.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np

from graph.types import Scope
from persistence.embeddings import Embedder
from persistence.index import Keywords, open_index, open_writer
from persistence.pages import read_page
from persistence.passages import IndexedPassage, cut_into_passages

SEED = 20261123
WORDS_OF_A_PASSAGE = 150
PASSAGES_OF_A_PAGE = 5
TEXTS = 10_000
"""How many texts there are; further passages repeat them, each with a vector of its own."""

_SITE = "http://localhost/"
_BATCH = 64
_WORDS = """index passage reader answer question server client thread turn session token value option default setting
file folder build page heading anchor version locale search vector keyword score limit error retry stream event delta
cursor offset table code sample command port origin header request response body field number text sentence quote
citation selection verdict missing model embedding database pool query statement worker lease flush migration schema
record column row key cache hash lock process signal timeout deadline memory thread network proxy buffer chunk image
""".split()


async def write_index(data_dir: Path, embedder: Embedder, count: int) -> None:
    """Write an index of `count` passages into the data folder."""
    texts = [_passage(n) for n in range(min(count, TEXTS))]
    rng = np.random.default_rng(SEED)
    keywords = Keywords.of(texts[n % TEXTS] for n in range(count))
    async with open_writer(data_dir, embedder, keywords, url=None, api_key=None) as writer:
        for start in range(0, count, _BATCH):
            batch = [_numbered(texts[n % TEXTS], n) for n in range(start, min(start + _BATCH, count))]
            vectors = rng.standard_normal((len(batch), embedder.dimensions), np.float32)
            await writer.add(batch, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        pages = {f"{_SITE}docs/p{n}/": "0" * 64 for n in range(-(-count // PASSAGES_OF_A_PAGE))}
        await writer.publish(base_url=_SITE, default_locale="en", pages=pages)


async def time_searches(data_dir: Path, embedder: Embedder, count: int) -> list[float]:
    """Return the seconds of `count` searches, the embedding of the question included."""
    seconds: list[float] = []
    async with open_index(data_dir, embedder, url=None, api_key=None) as index:
        for question in questions(count):
            began = time.perf_counter()
            await index.search(question, scope=Scope(), limit=6)
            seconds.append(time.perf_counter() - began)
    return seconds


def questions(count: int) -> Iterator[str]:
    """Yield questions of the vocabulary."""
    rng = random.Random(SEED)
    for _ in range(count):
        yield f"How is the {rng.choice(_WORDS)} of a {rng.choice(_WORDS)} set with {rng.choice(_WORDS)}?"


def page(number: int, words: int) -> str:
    """Return the HTML of a page of one long section, as Docusaurus builds it."""
    rng = random.Random(SEED + number)
    prose = " ".join(" ".join(rng.choices(_WORDS, k=15)).capitalize() + "." for _ in range(words // 15))
    return (
        f"<!doctype html><html lang=en><head><title>Page {number}</title>"
        "<meta name=docsearch:version content=current><meta name=docusaurus_tag content=docs-default-current>"
        f"</head><body><article><div class=theme-doc-markdown><h1>Page {number}</h1><p>{prose}</p></div></article>"
    )


def _passage(number: int) -> IndexedPassage:
    read = read_page(page(number, WORDS_OF_A_PASSAGE))
    assert read is not None
    path = f"docs/p{number}/"
    return cut_into_passages(read, f"{_SITE}{path}", path)[0]


def _numbered(passage: IndexedPassage, number: int) -> IndexedPassage:
    path = f"docs/p{number // PASSAGES_OF_A_PAGE}/"
    here = f"{path}#s{number}"
    return replace(passage, id=str(UUID(int=number)), url=f"{_SITE}{here}", path=here, page=path)
