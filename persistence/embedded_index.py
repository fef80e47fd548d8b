"""Keeps the index in the data folder and searches it inside this process, with qdrant-edge.

index/current           the name of the generation that is read; replaced atomically
index/<generation>/     shard/ and manifest.json, never changed once published
index/owner.lock        held by the process that reads

qdrant_edge 0.9 keeps the GIL during every call, so a thread would not spare the event loop: a search is called where
it stands (some 4 ms among 10,000 passages), and whatever is slow happens in the process of an ingest.
"""

import asyncio
import fcntl
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import IO

import qdrant_edge as edge
from pydantic import ValidationError

from graph.errors import AlreadyOwned, IndexUnavailable
from persistence.index.engine import (
    CANDIDATES,
    DENSE,
    FILTERED_FIELDS,
    LOCALE_FIELD,
    PAGE_FIELD,
    POSITION_FIELD,
    SPARSE,
    TAG_FIELD,
    Hit,
    Point,
    Question,
    new_generation_name,
)
from persistence.index.manifest import Manifest, Visible

# An update keeps the GIL for 16 ms at this size, which lets a progress bar move.
BATCH = 64
# Up to here a search compares with every vector, exactly. Above, the ingest builds a graph: 66 s at 100,000 passages,
# whose searches then take 1.0 instead of 10.6 ms with a recall@10 of 0.995.
LARGEST_EXACT = 20_000


@dataclass(frozen=True, slots=True)
class EmbeddedGeneration:
    """An open shard; it closes when the last search that holds it is done."""

    manifest: Manifest
    shard: edge.EdgeShard

    async def search(self, question: Question) -> list[Hit]:
        """Run both searches and score by cosine what they find, in one call."""
        visible = _filter(question.visible)
        sparse = edge.SparseVector(list(question.terms), list(question.terms.values()))
        queries = [edge.Query.Nearest(sparse, using=SPARSE)]
        if question.dense is not None:
            queries.append(edge.Query.Nearest(question.dense, using=DENSE))
        request = edge.QueryRequest(
            prefetches=[edge.Prefetch(query=query, limit=CANDIDATES, filter=visible) for query in queries],
            query=queries[-1],
            limit=CANDIDATES * len(queries),
            with_payload=True,
            with_vector=[SPARSE],
        )
        try:
            points = self.shard.query(request)
        except Exception as error:  # qdrant_edge raises nothing more precise
            raise IndexUnavailable(f"The index could not be searched: {error}") from error
        return [_hit(point, has_cosine=question.dense is not None) for point in points]

    async def page(self, path: str, limit: int) -> list[Hit]:
        """Read a page's passages."""
        of_page = edge.FieldCondition(PAGE_FIELD, match=edge.MatchValue(path))
        first = edge.FieldCondition(POSITION_FIELD, range=edge.RangeFloat(lt=limit))
        request = edge.ScrollRequest(limit=limit, filter=edge.Filter(must=[of_page, first]), with_payload=True)
        try:
            records, _ = self.shard.scroll(request)
        except Exception as error:  # qdrant_edge raises nothing more precise
            raise IndexUnavailable(f"The index could not be read: {error}") from error
        return [Hit(str(record.id), record.payload or {}, None, {}) for record in records]


class EmbeddedIndex:
    """Reads whichever generation is current; a new one is taken up by the next search."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pointer = folder / "current"
        self._loading = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._generation: EmbeddedGeneration | None = None

    async def current(self) -> EmbeddedGeneration | None:
        """Return the current generation, opened first when it is new: 0.15 s at 10,000 passages."""
        return await asyncio.to_thread(self._refresh)

    def _refresh(self) -> EmbeddedGeneration | None:
        with self._loading:
            try:
                status = self._pointer.stat()
            except FileNotFoundError:
                return None
            identity = (status.st_ino, status.st_mtime_ns)
            if identity != self._seen:
                self._generation = _load(self._folder / self._pointer.read_text().strip())
                self._seen = identity
            return self._generation


def _load(folder: Path) -> EmbeddedGeneration:
    try:
        manifest = Manifest.model_validate_json((folder / "manifest.json").read_bytes())
        return EmbeddedGeneration(manifest, edge.EdgeShard.load(str(folder / "shard")))
    except Exception as error:  # qdrant_edge raises nothing more precise
        reason = str(error).partition("\n")[0]
        message = f"The index in {folder} cannot be opened: {reason}. Run `citeside ingest` to write it anew."
        raise IndexUnavailable(message) from error


def read_manifest(folder: Path) -> Manifest | None:
    """Return what the current generation holds, None when there is none to read; a running server may own the index."""
    try:
        generation = folder / (folder / "current").read_text().strip()
        return Manifest.model_validate_json((generation / "manifest.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _filter(visible: Visible) -> edge.Filter:
    # A tag is a keyword because qdrant_edge 0.9 sends MatchValue(True) as a number, which matches nothing.
    must = [edge.FieldCondition(TAG_FIELD, match=edge.MatchAny(list(visible.tags)))]
    if visible.locale is not None:
        must.append(edge.FieldCondition(LOCALE_FIELD, match=edge.MatchValue(visible.locale)))
    return edge.Filter(must=[*must])


def _hit(point: edge.ScoredPoint, *, has_cosine: bool) -> Hit:
    vectors, payload = point.vector, point.payload
    assert isinstance(vectors, dict) and payload is not None  # both were asked for
    sparse = vectors[SPARSE]
    assert isinstance(sparse, edge.SparseVector)
    terms = dict(zip(sparse.indices, sparse.values, strict=True))
    return Hit(str(point.id), payload, point.score if has_cosine else None, terms)


class EmbeddedDraft:
    """A generation being written into a folder of its own, without a write-ahead log: it counts only as a whole."""

    def __init__(self, folder: Path, name: str, dimensions: int) -> None:
        self.name = name
        self._index = folder
        self.folder = folder / name
        self.folder.mkdir(mode=0o700, parents=True)
        vectors = {DENSE: edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine)} if dimensions else None
        config = edge.EdgeConfig(
            vectors=vectors,
            sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
            wal_enabled=False,
        )
        self._shard = edge.EdgeShard.create(str(self.folder / "shard"), config)
        for field in FILTERED_FIELDS:
            self._shard.update(edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Keyword))

    async def upsert(self, points: Sequence[Point]) -> None:
        """Add points, a few dozen at a time."""
        for start in range(0, len(points), BATCH):
            batch = [_stored(point) for point in points[start : start + BATCH]]
            self._shard.update(edge.UpdateOperation.upsert_points(batch))
            await asyncio.sleep(0)

    async def publish(self, manifest: Manifest) -> None:
        """Write everything to the disk, then turn the pointer."""
        if manifest.passages > LARGEST_EXACT:
            self._shard.optimize()
        self._shard.flush()
        self._shard.close()
        await asyncio.to_thread(self._point_here, manifest)

    def _point_here(self, manifest: Manifest) -> None:
        pointer = self._index / "current"
        before = pointer.read_text().strip() if pointer.exists() else None
        _write_durably(self.folder / "manifest.json", manifest.model_dump_json())
        _write_durably(self._index / "current.new", self.name)
        os.replace(self._index / "current.new", pointer)
        _drop_all_but(self._index, {self.name, before})


def _stored(point: Point) -> edge.Point:
    vectors: dict[str, edge.NamedVector] = {SPARSE: point.sparse}
    if point.dense:
        vectors[DENSE] = point.dense
    return edge.Point(point.id, vectors, point.payload)


def _write_durably(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _drop_all_but(folder: Path, kept: set[str | None]) -> None:
    """Delete generations. One that a server still reads lives on, unnamed, until it lets go."""
    for generation in folder.iterdir():
        if generation.is_dir() and generation.name not in kept:
            shutil.rmtree(generation)


@asynccontextmanager
async def open_embedded_index(folder: Path) -> AsyncIterator[EmbeddedIndex]:
    """Own the index of `folder` for reading, by a lock that ends with this process. Raises AlreadyOwned."""
    with await asyncio.to_thread(_own, folder):
        yield EmbeddedIndex(folder)


def _own(folder: Path) -> IO[str]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = open(os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")  # noqa: SIM115 - the caller closes
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with lock:
            owner = lock.read()
        message = f"The index in {folder} is in use by {owner}. Stop that process, or share a Qdrant by QDRANT_URL."
        raise AlreadyOwned(message) from None
    lock.truncate()
    command = shorten(" ".join(sys.orig_argv), 200, placeholder=" ...")
    lock.write(f"process {os.getpid()} ({command})")
    lock.flush()
    return lock


@asynccontextmanager
async def open_embedded_draft(folder: Path, dimensions: int) -> AsyncIterator[EmbeddedDraft]:
    """Begin a generation beside the current one; what is not published is deleted."""
    draft = EmbeddedDraft(folder, new_generation_name(), dimensions)
    try:
        yield draft
    finally:
        if not (draft.folder / "manifest.json").exists():
            shutil.rmtree(draft.folder)
