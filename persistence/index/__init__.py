"""The passage index: searched by the server, written whole, one generation after the other, by an ingest."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from posixpath import commonpath
from typing import TYPE_CHECKING

import numpy as np

from graph.errors import IndexMissing
from graph.types import Passage, Scope
from persistence.embeddings import Embedder
from persistence.index.engine import CONTENT, METADATA, Draft, Engine, Generation, Hit, Point, Question
from persistence.index.keywords import Keywords, question_terms
from persistence.index.manifest import LAYOUT, Manifest, Route, tag_of
from persistence.index.ranking import ranked

if TYPE_CHECKING:
    from persistence.passages import IndexedPassage

__all__ = ["GenerationWriter", "Keywords", "Manifest", "PassageIndex", "Route", "open_index", "open_writer"]

INDEX_FOLDER = "index"
COLLECTION = "citeside"

LONGEST_PAGE = 300
"""Passages of a page that are given at once: some 200,000 characters."""


class PassageIndex:
    """Finds passages by meaning and by words; a `graph.ports.Retriever`."""

    def __init__(self, engine: Engine, embedder: Embedder) -> None:
        self._engine = engine
        self._embedder = embedder

    async def manifest(self) -> Manifest | None:
        """Return what the current generation holds, None when nothing was ingested. Raises IndexUnavailable."""
        generation = await self._engine.current()
        return generation.manifest if generation else None

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return at most `limit` passages that a reader at `scope` sees, best first as `ranking` orders them.

        `score` is the cosine of question and passage, `coverage` the share of its terms; without vectors both are
        the latter. Raises IndexMissing or IndexUnavailable.
        """
        generation = await self._readable()
        manifest = generation.manifest
        visible = manifest.visible(scope)
        dense = await self._embedder.embed_query(query)
        terms = question_terms(query, visible.locale)
        if dense is None and not terms:
            return []
        hits = await generation.search(Question(dense, terms, visible))
        best = ranked(hits, [manifest.keywords.relevance(terms, hit.terms) for hit in hits], query)[:limit]
        return [_passage(hit, manifest.keywords.coverage(terms, hit.terms)) for hit in best]

    async def page(self, address: str) -> list[Passage]:
        """Return the first `LONGEST_PAGE` passages of a page in its order, none when there is no such page.

        `address` is the page's URL or its path below the base URL, with or without slashes at its ends and an anchor.
        Raises IndexMissing or IndexUnavailable.
        """
        generation = await self._readable()
        path = generation.manifest.page_at(address)
        if path is None:
            return []
        found = await generation.page(path, LONGEST_PAGE)
        in_order = sorted(found, key=lambda hit: hit.payload[METADATA]["position"])
        return [_passage(hit, coverage=0.0) for hit in in_order]

    async def _readable(self) -> Generation:
        generation = await self._engine.current()
        if generation is None:
            raise IndexMissing("Nothing has been ingested yet. Run `citeside ingest` with the site's build or URL.")
        if generation.manifest.layout != LAYOUT:
            raise IndexMissing(
                f"The index has layout {generation.manifest.layout}, but this version reads layout {LAYOUT}."
                " Run `citeside ingest` again; vectors are kept, so that it takes little time."
            )
        made_with = generation.manifest.embedding_model
        if made_with != self._embedder.name:
            raise IndexMissing(
                f"The index was made with the embedding model {made_with!r}, but {self._embedder.name!r} is configured."
                " Run `citeside ingest` again, or configure the former model."
            )
        return generation


def _passage(hit: Hit, coverage: float) -> Passage:
    score = coverage if hit.cosine is None else hit.cosine
    stored = hit.payload[METADATA]
    shown = {name: stored[name] for name in ("url", "path", "title", "heading", "version", "locale")}
    return Passage(id=hit.id, text=hit.payload[CONTENT], score=score, coverage=coverage, **shown)


class GenerationWriter:
    """Writes one generation. What is not published leaves no trace, and readers keep the one they have."""

    def __init__(self, draft: Draft, keywords: Keywords, *, embedding_model: str, dimensions: int) -> None:
        """Prepare to write the passages whose `keywords` were counted: a word's weight depends on all of them."""
        self._draft = draft
        self._keywords = keywords
        self._embedding_model = embedding_model
        self._dimensions = dimensions
        self._locales: set[str] = set()
        self._prefixes: dict[tuple[str, str, str | None, bool], str] = {}

    async def add(self, passages: Sequence["IndexedPassage"], vectors: np.ndarray) -> None:
        """Write some of the passages with their vectors, one row each (of width 0 in an index without vectors)."""
        points = [
            Point(passage.id, vector.tolist(), self._keywords.document(passage), _payload(passage))
            for passage, vector in zip(passages, vectors, strict=True)
        ]
        await self._draft.upsert(points)
        for passage in passages:
            self._note(passage)

    def _note(self, passage: "IndexedPassage") -> None:
        """Keep what scopes need: a version's route is what the paths of its pages in one locale have in common."""
        if passage.locale:
            self._locales.add(passage.locale)
        if passage.plugin and passage.version:
            group = (passage.plugin, passage.version, passage.locale, passage.last)
            self._prefixes[group] = commonpath([self._prefixes.get(group, passage.page), passage.page])

    async def publish(self, *, base_url: str, default_locale: str | None, pages: dict[str, str]) -> Manifest:
        """Make the generation current and return its manifest; `pages` maps each page's URL to its sha256."""
        manifest = Manifest(
            layout=LAYOUT,
            generation=self._draft.name,
            created_at=datetime.now(UTC),
            embedding_model=self._embedding_model,
            dimensions=self._dimensions,
            base_url=base_url,
            default_locale=default_locale,
            locales=tuple(sorted(self._locales)),
            routes=tuple(
                Route(prefix=prefix, plugin=plugin, version=version, last=last)
                for (plugin, version, _, last), prefix in self._prefixes.items()
            ),
            pages=pages,
            keywords=self._keywords,
        )
        await self._draft.publish(manifest)
        return manifest


def _payload(passage: "IndexedPassage") -> dict[str, object]:
    return {
        CONTENT: passage.text,
        METADATA: {
            "url": passage.url,
            "path": passage.path,
            "page": passage.page,
            "title": passage.title,
            "heading": passage.heading,
            "position": passage.position,
            "locale": passage.locale,
            "version": passage.version,
            "plugin": passage.plugin,
            "last": passage.last,
            "tag": tag_of(passage),
        },
    }


@asynccontextmanager
async def open_index(
    data_dir: Path, embedder: Embedder, *, url: str | None, api_key: str | None
) -> AsyncIterator[PassageIndex]:
    """Open the index of a Qdrant server, or without `url` the one in the data folder, which has one owner.

    Raises AlreadyOwned. An index that does not exist yet is found as soon as an ingest has published it.
    """
    if url is None:
        from persistence.embedded_index import open_embedded_index

        async with open_embedded_index(data_dir / INDEX_FOLDER) as engine:
            yield PassageIndex(engine, embedder)
    else:
        from persistence.index.remote import open_remote_index

        async with open_remote_index(url, api_key, COLLECTION) as engine:
            yield PassageIndex(engine, embedder)


@asynccontextmanager
async def open_writer(
    data_dir: Path, embedder: Embedder, keywords: Keywords, *, url: str | None, api_key: str | None
) -> AsyncIterator[GenerationWriter]:
    """Begin a generation, beside the one a running server may be reading; ingests take turns by a lock of theirs.

    Raises IndexUnavailable when a server is silent.
    """
    dimensions = await asyncio.to_thread(lambda: embedder.dimensions)
    if url is None:
        from persistence.embedded_index import open_embedded_draft

        opening = open_embedded_draft(data_dir / INDEX_FOLDER, dimensions)
    else:
        from persistence.index.remote import open_remote_draft

        opening = open_remote_draft(url, api_key, COLLECTION, dimensions)
    async with opening as draft:
        yield GenerationWriter(draft, keywords, embedding_model=embedder.name, dimensions=dimensions)
