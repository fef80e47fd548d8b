"""Readers that leave, come back, ask for nonsense, or do not read; networks that break under them."""

import asyncio
import json
import random
import socket
from urllib.parse import urlsplit

import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import LEASE, QUICK_CLOCKS, Fleet
from tests.faults.gears import everywhere, only_whole, together
from tests.faults.model import answer, question
from tests.faults.nginx import in_front
from tests.faults.reader import PATIENCE, Reader, asking, client_message_id

pytestmark = pytest.mark.anyio


@everywhere
async def test_whoever_leaves_and_returns_reads_what_was_written(fleet: Fleet, case: Case) -> None:
    await together(
        _leaves_for_good(fleet, case),
        _returns_after_the_end(fleet, case),
        _comes_without_a_cursor(fleet, case),
        _comes_with_a_bad_cursor(fleet, case),
        _comes_with_a_cursor_of_an_older_attempt(fleet, case),
        _asks_for_a_turn_of_another(fleet, case),
        _looks_without_asking(fleet, case),
        _waits_for_a_slow_model(fleet, case),
        _twenty_come_and_go(fleet, case),
    )


async def _leaves_for_good(fleet: Fleet, case: Case) -> None:
    with case(1):
        reader, reading = await asking(fleet, fleet.any, asked := question(tokens=200))
        reading.cancel()
        async with asyncio.timeout(PATIENCE):
            while (await fleet.stored(reader.turn_id))[0] == "running":
                await asyncio.sleep(0.2)
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))


async def _returns_after_the_end(fleet: Fleet, case: Case) -> None:
    with case(3):
        first = await Reader.arrive(fleet)
        await first.ask(fleet.workers[0], asked := question())
        for worker in fleet.workers:
            for held in (0, 7, len(answer(asked))):
                reader = first.again()
                reader.turn, reader.attempt, reader.text, reader.cursor = first.turn, 1, first.text[:held], f"1:{held}"
                await reader.rejoin(worker)
                assert (reader.text, reader.end, reader.resets) == (answer(asked), first.end, 0)
                assert (reader.names[0], reader.names[-2:]) == ("turn", ["message", "end"])
                assert reader.message == first.message


async def _comes_without_a_cursor(fleet: Fleet, case: Case) -> None:
    with case(4):
        first, reading = await asking(fleet, fleet.workers[0], asked := question(tokens=200))
        for worker in fleet.workers:
            for cursor in (None, "0:0"):
                reader = first.again()
                reader.turn, reader.cursor = first.turn, cursor
                await reader.rejoin(worker)
                assert (reader.text, reader.resets) == (answer(asked), 0 if cursor is None else 1)
        await reading


BAD_CURSORS = ("x", "1", ":", "1:", "1:-1", "-1:0", "1:2:3", "1:99999999999999999999", "99999999999:0", "' or 1=1 --")


async def _comes_with_a_bad_cursor(fleet: Fleet, case: Case) -> None:
    with case(5):
        reader = await Reader.arrive(fleet)
        await reader.ask(fleet.any, question())
        for cursor in BAD_CURSORS:
            refused = await reader.request("GET", f"/turns/{reader.turn_id}/stream", headers={"Last-Event-ID": cursor})
            assert (refused.status_code, refused.json().get("code")) == (400, "bad_last_event_id"), cursor
            assert "or 1=1" not in refused.text


async def _comes_with_a_cursor_of_an_older_attempt(fleet: Fleet, case: Case) -> None:
    with case(6):
        first = await Reader.arrive(fleet)
        await first.ask(fleet.any, asked := question(tokens=40, fault="cut@10"))
        again = first.again()
        again.turn = first.turn
        await again.retry(fleet.any, 1)
        assert again.text == answer(asked, 2)
        for worker in fleet.workers:
            reader = first.again()
            reader.turn, reader.attempt, reader.text, reader.cursor = first.turn, 1, first.text, first.cursor
            await reader.rejoin(worker)
            assert (reader.text, reader.resets, reader.attempt) == (answer(asked, 2), 1, 2)


async def _asks_for_a_turn_of_another(fleet: Fleet, case: Case) -> None:
    with case(9):
        owner, reading = await asking(fleet, fleet.any, asked := question(tokens=200))
        stranger = await Reader.arrive(fleet)
        for turn_id in (owner.turn_id, "019abf42-0000-7000-8000-000000000000"):
            for method, path, body in (
                ("GET", "", None),
                ("GET", "/stream", None),
                ("POST", "/stop", None),
                ("POST", "/retry", {"attempt": 1}),
            ):
                for worker in fleet.workers:
                    refused = await stranger.request(method, f"/turns/{turn_id}{path}", worker, json=body)
                    told = refused.json()
                    assert (refused.status_code, told["code"], told["detail"]) == (
                        404,
                        "turn_unknown",
                        "There is no such turn.",
                    )
        await reading
        assert owner.text == answer(asked)


async def _looks_without_asking(fleet: Fleet, case: Case) -> None:
    with case(10):
        reader = await Reader.arrive(fleet)
        await reader.ask(fleet.any, question())
        for path in ("/chat/stream", f"/turns/{reader.turn_id}/stream"):
            preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
            seen = [
                await reader.request("HEAD", path),
                await reader.request("OPTIONS", path),
                await reader.request("OPTIONS", path, headers=preflight),
            ]
            assert all(look.status_code in (200, 204, 405) for look in seen)
            assert not any("event:" in look.text for look in seen)
            assert seen[2].status_code == 200
        listed = (await reader.request("GET", "/threads")).json()["data"]
        assert len(listed) == 1


async def _waits_for_a_slow_model(fleet: Fleet, case: Case) -> None:
    with case(13) as note:
        reader = await Reader.arrive(fleet)
        await reader.ask(fleet.any, asked := question(tokens=4, pace=2))
        assert LEASE < 4 * 2
        assert (reader.text, reader.attempt) == (answer(asked), 1)
        assert reader.pings >= 2
        note(f"{reader.pings} pings")


async def _twenty_come_and_go(fleet: Fleet, case: Case) -> None:
    with case(2) as note:
        drops = rounds = 0
        while drops < 300:
            rounds += 1
            first = await Reader.arrive(fleet)
            asked, body = question(tokens=500, pace=0.01), {"client_message_id": client_message_id()}
            readers = [first.again() for _ in range(20)]
            await asyncio.gather(*(_comes_and_goes(reader, asked, body) for reader in readers))
            assert {reader.turn_id for reader in readers} == {readers[0].turn_id}
            assert await fleet.stored(readers[0].turn_id) == ("completed", answer(asked))
            assert {reader.text for reader in readers} == {answer(asked)}
            drops += sum(reader.drops for reader in readers)
        note(f"{drops} leaves in {rounds} turns")


async def _comes_and_goes(reader: Reader, asked: str, body: dict[str, str]) -> None:
    while not reader.turn:  # who leaves before the first event asks again, and joins
        await reader.ask(reader.fleet.any, asked, leave=random.uniform(0.05, 0.6), **body)
    await reader.to_the_end(leave=0.6)


@only_whole
async def test_two_hundred_readers_elsewhere_cost_the_database_what_one_costs(fleet: Fleet, case: Case) -> None:
    with case(12) as note:
        one = await _reads_of_readers(fleet, 1)
        many = await _reads_of_readers(fleet, 200)
        assert many <= 200 + 5 * one, (one, many)  # each may look once when it comes
        note(f"{many} reads of its deltas")


async def _reads_of_readers(fleet: Fleet, count: int) -> int:
    """Have `count` readers follow a turn of one worker on the other; return how often its deltas were looked at."""
    here, there = fleet.workers
    reader, reading = await asking(fleet, here, asked := question(tokens=300, pace=0.02))
    readers = [reader.again() for _ in range(count)]
    before = await _scans(fleet)
    for each in readers:
        each.turn = reader.turn
    await asyncio.gather(*(each.to_the_end(there) for each in readers))
    await reading
    assert {each.text for each in readers} == {answer(asked)}
    return await _scans(fleet) - before


async def _scans(fleet: Fleet) -> int:
    """Return how often `turn_deltas` was scanned; Postgres' backends report within a second of going idle."""
    await asyncio.sleep(1.5)
    (row,) = await fleet.sql(
        "select seq_scan + idx_scan as scans from pg_stat_user_tables where relname = 'turn_deltas'"
    )
    return row["scans"]


@only_whole
async def test_a_reader_who_reads_nothing_disturbs_nobody(fleet: Fleet, case: Case) -> None:
    with case(8):
        worker = fleet.workers[0]
        reader, reading = await asking(fleet, worker, asked := question(tokens=300, size=800, pace=0.01))
        deaf = await asyncio.to_thread(_connect_and_read_nothing, reader, worker.url)
        other, elsewhere = await asking(fleet, worker, brisk := question(tokens=300, pace=0.01))
        await asyncio.gather(reading, elsewhere)
        assert (reader.text, other.text) == (answer(asked), answer(brisk))
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))
        await asyncio.sleep(QUICK_CLOCKS["server.sse.SEND_TIMEOUT"] + 2)
        received = await asyncio.to_thread(_read_what_is_left, deaf)
        assert b"event: delta" in received and b"event: end" not in received


def _connect_and_read_nothing(reader: Reader, url: str) -> socket.socket:
    """Rejoin a turn over a connection with small segments and buffers, which soon take no more."""
    where = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.connect((where.hostname, where.port))
    connection.sendall(
        f"GET /turns/{reader.turn_id}/stream HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: {reader.headers['Authorization']}\r\n\r\n".encode()
    )
    return connection


def _read_what_is_left(connection: socket.socket) -> bytes:
    """Read until the server's side is closed."""
    with connection:
        connection.settimeout(PATIENCE)
        received = b""
        try:
            while data := connection.recv(1 << 20):
                received += data
        except ConnectionResetError:
            pass
        return received


@only_whole
async def test_behind_nginx_tokens_arrive_one_by_one(fleet: Fleet, case: Case) -> None:
    with case(11) as note, in_front(fleet.workers[0].url) as url:
        headers = await fleet.arrive() | {"Accept-Encoding": "gzip"}
        reads, text = 0, ""
        body = {"message": (asked := question(tokens=40, pace=0.05))}
        async with fleet.http.stream("POST", f"{url}/chat/stream", json=body, headers=headers) as response:
            assert response.status_code == 200
            async for received in response.aiter_text():
                reads += 1
                text += received
        deltas = [json.loads(line[6:])["text"] for line in text.splitlines() if line.startswith('data: {"text"')]
        assert "".join(deltas) == answer(asked)
        assert reads >= 20, f"{reads} reads"
        note(f"{reads} reads of 40 tokens")
