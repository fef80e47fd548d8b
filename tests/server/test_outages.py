"""Turns when Postgres goes away, when another worker runs them, and when a worker was thought dead."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from persistence.postgres import Database
from persistence.turns import Turns
from server import turns
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import Event, Reader, in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
ANSWER = "A session expires 30 days after it was last seen. [1]"


@dataclass
class Wire:
    """A wire to Postgres that can be cut and mended."""

    target: str
    url: str = ""
    cut: bool = False
    streams: set[asyncio.StreamWriter] = field(default_factory=set)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on in both directions until one side ends."""
        if self.cut:
            writer.close()
            return
        url = urlsplit(self.target)
        if folder := parse_qs(url.query).get("host"):
            there = await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.5432")
        else:
            there = await asyncio.open_connection(url.hostname, url.port or 5432)
        self.streams |= {writer, there[1]}
        await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)

    def sever(self) -> None:
        """Drop all connections and take no new ones."""
        self.cut = True
        for stream in self.streams:
            stream.transport.abort()

    def mend(self) -> None:
        """Take connections again."""
        self.cut = False


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on in one direction."""
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


@pytest.fixture
async def wire(settings: Settings) -> AsyncIterator[Wire]:
    """The wire of this test."""
    assert settings.database_url
    wire = Wire(settings.database_url.get_secret_value())
    async with await asyncio.start_server(wire.connected, "127.0.0.1", 0) as server:
        url = urlsplit(wire.target)
        address = f"{url.username or 'postgres'}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
        wire.url = f"postgresql://{address}{url.path}"
        yield wire
        wire.sever()


@pytest.fixture
async def wired_reader(wire: Wire, settings: Settings, model: Scripted) -> AsyncIterator[Reader]:
    """A reader of a server behind the wire."""
    wired = settings.model_copy(update={"database_url": SecretStr(wire.url)})
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(wired, opening=opening)) as client:
        yield await Reader.arrive(client)


async def asked(reader: Reader, model: Scripted) -> asyncio.Task[list[Event]]:
    """Ask a question whose model waits, and return when its turn runs."""
    model.may_go_on.clear()
    asking = asyncio.create_task(reader.stream(QUESTION))
    while not model.seen:
        await asyncio.sleep(0.01)
    return asking


async def test_an_answer_outlives_a_database_that_comes_back(wire: Wire, wired_reader: Reader, model: Scripted) -> None:
    asking = await asked(wired_reader, model)
    wire.sever()
    model.may_go_on.set()
    await asyncio.sleep(2 * turns.TICK)
    assert not asking.done()
    wire.mend()
    events = await asking
    assert events[-1].data == {"status": "completed", "length": len(ANSWER)}
    _, stored = await wired_reader.messages(events[0].data["thread_id"])
    assert (stored["content"], stored["status"]) == (ANSWER, "completed")


async def test_an_answer_that_cannot_be_stored_is_not_shown_as_complete(
    wire: Wire, wired_reader: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SETTLE", 0.1)
    asking = await asked(wired_reader, model)
    wire.sever()
    model.may_go_on.set()
    events = await asking
    assert (events[-2].data["content"], events[-2].data["status"]) == (ANSWER, "failed")
    assert (events[-1].data["status"], events[-1].data["code"]) == ("failed", "store_unavailable")


async def test_without_its_database_the_server_says_so(wire: Wire, wired_reader: Reader) -> None:
    wire.sever()
    answer = await wired_reader.request("POST", "/chat", message=QUESTION)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "store_unavailable", "5")
    assert (await wired_reader.client.get("/healthz")).status_code == 200


async def test_a_turn_that_runs_on_another_worker_is_joined_there(
    reader: Reader, settings: Settings, model: Scripted, tmp_path: Path
) -> None:
    model.may_go_on.clear()
    body = {"message": QUESTION, "client_message_id": str(uuid4())}
    first = asyncio.create_task(reader.stream(**body))
    while not model.seen:
        await asyncio.sleep(0.01)
    elsewhere = settings.model_copy(update={"data_dir": tmp_path})
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(elsewhere, opening=opening)) as client:
        there = Reader(client, reader.session, reader.headers)
        joined = [asyncio.create_task(there.stream(**body)) for _ in range(3)]
        await asyncio.sleep(2 * turns.TICK)
        assert not any(task.done() for task in joined)
        model.may_go_on.set()
        told = await asyncio.gather(*joined)
    for events in told:
        shown = [event.data["text"] for event in events if event.event == "delta"]
        assert "".join(shown) == ANSWER
        assert [event.event for event in events] == ["turn", "passages", *("delta" for _ in shown), "message", "end"]
        assert events[-2:] == (await first)[-2:]


async def test_a_worker_that_was_thought_dead_adds_nothing(reader: Reader, model: Scripted, database: Database) -> None:
    asking = await asked(reader, model)
    thread_id = (await reader.request("GET", "/threads")).json()["data"][0]["id"]
    while not (await reader.messages(thread_id))[1]["content"]:  # until the text so far is stored
        await asyncio.sleep(0.01)
    await database.execute(
        "update turns set lease_until = now() - interval '1 s', worker = 'another' where thread_id = $1",
        UUID(thread_id),
    )
    assert (await reader.messages(thread_id))[1]["status"] == "interrupted"
    model.may_go_on.set()
    events = await asking
    assert not any(event.data["reset"] for event in events if event.event == "turn")
    assert (events[-2].data["content"], events[-2].data["status"]) == ("A session expires", "interrupted")
    assert events[-1].data["code"] == "interrupted"


async def test_a_reader_of_a_worker_that_slept_is_told_what_the_store_kept(
    reader: Reader, model: Scripted, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake = asyncio.Event()
    renew = Turns.renew

    async def renew_when_awake(*args: Any) -> Any:
        await awake.wait()
        return await renew(*args)

    monkeypatch.setattr(Turns, "renew", renew_when_awake)
    asking = await asked(reader, model)
    running = (await reader.request("GET", "/threads")).json()["data"][0]["running_turn_id"]
    await database.execute("update turns set lease_until = now() - interval '1 s' where id = $1", UUID(running))
    assert (await reader.request("GET", f"/turns/{running}")).json()["status"] == "interrupted"
    awake.set()
    events = await asking
    shown = [(event.event, event.id) for event in events if event.event in ("turn", "delta", "end")]
    assert shown == [("turn", "1:0"), ("delta", "1:17"), ("turn", "1:17"), ("end", "1:0")]
    assert (events[-2].data["content"], events[-1].data["length"]) == ("", 0)
