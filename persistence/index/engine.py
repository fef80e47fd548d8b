"""What an engine must do to hold the index; one runs in this process, one is a Qdrant server."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from qdrant_edge import SparseVector

from persistence.index.manifest import Manifest, Visible

# Names of the layout of langchain-qdrant, so that QdrantVectorStore opens the index as it is.
DENSE = "dense"
SPARSE = "sparse"
CONTENT = "page_content"
METADATA = "metadata"
LOCALE_FIELD = f"{METADATA}.locale"
TAG_FIELD = f"{METADATA}.tag"
PAGE_FIELD = f"{METADATA}.page"
POSITION_FIELD = f"{METADATA}.position"
FILTERED_FIELDS = (LOCALE_FIELD, TAG_FIELD, PAGE_FIELD)
# Passages each of the two searches offers to the ranking, whatever the caller's limit.
CANDIDATES = 50


@dataclass(frozen=True, slots=True)
class Point:
    """A passage as an engine stores it; `dense` is empty in an index without vectors."""

    id: str
    dense: list[float]
    sparse: SparseVector
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A question as an engine takes it: a vector, or none, and what each of its terms weighs, by the terms' ids."""

    dense: list[float] | None
    terms: dict[int, float]
    visible: Visible


@dataclass(frozen=True, slots=True)
class Hit:
    """A point found, with what it is scored by: its cosine (None without vectors) and its terms' weights, idf apart."""

    id: str
    payload: dict[str, Any]
    cosine: float | None
    terms: dict[int, float]

    @property
    def page(self) -> str:
        """The path of its page, which two versions or locales do not share."""
        return self.payload[METADATA]["page"]

    @property
    def heading(self) -> str:
        """The heading it stands below, the page's title where it stands below none."""
        stored = self.payload[METADATA]
        return stored["heading"].rpartition(" > ")[2] or stored["title"]


class Generation(Protocol):
    """One whole state of the index. A search that holds it is not disturbed by the next one's arrival."""

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        ...

    async def search(self, question: Question) -> list[Hit]:
        """Return the 50 nearest by vector and the 50 by keywords, each once, in any order. Raises IndexUnavailable."""
        ...

    async def page(self, path: str, limit: int) -> list[Hit]:
        """Return a page's first `limit` passages, unscored and in any order. Raises IndexUnavailable."""
        ...


class Engine(Protocol):
    """Reads the index."""

    async def current(self) -> Generation | None:
        """Return the generation published last, None when there is none. Raises IndexUnavailable."""
        ...


class Draft(Protocol):
    """A generation being written, which nobody sees until it is published."""

    name: str

    async def upsert(self, points: Sequence[Point]) -> None:
        """Add points; the same id again replaces."""
        ...

    async def publish(self, manifest: Manifest) -> None:
        """Make this generation the current one, at once for all readers, and drop all but the one before it."""
        ...


GENERATION_NAME = r"\d{8}T\d{6}-[0-9a-f]{6}"
"""A regular expression that the names made here match, so that nothing else is ever taken for a generation."""


def new_generation_name() -> str:
    """Return a name that sorts by time and that no other ingest has."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
