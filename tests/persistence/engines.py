"""The engines an index can have, opened alike, and an embedder that needs no weights."""

import os
import secrets
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from qdrant_client import AsyncQdrantClient

from persistence.embedded_index import open_embedded_draft, open_embedded_index
from persistence.embeddings import Embedder
from persistence.index import GenerationWriter, Keywords, Manifest
from persistence.index.engine import Draft, Engine
from persistence.index.remote import RemoteIndex, Server, draft_on
from persistence.passages import IndexedPassage

BASE_URL = "https://docs.example.com/"


class Letters:
    """Counts the letters of a text: alike texts get alike vectors."""

    name = "letters"
    dimensions = 26

    async def embed_query(self, text: str) -> list[float]:
        return next(iter(self.embed_passages([text])))[0].tolist()

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        letters = "abcdefghijklmnopqrstuvwxyz"
        yield np.array([[text.lower().count(letter) + 0.01 for letter in letters] for text in texts], np.float32)


@dataclass(frozen=True, slots=True)
class Library:
    """An engine to read with, drafts to write with, and the names of all generations kept."""

    engine: Engine
    draft: Callable[[int], AbstractAsyncContextManager[Draft]]
    generations: Callable[[], Any]

    async def ingest(self, passages: Sequence[IndexedPassage], embedder: Embedder) -> Manifest:
        """Publish a generation of these passages."""
        async with self.draft(embedder.dimensions) as draft:
            writer = await self.write(draft, passages, embedder)
            pages = {BASE_URL + passage.page: "0" for passage in passages}
            return await writer.publish(base_url=BASE_URL, default_locale="en", pages=pages)

    async def write(self, draft: Draft, passages: Sequence[IndexedPassage], embedder: Embedder) -> GenerationWriter:
        """Write a generation of these passages and leave it unpublished."""
        writer = GenerationWriter(
            draft, Keywords.of(passages), embedding_model=embedder.name, dimensions=embedder.dimensions
        )
        for start in range(0, len(passages), 2):
            batch = passages[start : start + 2]
            vectors = np.concatenate([*embedder.embed_passages([passage.embedded for passage in batch])])
            await writer.add(batch, vectors)
        return writer


@asynccontextmanager
async def embedded_library(folder: Path) -> AsyncIterator[Library]:
    """The engine in this process."""

    async def generations() -> list[str]:
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    async with open_embedded_index(folder) as engine:
        yield Library(engine, lambda dimensions: open_embedded_draft(folder, dimensions), generations)


@asynccontextmanager
async def remote_library(url: str) -> AsyncIterator[Library]:
    """A server, or with ":memory:" qdrant-client's own engine; leaves nothing behind."""
    client = AsyncQdrantClient(url, timeout=10, check_compatibility=False)
    server = Server(client, url, f"citeside-test-{secrets.token_hex(4)}")

    async def generations() -> list[str]:
        names = [collection.name for collection in (await client.get_collections()).collections]
        return sorted(name for name in names if name.startswith(server.alias) and name != server.manifests)

    yield Library(RemoteIndex(server), lambda dimensions: draft_on(server, dimensions), generations)
    for name in [*await generations(), server.manifests]:
        await client.delete_collection(name)
    await client.close()


@asynccontextmanager
async def library(engine: str, folder: Path) -> AsyncIterator[Library]:
    """Open the engine of that name: "embedded", "client" or "server"."""
    url = os.environ["CITESIDE_TEST_QDRANT_URL"] if engine == "server" else ":memory:"
    async with embedded_library(folder) if engine == "embedded" else remote_library(url) as opened:
        yield opened


def passage(path: str, text: str, **fields: object) -> IndexedPassage:
    """Return a passage of the last version of the docs, in English, unless `fields` say otherwise."""
    page = path.partition("#")[0]
    common = IndexedPassage(
        id=str(uuid5(NAMESPACE_URL, path)),
        url=BASE_URL + path,
        path=path,
        page=page,
        title="Notebook",
        heading="",
        text=text,
        position=zlib.crc32(path.encode()) % 10,
        locale="en",
        version="2.0",
        plugin="docs-default",
        last=True,
    )
    return replace(common, **fields)
