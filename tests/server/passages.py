"""Writes a small index of its own for a test, without a site."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from persistence.embeddings import open_embedder
from persistence.index import Keywords, open_writer
from persistence.passages import IndexedPassage
from tests.server.stand_ins import PASSAGE

INDEXED = IndexedPassage(
    id=PASSAGE.id,
    url=PASSAGE.url,
    path=PASSAGE.path,
    page="sessions/",
    title=PASSAGE.title,
    heading=PASSAGE.heading,
    text=PASSAGE.text,
    position=0,
    locale="en",
    version=None,
    plugin=None,
    last=True,
)


async def ingest(data_dir: Path, passages: Sequence[IndexedPassage] = (INDEXED,)) -> None:
    """Write an index of these passages."""
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    vectors = np.concatenate(list(embedder.embed_passages([passage.embedded for passage in passages])))
    async with open_writer(data_dir, embedder, Keywords.of(passages), url=None, api_key=None) as writer:
        await writer.add(passages, vectors)
        pages = {passage.url.partition("#")[0]: "0" for passage in passages}
        await writer.publish(base_url="https://docs.example/", default_locale="en", pages=pages)
