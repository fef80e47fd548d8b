"""Keeps the vectors already made, so that an ingest embeds only what changed."""

import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from persistence.embeddings import Embedder

SECONDS_TO_WAIT_FOR_ANOTHER_WRITER = 60


class VectorCache:
    """Vectors by embedding model and sha256 of the embedded text, in one SQLite file that processes may share."""

    def __init__(self, path: Path) -> None:
        """Open the file, made with mode 0600 when it is not there."""
        os.close(os.open(path, os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, timeout=SECONDS_TO_WAIT_FOR_ANOTHER_WRITER, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS vectors"
            " (model TEXT, text_sha256 BLOB, vector BLOB NOT NULL, PRIMARY KEY (model, text_sha256)) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def embed(self, embedder: "Embedder", texts: Sequence[str]) -> np.ndarray:
        """Return one float32 row per text, of width 0 without a model; only texts never seen before are embedded.

        Blocks; meant for some dozens to hundreds of texts at a time. Raises IndexUnavailable as the embedder does;
        the vectors made until then are kept.
        """
        if embedder.dimensions == 0:
            return np.empty((len(texts), 0), np.float32)
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        vectors = self._read(embedder.name, keys)
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in vectors}
        unwritten = iter(new)
        for rows in embedder.embed_passages(list(new.values())):
            made = {next(unwritten): row.tobytes() for row in rows}
            self._write(embedder.name, made)
            vectors |= made
        return np.stack([np.frombuffer(vectors[key], np.float32) for key in keys])

    def _read(self, model: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        wanted = ", ".join("?" * len(keys))
        query = f"SELECT text_sha256, vector FROM vectors WHERE model = ? AND text_sha256 IN ({wanted})"  # noqa: S608
        return dict(self._database.execute(query, (model, *keys)))

    def _write(self, model: str, vectors: dict[bytes, bytes]) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        self._database.executemany(
            "INSERT OR IGNORE INTO vectors (model, text_sha256, vector) VALUES (?, ?, ?)",
            [(model, key, vector) for key, vector in vectors.items()],
        )
        self._database.execute("COMMIT")
