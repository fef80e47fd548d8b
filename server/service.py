"""The composition root: settings in, a running service out, for HTTP, command line, evaluations and notebooks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID

from graph.errors import ConfigurationError
from graph.ports import Retriever
from graph.terms import composed
from graph.types import Passage, Scope
from persistence.feedback import Feedback
from persistence.limits import Limits
from persistence.messages import Messages
from persistence.migrate import migrate
from persistence.postgres import Database, open_database
from persistence.retention import Retention
from persistence.sessions import Sessions
from persistence.threads import Threads
from persistence.turns import Turns
from server.addresses import Addresses
from server.requests import MESSAGE_LIMIT, FeedbackRequest
from server.settings import Settings

if TYPE_CHECKING:
    from graph.build import TurnGraph
    from persistence.embeddings import Embedder
    from persistence.index import PassageIndex
    from server.limits import Asker, Tariff
    from server.metrics import Meters
    from server.models import Answerers
    from server.proofs import Verify
    from server.scrub import Scrub
    from server.tracing import Tracing
    from server.turns import TurnEngine


@dataclass(frozen=True, slots=True)
class Service:
    """Everything a request needs, open as long as the service is."""

    settings: Settings
    sessions: Sessions
    threads: Threads
    messages: Messages
    feedback: Feedback
    turns: Turns
    embedder: "Embedder"
    index: "PassageIndex"
    retriever: Retriever
    answerers: "Answerers"
    engine: "TurnEngine"
    tracing: "Tracing"
    tariff: "Tariff"
    limits: Limits
    addresses: Addresses
    verify: "Verify | None"
    scrub: "Scrub"
    meters: "Meters"

    async def search(self, asker: "Asker", query: str, scope: Scope, limit: int) -> list[Passage]:
        """Return the passages nearest to what a reader typed, best first.

        Raises Limited when their address searches too often, and the errors of `graph.errors`.
        """
        if charges := self.tariff.search(asker):
            await self.limits.charge(charges)
        query = composed(await self.scrub.text(query, MESSAGE_LIMIT))
        return await self.retriever.search(query, scope=scope, limit=limit)

    async def take_opinion(self, session_id: UUID, message_id: UUID, given: FeedbackRequest) -> bool:
        """Keep what a reader thinks of an answer and tell its trace; false when the session has no such answer."""
        given = await self.scrub.opinion(given)
        stored = await self.feedback.put(session_id, message_id, given.rating, given.reason, given.note)
        if stored:
            self.tracing.opinion(message_id, given)
        return stored


@asynccontextmanager
async def open_service(
    settings: Settings, *, answerers: "Answerers | None" = None, retriever: Retriever | None = None
) -> AsyncIterator[Service]:
    """Open everything that `settings` name, at once where it can be, and close it in order.

    Evaluations and tests bring answerers, which are closed too, or a retriever of their own. An index that is missing
    does not keep the service from opening: readiness and grounded turns say so. Raises the errors of `graph.errors`.
    """
    async with AsyncExitStack() as stack:
        with _first_error():
            async with asyncio.TaskGroup() as group:
                opening_database = group.create_task(stack.enter_async_context(open_database_of(settings)))
                opening_index = group.create_task(stack.enter_async_context(open_retrieval(settings)))
                # LangGraph takes two seconds to import, in which Postgres can start.
                await asyncio.to_thread(import_module, "server.turns")
                chosen = answerers or await asyncio.to_thread(_choose_answerers, settings)
                stack.push_async_callback(chosen.aclose)
        database, (embedder, index) = opening_database.result(), opening_index.result()

        from persistence.embeddings import NoEmbedder
        from server.ahead import SearchAhead
        from server.limits import open_tariff
        from server.metrics import TimedRetriever, open_meters
        from server.proofs import open_verify
        from server.pruning import Pruning
        from server.scrub import open_scrub
        from server.spans import open_spans
        from server.tracing import open_tracing
        from server.turns import TurnEngine

        meters = stack.enter_context(open_meters())
        searched = SearchAhead(TimedRetriever(retriever or index, meters))
        graph = compose_graph(chosen, searched, keywords_only=isinstance(embedder, NoEmbedder))
        turns, messages = Turns(database), Messages(database)
        tariff = open_tariff(settings, chosen.model_name)
        scrub, pruning = open_scrub(settings), Pruning(Retention(database), settings.retention_days)
        tracing = await stack.enter_async_context(open_tracing(settings))
        spans = await stack.enter_async_context(open_spans(settings, chosen.model_name))
        engine = TurnEngine(graph, turns, messages, searched, tariff, tracing.trace, meters, spans, scrub, pruning)
        stack.push_async_callback(engine.drain)
        await stack.enter_async_context(meters.watching(database))
        yield Service(
            settings=settings,
            sessions=Sessions(database),
            threads=Threads(database, scrub.title if scrub.on else None),
            messages=messages,
            feedback=Feedback(database),
            turns=turns,
            embedder=embedder,
            index=index,
            retriever=searched,
            answerers=chosen,
            engine=engine,
            tracing=tracing,
            tariff=tariff,
            limits=Limits(database),
            addresses=Addresses(settings.trusted_proxies, database.url),
            verify=open_verify(settings.verify),
            scrub=scrub,
            meters=meters,
        )


@contextmanager
def _first_error() -> Iterator[None]:
    """Raise the first error of a task group alone: whoever started us wants a line, not a tree."""
    try:
        yield
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


@asynccontextmanager
async def open_database_of(settings: Settings) -> AsyncIterator[Database]:
    """Open Postgres at the schema this code expects: our own is brought to it, another's is only looked at.

    The embedded one may be in use by a server; it is shared then.
    """
    url = settings.database_url.get_secret_value() if settings.database_url else None
    async with open_database(url, settings.data_dir) as database:
        if url is None:
            await migrate(database.url)
        elif missing := await migrate(database.url, check=True):
            raise ConfigurationError(f"DATABASE_URL lacks {', '.join(missing)}. Run `citeside migrate` first.")
        yield database


def open_embedder_of(settings: Settings) -> "Embedder":
    """Return the embedding model that `settings` name. Blocks; raises what `open_embedder` raises."""
    from persistence.embeddings import open_embedder

    return open_embedder(
        settings.data_dir,
        model=settings.embedding_model,
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url,
    )


@asynccontextmanager
async def open_retrieval(settings: Settings) -> "AsyncIterator[tuple[Embedder, PassageIndex]]":
    """Open the embedding model and the index that `settings` name."""
    from persistence.index import open_index

    embedder = await asyncio.to_thread(open_embedder_of, settings)
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    async with open_index(settings.data_dir, embedder, url=settings.qdrant_url, api_key=key) as index:
        yield embedder, index


def compose_graph(answerers: "Answerers", retriever: Retriever, *, keywords_only: bool) -> "TurnGraph":
    """Return the graph of a turn; its constrained half is given nothing that could search."""
    from graph.build import build_graph
    from graph.constrained import Constrained
    from graph.grounded import Grounded

    return build_graph(
        Grounded(retriever, answerers.grounded, answerers.condenser, keywords_only=keywords_only),
        Constrained(answerers.selection, answerers.sufficiency),
    )


def _choose_answerers(settings: Settings) -> "Answerers":
    from server.models import open_answerers

    return open_answerers(settings)
