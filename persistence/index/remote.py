"""Keeps the index on a Qdrant server or cluster: a collection for each generation, an alias for the current one.

Manifests lie in a collection of their own, which has no vectors, so that QdrantVectorStore finds passages only.
"""

import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from graph.errors import IndexMissing, IndexUnavailable
from persistence.addresses import without_credentials
from persistence.index.engine import (
    CANDIDATES,
    DENSE,
    FILTERED_FIELDS,
    GENERATION_NAME,
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

TIMEOUT_SECONDS = 10
# How long a search may go on reading the generation before a new one; that one is kept meanwhile.
SECONDS_BETWEEN_CHECKS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """A client together with what errors need to say and what the names of collections begin with."""

    client: AsyncQdrantClient
    url: str
    alias: str

    @property
    def manifests(self) -> str:
        """The collection of manifests."""
        return f"{self.alias}-manifests"

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the client's errors into IndexUnavailable."""
        try:
            yield
        except UnexpectedResponse as error:
            # Not with its body, in which whatever stands between may have put the request.
            reason = f"{error.status_code} {error.reason_phrase}"
            raise IndexUnavailable(f"Qdrant at {without_credentials(self.url)} refused: {reason}") from error
        except (ApiException, QdrantException) as error:
            where = without_credentials(self.url)
            message = f"Qdrant at {where} gave no answer within {TIMEOUT_SECONDS} s: {error}. Check QDRANT_URL."
            raise IndexUnavailable(message) from error

    async def current_collection(self) -> str | None:
        """Return the collection that the alias names."""
        with self.explained():
            aliases = (await self.client.get_aliases()).aliases
        return next((found.collection_name for found in aliases if found.alias_name == self.alias), None)


@dataclass(frozen=True, slots=True)
class RemoteGeneration:
    """One collection on the server."""

    manifest: Manifest
    server: Server

    async def search(self, question: Question) -> list[Hit]:
        """Run both searches and score by cosine what they find, in one round trip."""
        visible = _filter(question.visible)
        sparse = models.SparseVector(indices=list(question.terms), values=list(question.terms.values()))
        queries: list[tuple[models.SparseVector | list[float], str]] = [(sparse, SPARSE)]
        if question.dense is not None:
            queries.append((question.dense, DENSE))
        scored_by, using = queries[-1]
        with self.server.explained():
            found = await self.server.client.query_points(
                self.manifest.generation,
                prefetch=[
                    models.Prefetch(query=query, using=name, filter=visible, limit=CANDIDATES)
                    for query, name in queries
                ],
                query=scored_by,
                using=using,
                limit=CANDIDATES * len(queries),
                with_payload=True,
                with_vectors=[SPARSE],
            )
        return [_hit(point, has_cosine=question.dense is not None) for point in found.points]

    async def page(self, path: str, limit: int) -> list[Hit]:
        """Read a page's passages."""
        of_page = models.FieldCondition(key=PAGE_FIELD, match=models.MatchValue(value=path))
        first = models.FieldCondition(key=POSITION_FIELD, range=models.Range(lt=limit))
        with self.server.explained():
            records, _ = await self.server.client.scroll(
                self.manifest.generation, models.Filter(must=[of_page, first]), limit=limit, with_payload=True
            )
        return [Hit(str(record.id), record.payload or {}, None, {}) for record in records]


class RemoteIndex:
    """Reads the collection behind the alias, which is looked up again when some seconds have passed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._generation: RemoteGeneration | None = None
        self._checked = float("-inf")

    async def current(self) -> RemoteGeneration | None:
        """Return the current generation as of the last check. Raises IndexUnavailable."""
        if self._generation is None or time.monotonic() - self._checked > SECONDS_BETWEEN_CHECKS:
            name = await self._server.current_collection()
            if name is None:
                return None
            if self._generation is None or name != self._generation.manifest.generation:
                self._generation = await self._read(name)
            self._checked = time.monotonic()
        return self._generation

    async def collection(self) -> str | None:
        """Return the collection behind the alias, asked for anew. Raises IndexUnavailable."""
        return await self._server.current_collection()

    async def width(self) -> int:
        """Return the dimensions of the vectors that the current collection takes, 0 when it takes none."""
        with self._server.explained():
            stored = (await self._server.client.get_collection(self._server.alias)).config.params.vectors
        return stored[DENSE].size if isinstance(stored, dict) and DENSE in stored else 0

    async def _read(self, name: str) -> RemoteGeneration:
        with self._server.explained():
            records = await self._server.client.retrieve(self._server.manifests, [_manifest_id(name)])
        try:
            return RemoteGeneration(Manifest.model_validate(records[0].payload), self._server)
        except (IndexError, ValidationError) as error:
            raise IndexMissing(
                f"The collection {name!r} at {self._server.url} has no manifest that this version reads. Run "
                "`citeside ingest` to write it anew."
            ) from error


def _manifest_id(generation: str) -> str:
    return str(uuid5(NAMESPACE_URL, generation))


def _filter(visible: Visible) -> models.Filter:
    must: list[models.Condition] = [models.FieldCondition(key=TAG_FIELD, match=models.MatchAny(any=list(visible.tags)))]
    if visible.locale is not None:
        must.append(models.FieldCondition(key=LOCALE_FIELD, match=models.MatchValue(value=visible.locale)))
    return models.Filter(must=must)


def _hit(point: models.ScoredPoint, *, has_cosine: bool) -> Hit:
    vectors, payload = point.vector, point.payload
    assert isinstance(vectors, dict) and payload is not None  # both were asked for
    sparse = vectors[SPARSE]
    assert isinstance(sparse, models.SparseVector)
    terms = dict(zip(sparse.indices, sparse.values, strict=True))
    return Hit(str(point.id), payload, point.score if has_cosine else None, terms)


class RemoteDraft:
    """A collection being written, which the alias does not name yet."""

    def __init__(self, server: Server, name: str) -> None:
        self.name = name
        self.published = False
        self._server = server

    async def create(self, dimensions: int) -> None:
        """Create the collection and the indexes of the filtered fields."""
        client = self._server.client
        vectors = {DENSE: models.VectorParams(size=dimensions, distance=models.Distance.COSINE)} if dimensions else {}
        keywords = {SPARSE: models.SparseVectorParams(modifier=models.Modifier.IDF)}
        with self._server.explained():
            await client.create_collection(self.name, vectors_config=vectors, sparse_vectors_config=keywords)
            for field in FILTERED_FIELDS:
                await client.create_payload_index(self.name, field, models.PayloadSchemaType.KEYWORD, wait=True)

    async def upsert(self, points: Sequence[Point]) -> None:
        """Add points and wait until the server has them."""
        with self._server.explained():
            await self._server.client.upsert(self.name, [_stored(point) for point in points], wait=True)

    async def publish(self, manifest: Manifest) -> None:
        """Store the manifest, turn the alias, and delete all generations but the one before."""
        client, alias = self._server.client, self._server.alias
        before = await self._server.current_collection()
        stored = models.PointStruct(id=_manifest_id(self.name), vector={}, payload=manifest.model_dump(mode="json"))
        turn = models.CreateAlias(collection_name=self.name, alias_name=alias)
        release = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
        with self._server.explained():
            if not await client.collection_exists(self._server.manifests):
                await client.create_collection(self._server.manifests, vectors_config={})
            await client.upsert(self._server.manifests, [stored], wait=True)
            operations = [release] if before else []
            self.published = True  # even if the reply gets lost: then the alias may name it, and it must not be deleted
            await client.update_collection_aliases([*operations, models.CreateAliasOperation(create_alias=turn)])
            await self._drop_all_but({self.name, before})

    async def _drop_all_but(self, kept: set[str | None]) -> None:
        client, ours = self._server.client, re.compile(f"{re.escape(self._server.alias)}-{GENERATION_NAME}")
        for collection in (await client.get_collections()).collections:
            name = collection.name
            if ours.fullmatch(name) and name not in kept:
                await client.delete_collection(name)
                await client.delete(self._server.manifests, [_manifest_id(name)])

    async def drop(self) -> None:
        """Delete the collection."""
        with self._server.explained():
            await self._server.client.delete_collection(self.name)


def _stored(point: Point) -> models.PointStruct:
    sparse = models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
    vectors: dict[str, models.Vector] = {SPARSE: sparse}
    if point.dense:
        vectors[DENSE] = point.dense
    return models.PointStruct(id=point.id, vector=vectors, payload=point.payload)


@asynccontextmanager
async def _connected(url: str, api_key: str | None, alias: str) -> AsyncIterator[Server]:
    client = AsyncQdrantClient(url, api_key=api_key, timeout=TIMEOUT_SECONDS, check_compatibility=False)
    try:
        yield Server(client, url, alias)
    finally:
        await client.close()


@asynccontextmanager
async def open_remote_index(url: str, api_key: str | None, alias: str) -> AsyncIterator[RemoteIndex]:
    """Read the index of a server; nothing is sent yet."""
    async with _connected(url, api_key, alias) as server:
        yield RemoteIndex(server)


@asynccontextmanager
async def open_remote_draft(url: str, api_key: str | None, alias: str, dimensions: int) -> AsyncIterator[RemoteDraft]:
    """Begin a generation on a server. Raises IndexUnavailable."""
    async with _connected(url, api_key, alias) as server, draft_on(server, dimensions) as draft:
        yield draft


@asynccontextmanager
async def draft_on(server: Server, dimensions: int) -> AsyncIterator[RemoteDraft]:
    """Begin a generation; what is not published is deleted."""
    draft = RemoteDraft(server, f"{server.alias}-{new_generation_name()}")
    await draft.create(dimensions)
    try:
        yield draft
    finally:
        if not draft.published:
            await draft.drop()
