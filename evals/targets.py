"""Whom the cases are put to: this version in this process, or a server that runs somewhere."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError

from graph.errors import CitesideError
from graph.events import Delta, OfferedPassage, Passages, VerdictGiven
from graph.ports import Retriever
from graph.types import Passage, Scope, Verdict
from server.limits import ADMIN_HEADER, Asker
from server.models import Answerers
from server.problems import Problem
from server.requests import ChatRequest
from server.service import Service, open_service
from server.settings import Settings
from server.wire import Config, End, FoundPassage, MessageGiven, SearchAnswer, SessionGiven, StreamEvent, TurnOpened

_EVENT: TypeAdapter[StreamEvent] = TypeAdapter(StreamEvent)
_Model = TypeVar("_Model", bound=BaseModel)

_PATIENCE = httpx.Timeout(10, read=120)
_LONGEST_PAUSE = 60.0
"""Seconds of a 429 that are waited for; longer ones want CITESIDE_ADMIN_TOKEN, which lifts the limits."""
_TRIES = 5
"""Requests made again when a server says that it is asked too often."""


class TargetAway(CitesideError):
    """The server that was asked is away, or refuses."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that a reader heard of a turn, and how long it took; `searched` is None where nobody could look."""

    thread_id: UUID
    message: MessageGiven
    end: End
    offered: tuple[OfferedPassage, ...]
    verdicts: tuple[Verdict, ...]
    first_s: float | None
    total_s: float
    searched: tuple[str, ...] | None
    texts: Mapping[str, str]
    """The texts of passages that were found, by their ids, as far as they were seen."""


class Target(Protocol):
    """Answers questions."""

    async def ask(self, asked: ChatRequest) -> Told:
        """Ask one question and read along to the end. Raises TargetAway."""
        ...

    async def search(self, question: str, scope: Scope, limit: int) -> Sequence[FoundPassage]:
        """Return what a search finds. Raises TargetAway."""
        ...


@dataclass(slots=True)
class _Clock:
    """When a question was asked for the last time: what a 429 has a client wait is no time of the answer."""

    began: float = field(default_factory=time.perf_counter)

    def start(self) -> None:
        self.began = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self.began


async def _told(
    events: AsyncGenerator[StreamEvent],
    searched: Callable[[], tuple[str, ...] | None],
    texts: Mapping[str, str],
    clock: _Clock,
) -> Told:
    opened = message = end = None
    first: float | None = None
    offered: tuple[OfferedPassage, ...] = ()
    verdicts: list[Verdict] = []
    async with aclosing(events):
        async for event in events:
            match event:
                case TurnOpened():
                    opened = event
                case Passages():
                    offered = event.passages
                case VerdictGiven():
                    verdicts.append(event.verdict)
                case Delta():
                    first = first or clock.seconds()
                case MessageGiven():
                    message = event
                case End():
                    end = event
                case _:
                    pass
    if not (opened and message and end):
        raise TargetAway("a stream broke off before its end")
    if end.status == "interrupted":
        raise TargetAway("a turn was interrupted: the server was stopped")
    total = clock.seconds()
    return Told(opened.thread_id, message, end, offered, tuple(verdicts), first, total, searched(), dict(texts))


_SEEN: ContextVar[tuple[list[str], dict[str, str]] | None] = ContextVar("evals_seen", default=None)


class Watched:
    """A retriever that notes what each turn searches for and is given; tasks of a turn share its note."""

    def __init__(self) -> None:
        self.retriever: Retriever | None = None

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search, and note it."""
        assert self.retriever
        seen = _SEEN.get()
        if seen is not None:
            seen[0].append(query)
        found = await self.retriever.search(query, scope=scope, limit=limit)
        if seen is not None:
            seen[1].update({passage.id: passage.text for passage in found})
        return found


@dataclass(frozen=True, slots=True)
class InProcess:
    """The whole service, open in this process: its own graph, index and Postgres."""

    service: Service
    session_id: UUID
    token: str

    async def ask(self, asked: ChatRequest) -> Told:
        """Ask as a route does."""
        seen: tuple[list[str], dict[str, str]] = ([], {})
        _SEEN.set(seen)
        return await _told(self._events(asked), lambda: tuple(seen[0]), seen[1], _Clock())

    async def _events(self, asked: ChatRequest) -> AsyncGenerator[StreamEvent]:
        try:
            turn = await self.service.engine.start(Asker(self.token, unlimited=True), asked)
        except Problem as problem:
            raise TargetAway(f"the question was refused: {problem.detail}") from problem
        async with aclosing(self.service.engine.follow(self.session_id, turn.turn_id)) as events:
            async for sent in events:
                if sent:
                    yield sent.event

    async def search(self, question: str, scope: Scope, limit: int) -> Sequence[FoundPassage]:
        """Search as the route does."""
        found = await self.service.retriever.search(question, scope=scope, limit=limit)
        return [FoundPassage.of(passage) for passage in found]


Worsen = Callable[[Retriever], Retriever]
"""Puts another retriever in front of the index, for example one that is worse."""


@asynccontextmanager
async def in_process(
    settings: Settings, *, answerers: Answerers | None = None, worsen: Worsen = lambda index: index
) -> AsyncIterator[InProcess]:
    """Open a service on `settings` and a session in it; `answerers` and `worsen` replace nodes of it."""
    watched = Watched()
    async with open_service(settings, answerers=answerers, retriever=watched) as service:
        watched.retriever = worsen(service.index)
        session, token = await service.sessions.create(user_key=None)
        yield InProcess(service, session.id, token)


@dataclass(frozen=True, slots=True)
class OverHttp:
    """A running server, asked as a browser asks it."""

    client: httpx.AsyncClient

    async def ask(self, asked: ChatRequest) -> Told:
        """Ask over server-sent events."""
        clock = _Clock()
        return await _told(self._events(asked, clock), lambda: None, {}, clock)

    async def _events(self, asked: ChatRequest, clock: _Clock) -> AsyncGenerator[StreamEvent]:
        body = asked.model_dump(mode="json", exclude_none=True)
        for attempt in range(_TRIES):
            clock.start()
            try:
                async with self.client.stream("POST", "/chat/stream", json=body) as response:
                    pause = pause_of(response)
                    if response.status_code != 429 or attempt == _TRIES - 1 or pause > _LONGEST_PAUSE:
                        await _check(response)
                        name = ""
                        async for line in response.aiter_lines():
                            if line.startswith("event: "):
                                name = line.removeprefix("event: ")
                            elif line.startswith("data: "):
                                data = line.removeprefix("data: ")
                                yield _EVENT.validate_json(f'{{"event":"{name}",{data[1:]}')
                        return
            except (httpx.TransportError, ValidationError) as error:
                raise TargetAway(f"{self.client.base_url} is away: {type(error).__name__}") from error
            await asyncio.sleep(pause)

    async def search(self, question: str, scope: Scope, limit: int) -> Sequence[FoundPassage]:
        """Search over `GET /search`."""
        wanted = {"q": question, "version": scope.version, "locale": scope.locale, "limit": limit}
        try:
            response = await self.client.get("/search", params={k: v for k, v in wanted.items() if v is not None})
            await _check(response)
        except httpx.TransportError as error:
            raise TargetAway(f"{self.client.base_url} is away: {type(error).__name__}") from error
        return _read(SearchAnswer, response).data


def _read(model: type[_Model], response: httpx.Response) -> _Model:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise TargetAway(
            f"{response.request.url} does not answer as a server of this version: {error.errors()[0]['msg']}"
        ) from None


def pause_of(response: httpx.Response) -> float:
    """Return the seconds to wait for by Retry-After; one where a proxy tells none, or a date."""
    told = response.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else 1.0


async def _check(response: httpx.Response) -> None:
    if response.is_error:
        told = (await response.aread())[:300].decode(errors="replace")
        mend = (
            " Set CITESIDE_ADMIN_TOKEN to the server's, which lifts its limits." if response.status_code == 429 else ""
        )
        raise TargetAway(f"{response.request.url.path} gave {response.status_code}: {told}{mend}")


@asynccontextmanager
async def over_http(url: str, admin_token: SecretStr | None = None) -> AsyncIterator[OverHttp]:
    """Open a session on a running server, whose admin token lifts its limits. Raises TargetAway when there is none."""
    headers = {ADMIN_HEADER: admin_token.get_secret_value()} if admin_token else None
    async with httpx.AsyncClient(base_url=url, timeout=_PATIENCE, headers=headers) as client:
        try:
            config = await client.get("/config")
            await _check(config)
            given = await client.post("/sessions", json={"user_key": "citeside eval"})
            await _check(given)
        except httpx.TransportError as error:
            raise TargetAway(f"no server answers at {url}: {type(error).__name__}") from error
        _read(Config, config)  # a page of something else answers too
        token = _read(SessionGiven, given).token
        client.headers["authorization"] = f"Bearer {token}"
        try:
            yield OverHttp(client)
        finally:
            if not client.is_closed:
                with suppress(httpx.TransportError):  # the server went away with what it stored
                    await client.delete("/sessions/me")
