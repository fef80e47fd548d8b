"""Questions sent twice and at once, turns stopped and retried from either worker."""

import asyncio
import time
from uuid import uuid4

import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import Fleet
from tests.faults.gears import everywhere, together
from tests.faults.model import answer, question
from tests.faults.reader import PATIENCE, Reader, asking, client_message_id

pytestmark = pytest.mark.anyio


@everywhere
async def test_turns_are_asked_for_once_and_stopped_and_retried_from_anywhere(fleet: Fleet, case: Case) -> None:
    await together(
        _sends_the_same_twenty_times(fleet, case),
        _reuses_an_id(fleet, case),
        _sends_twenty_in_one_thread(fleet, case),
        _loses_the_answer(fleet, case),
        _stops_and_goes_on(fleet, case),
        _stops_what_is_over(fleet, case),
        _deletes_the_thread(fleet, case),
        _retries_too_early_too_late_and_twice(fleet, case),
    )


async def _sends_the_same_twenty_times(fleet: Fleet, case: Case) -> None:
    with case(21):
        first = await Reader.arrive(fleet)
        thread_id = None
        for turns in (1, 2):
            asked, body = question(tokens=100), {"client_message_id": client_message_id()}
            if thread_id:
                body["thread_id"] = thread_id
            readers = [first.again() for _ in range(20)]
            await asyncio.gather(*(each.ask(fleet.workers[n % 2], asked, **body) for n, each in enumerate(readers)))
            assert {(each.status, each.text) for each in readers} == {(200, answer(asked))}
            assert len({each.turn_id for each in readers}) == 1
            thread_id = readers[0].turn["thread_id"]
            (row,) = await fleet.sql(
                """
                select (select count(*) from turns where thread_id = mine.id) as turns,
                       (select count(*) from messages where thread_id = mine.id) as messages,
                       (select count(*) from threads where session_id = mine.session_id and id <> mine.id) as others
                from threads mine
                where mine.id = $1::text::uuid
                """,
                thread_id,
            )
            assert tuple(row) == (turns, 2 * turns, 0)
            assert fleet.model.answered[asked] == 1


async def _reuses_an_id(fleet: Fleet, case: Case) -> None:
    with case(22):
        reader = await Reader.arrive(fleet)
        key = client_message_id()
        await reader.ask(fleet.workers[0], asked := question(), client_message_id=key)
        for worker in fleet.workers:
            other = await reader.again().ask(worker, question(), client_message_id=key)
            assert (other.status, other.problem["code"]) == (409, "client_message_id_reused")
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))
        assert len((await reader.request("GET", "/threads")).json()["data"]) == 1


async def _sends_twenty_in_one_thread(fleet: Fleet, case: Case) -> None:
    with case(23):
        first = await Reader.arrive(fleet)
        thread_id = (await first.request("POST", "/threads", json={})).raise_for_status().json()["id"]
        readers = [(first.again(), question(tokens=300, pace=0.01)) for _ in range(20)]
        await asyncio.gather(
            *(each.ask(fleet.workers[n % 2], asked, thread_id=thread_id) for n, (each, asked) in enumerate(readers))
        )
        ((ran, asked),) = [(each, asked) for each, asked in readers if each.status == 200]
        assert ran.text == answer(asked)
        refused = [(each.status, each.problem) for each, _ in readers if each is not ran]
        told = [(status, problem["code"], problem["turn_id"]) for status, problem in refused]
        assert told == [(409, "turn_running", ran.turn_id)] * 19
        (row,) = await fleet.sql("select count(*) as n from turns where thread_id = $1::text::uuid", thread_id)
        assert row["n"] == 1


async def _loses_the_answer(fleet: Fleet, case: Case) -> None:
    with case(24):
        here, there = fleet.workers
        reader = await Reader.arrive(fleet)
        asked, body = question(tokens=100), {"client_message_id": client_message_id()}
        await reader.ask(here, asked, leave=0.0, **body)
        again = await reader.again().ask(there, asked, **body)
        assert again.text == answer(asked)
        late = await reader.again().ask(here, asked, **body)
        assert (late.text, late.turn_id) == (answer(asked), again.turn_id)
        assert fleet.model.answered[asked] == 1


async def _stops_and_goes_on(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(25) as note, case(27):
        took = []
        for worker in (here, there):
            reader, reading = await asking(fleet, here, asked := question(tokens=2_000, pace=0.01))
            await reader.holds(100)
            began = time.monotonic()
            stopped = await reader.stop(worker)
            took.append(time.monotonic() - began)
            assert (stopped.status_code, stopped.json()["status"]) == (200, "cancelled")
            after = await reader.again().ask(there, following := question(), thread_id=reader.turn["thread_id"])
            assert (after.status, after.text) == (200, answer(following)), after.problem
            await reading
            assert reader.end and reader.end["status"] == "cancelled"
            assert reader.text and answer(asked).startswith(reader.text)
            assert await fleet.stored(reader.turn_id) == ("cancelled", reader.text)
        note(f"the same worker {took[0]:.2f} s, the other {took[1]:.2f} s")


async def _stops_what_is_over(fleet: Fleet, case: Case) -> None:
    with case(26):
        reader = await Reader.arrive(fleet)
        await reader.ask(fleet.any, asked := question())
        for worker in (*fleet.workers, *fleet.workers):
            stopped = await reader.stop(worker)
            assert (stopped.status_code, stopped.json()["status"]) == (200, "completed")
        stranger = await Reader.arrive(fleet)
        stranger.turn = reader.turn
        refused = await stranger.stop(fleet.any)
        assert (refused.status_code, refused.json()["code"]) == (404, "turn_unknown")
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))


async def _deletes_the_thread(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(28):
        reader, reading = await asking(fleet, here, question(tokens=2_000, pace=0.01))
        elsewhere = reader.again()
        elsewhere.turn = reader.turn
        following = asyncio.create_task(elsewhere.rejoin(there))
        await elsewhere.holds(1)
        gone = await reader.request("DELETE", f"/threads/{reader.turn['thread_id']}", there)
        assert gone.status_code == 204
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(reading, following)
        assert reader.end and reader.end["status"] == "cancelled"
        assert elsewhere.end or elsewhere.error
        for table in ("turn_deltas", "messages"):
            left = await fleet.sql(f"select from {table} where turn_id = $1::text::uuid", reader.turn_id)
            assert not left
        assert (await reader.request("GET", f"/turns/{reader.turn_id}")).status_code == 404


async def _retries_too_early_too_late_and_twice(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(45):
        reader, reading = await asking(fleet, here, asked := question(tokens=300, pace=0.01))
        early = reader.again()
        early.turn = reader.turn
        await early.retry(there, 1)
        assert (early.status, early.problem["code"], early.problem["turn_id"]) == (409, "turn_running", reader.turn_id)
        await reading
        twice = [reader.again() for _ in range(6)]
        for each in twice:
            each.turn, each.attempt, each.text, each.cursor = reader.turn, 1, reader.text, reader.cursor
        await asyncio.gather(*(each.retry(fleet.workers[n % 2], 1) for n, each in enumerate(twice)))
        assert {(each.status, each.attempt, each.text) for each in twice} == {(200, 2, answer(asked, 2))}
        assert fleet.model.answered[asked] == 2
        await reader.again().ask(there, question(), thread_id=reader.turn["thread_id"])
        late = reader.again()
        late.turn = reader.turn
        await late.retry(here, 2)
        assert (late.status, late.problem["code"]) == (409, "turn_not_last")
        unknown = reader.again()
        unknown.turn = {"turn_id": str(uuid4())}
        await unknown.retry(here, 1)
        assert (unknown.status, unknown.problem["code"]) == (404, "turn_unknown")
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked, 2))
