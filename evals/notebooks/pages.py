"""Gives the notebooks pages to work on: part of the project's own documentation, indexed without Node or network."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from platformdirs import user_cache_dir

from evals.built import Part, write_page
from graph.errors import ConfigurationError
from persistence.embeddings import open_embedder
from persistence.ingest import ingest
from server.settings import Settings, load_settings

DOCS = Path(__file__).parents[2] / "website" / "docs"
PAGES = ("concepts/*.md", "api/sessions.md", "api/turns.md")
"""Enough to ask about, and indexed in seconds."""

BASE_URL = "http://localhost:3000/citeside/"
"""Where `citeside demo` shows the same pages, so that their links lead somewhere while it runs."""


async def prepare_pages() -> Settings:
    """Index the pages into a data folder of the notebooks' own, and return settings that name it.

    The folder lies in the user's cache: the first call takes seconds, later ones only look for changes. Whatever
    the environment or `.env` say of Qdrant, Postgres and embeddings is left alone; a model they name answers. Raises
    ConfigurationError where the documentation is missing, AlreadyOwned while another notebook indexes.
    """
    data_dir = Path(user_cache_dir("citeside", appauthor=False)) / "notebooks"
    embedded = {"data_dir": data_dir, "database_url": None, "qdrant_url": None, "embedding_model": None}
    settings = load_settings().model_copy(update=embedded)
    await asyncio.to_thread(_index, data_dir)  # a kernel's loop is running, and ingest wants one of its own
    return settings


def _index(data_dir: Path) -> None:
    sources = sorted(file for pattern in PAGES for file in DOCS.glob(pattern))
    if not sources:
        raise ConfigurationError(f"The documentation is not in {DOCS}; notebooks want a clone of the repository.")
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    with tempfile.TemporaryDirectory() as build:
        for source in sources:
            route = source.relative_to(DOCS.parent).with_suffix("").as_posix().removesuffix("/index")
            title, *parts = _parts(source.read_text(encoding="utf-8"))
            opening = Part("", "", 1, title.markdown)
            write_page(Path(build), f"{route}/", title.heading, [opening, *parts], base_url=BASE_URL)
        ingest(build, data_dir=data_dir, embedder=embedder, base_url=BASE_URL)


def _parts(markdown: str) -> Iterator[Part]:
    """Yield a page cut at its headings, the first of which is its title."""
    _, _, body = markdown.split("---\n", 2)
    lines = body.splitlines()
    tokens = pairwise(MarkdownIt("commonmark").parse(body))
    headings = [(o.map[0], int(o.tag[1]), t.content) for o, t in tokens if o.type == "heading_open" and o.map]
    ends = [*(at for at, _, _ in headings[1:]), len(lines)]
    for (at, level, heading), end in zip(headings, ends, strict=True):
        yield Part(_anchor(heading), heading, level, "\n".join(lines[at + 1 : end]))


def _anchor(heading: str) -> str:
    """Return the id Docusaurus gives a heading: its words in lower case, joined by hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
