"""Gives the notebooks pages to work on: part of the project's own documentation, indexed without Node or network."""

import asyncio
import re
import tempfile
from html import escape
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from platformdirs import user_cache_dir

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
            page = Path(build) / route / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(_as_built(source.read_text(encoding="utf-8"), route), encoding="utf-8")
        ingest(build, data_dir=data_dir, embedder=embedder, base_url=BASE_URL)


def _as_built(markdown: str, route: str) -> str:
    """Return a page as Docusaurus would build it, as far as ingest looks at it."""
    _, _, body = markdown.split("---\n", 2)  # front matter: the title stands in the page too
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(body)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", _anchor(inline))
    return (
        '<!doctype html><html lang=en class="docs-wrapper plugin-docs docs-doc-page"><head>'
        "<meta name=docusaurus_locale content=en><meta name=docusaurus_tag content=docs-default-current>"
        "<meta name=docsearch:version content=current>"
        f"<link rel=canonical href={escape(BASE_URL + route)}/></head>"
        f"<body><main><div class=theme-doc-markdown>{parser.renderer.render(tokens, parser.options, {})}</div></main>"
    )


def _anchor(heading: Token) -> str:
    """Return the id Docusaurus gives a heading: its words in lower case, joined by hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.content.lower()).replace(" ", "-")
