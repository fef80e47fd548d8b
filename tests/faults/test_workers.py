"""Workers that are killed, frozen, stopped and stopped again while they answer."""

import asyncio
import signal
import time

import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import DRAIN, LEASE, REAL_LEASE, Fleet
from tests.faults.gears import everywhere, only_whole
from tests.faults.model import answer, question
from tests.faults.reader import asking

pytestmark = pytest.mark.anyio

GRACE = 20.0
"""Seconds allowed beyond what a case must take, on a machine that has other things to do."""


@everywhere
async def test_a_worker_that_stands_still_for_a_moment_goes_on(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(20):
        reader, reading = await asking(fleet, here, asked := question(tokens=200, pace=0.01))
        other = reader.again()
        other.turn = reader.turn
        following = asyncio.create_task(other.to_the_end(there))
        here.signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE / 2)
        here.signal(signal.SIGCONT)
        await asyncio.gather(reading, following)
        assert (reader.text, other.text) == (answer(asked), answer(asked))
        assert (reader.attempt, reader.resets, other.resets) == (1, 0, 0)


@everywhere
async def test_a_worker_that_slept_past_its_lease_writes_nothing(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(16) as note:
        reader, reading = await asking(fleet, here, asked := question(tokens=150, pace=0.02))
        await reader.holds(100)
        here.signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE + 1)
        second = reader.again()
        second.turn = reader.turn
        await second.to_the_end(there)
        assert second.end and second.end["status"] == "interrupted"
        retrying = asyncio.create_task(second.retry(there, 1))
        await second.comes_to(2)
        here.signal(signal.SIGCONT)
        await asyncio.gather(reading, retrying)
        await reader.to_the_end(here)
        assert (second.text, second.attempt) == (answer(asked, 2), 2)
        assert (reader.text, reader.attempt, reader.resets) == (answer(asked, 2), 2, 1), reader.end
        rows = await fleet.sql(
            "select attempt, status, content from messages where turn_id = $1::text::uuid and role = 'assistant' "
            "order by attempt",
            reader.turn_id,
        )
        (_, superseded, partial), whole = map(tuple, rows)
        assert superseded == "superseded" and answer(asked).startswith(partial)
        assert whole == (2, "completed", answer(asked, 2))
        note(f"{len(partial)} characters of attempt 1 are kept")


@everywhere
async def test_a_killed_worker_leaves_an_answer_that_can_be_retried_elsewhere(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(14) as note:
        reader, reading = await asking(fleet, here, asked := question(tokens=400, pace=0.01))
        await reader.holds(400)
        here.kill()
        killed = time.monotonic()
        await reading
        assert reader.broken and reader.end is None
        seen = reader.text
        assert answer(asked).startswith(seen)
        await reader.to_the_end(there)
        waited = time.monotonic() - killed
        assert reader.end and (reader.end["status"], reader.end["code"]) == ("interrupted", "interrupted")
        assert waited < LEASE + GRACE
        note(f"after {waited:.1f} s of a lease of {LEASE:.0f}")
    with case(7) as note:
        assert await fleet.stored(reader.turn_id) == ("interrupted", reader.text)
        assert seen.startswith(reader.text) and reader.text
        note(f"{len(seen) - len(reader.text)} of {len(seen)} characters cut back")
    with case(15):
        await reader.retry(there, 1)
        assert (reader.attempt, reader.resets) == (2, 1)
        assert reader.text == answer(asked, 2)
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked, 2))
        kept = await fleet.sql(
            "select attempt, status from messages where turn_id = $1::text::uuid and role = 'assistant' order by 1",
            reader.turn_id,
        )
        assert [tuple(row) for row in kept] == [(1, "superseded"), (2, "completed")]
        listed = (await reader.request("GET", f"/threads/{reader.turn['thread_id']}/messages", there)).json()["data"]
        assert [(each["role"], each["attempt"]) for each in listed] == [("user", 1), ("assistant", 2)]


@everywhere
async def test_a_worker_that_stops_lets_its_turns_end_and_keeps_what_takes_too_long(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    short, reading = await asking(fleet, here, asked := question(tokens=150, pace=0.01))
    long, listening = await asking(fleet, here, endless := question(tokens=3_000, pace=0.01))
    here.signal(signal.SIGTERM)
    stopped = time.monotonic()
    with case(17):
        await asyncio.sleep(0.5)
        late = short.again()
        await late.ask(here, question())
        assert late.broken or late.status == 503, "a worker that stops took a question"
        await reading
        assert short.end and short.end["status"] == "completed", "the stream was cut before the drain was over"
        assert short.text == answer(asked)
        assert await fleet.stored(short.turn_id) == ("completed", answer(asked))
    with case(18) as note:
        await listening
        assert long.end and (long.end["status"], long.end["code"]) == ("interrupted", "interrupted")
        assert long.names[-2:] == ["message", "end"]
        assert long.text and answer(endless).startswith(long.text)
        assert await fleet.stored(long.turn_id) == ("interrupted", long.text)
        again = long.again()
        again.turn = long.turn
        await again.to_the_end(there)
        assert (again.text, again.end) == (long.text, long.end)
        await here.ended()
        took = time.monotonic() - stopped
        assert took < DRAIN + GRACE
        note(f"ended after {took:.1f} s of a drain of {DRAIN:.0f}")


@only_whole
async def test_a_second_signal_ends_a_worker_and_no_answer(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(19):
        reader, reading = await asking(fleet, here, asked := question(tokens=3_000, pace=0.01))
        here.signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        here.signal(signal.SIGTERM)
        await here.ended()
        await reading
        await reader.to_the_end(there)
        assert reader.end and reader.end["status"] == "interrupted"
        assert reader.text and answer(asked).startswith(reader.text)
        assert await fleet.stored(reader.turn_id) == ("interrupted", reader.text)


@only_whole
async def test_with_the_real_lease_an_answer_is_given_up_in_its_time(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(44) as note, fleet.clocks(REAL_LEASE, *fleet.workers):
        await asyncio.to_thread(fleet.mend)
        reader, reading = await asking(fleet, here, asked := question(tokens=2_000, pace=0.01))
        await reader.holds(200)
        here.kill()
        killed = time.monotonic()
        await reading
        await reader.to_the_end(there)
        waited = time.monotonic() - killed
        assert reader.end and reader.end["status"] == "interrupted"
        assert answer(asked).startswith(reader.text)
        assert waited < 15 + GRACE
        note(f"after {waited:.1f} s")
