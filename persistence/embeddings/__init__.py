"""Turns text into vectors: locally by default, through an OpenAI-compatible API when a model is configured."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from pydantic import SecretStr

from persistence.embeddings.cache import VectorCache

__all__ = ["Embedder", "NoEmbedder", "VectorCache", "open_embedder"]

# Else onnxruntime 1.32 tells Microsoft about this machine; it looks once, while it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


class Embedder(Protocol):
    """Makes unit vectors; vectors of different `name`s may not be compared."""

    @property
    def name(self) -> str:
        """The model and whatever else changes its vectors, e.g. `openai:text-embedding-3-small`."""
        ...

    @property
    def dimensions(self) -> int:
        """Width of a vector, 0 when there are none. A remote model may be asked for it once."""
        ...

    async def embed_query(self, text: str) -> list[float] | None:
        """Return the vector of a question, None when there are no vectors. Raises IndexUnavailable."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield float32 rows in the order of `texts`, some dozens at a time. Blocks. Raises IndexUnavailable."""
        ...


class NoEmbedder:
    """Stands in when no embedding model is at hand: passages are then found by their keywords alone."""

    name = "none"
    dimensions = 0

    async def embed_query(self, text: str) -> None:
        """Return None: an index without vectors is asked for keywords only."""
        return None

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield rows of width 0."""
        yield np.empty((len(texts), 0), np.float32)


def open_embedder(data_dir: Path, *, model: str | None, api_key: SecretStr | None, base_url: str | None) -> Embedder:
    """Return the configured API's model, else the local one, else NoEmbedder when its weights are not installed.

    The first call with the local model builds its graph in a child process (about two seconds); call it off the
    event loop. Raises ConfigurationError when the local model's files are not the pinned ones.
    """
    if model is not None:
        from persistence.embeddings.openai import OpenAIEmbedder

        return OpenAIEmbedder(model, api_key=api_key, base_url=base_url)
    from persistence.embeddings.minilm import MiniLM, weights_folder

    weights = weights_folder()
    return MiniLM(weights, data_dir / "models") if weights else NoEmbedder()
