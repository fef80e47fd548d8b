"""Databases and poolers that crash, hang, refuse and slow down while answers are written and read."""

import asyncio
import os
import subprocess
import sys
import time

import asyncpg
import pytest

from tests.faults.conftest import Case
from tests.faults.databases import url
from tests.faults.fleet import Fleet, Worker
from tests.faults.gears import everywhere, only_pooled, only_whole
from tests.faults.model import answer, question
from tests.faults.reader import PATIENCE, Reader, asking

pytestmark = pytest.mark.anyio

ANSWERS_WITHIN = 30.0
"""Seconds within which a refusal comes: the deadline of the workers is 4 s, the rest is for a busy machine."""


@everywhere
async def test_connections_that_are_terminated_are_not_noticed(fleet: Fleet, case: Case) -> None:
    with case(29):
        reader, reading, elsewhere, following, asked = await _asked_and_followed(fleet, tokens=300)
        for _ in range(6):
            await fleet.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.4)
        await _both_read_all(fleet, reader, reading, elsewhere, following, asked)


@everywhere
async def test_an_answer_outlives_a_crash_of_postgres(fleet: Fleet, case: Case) -> None:
    with case(30) as note:
        reader, reading, elsewhere, following, asked = await _asked_and_followed(fleet, tokens=300)
        began = time.monotonic()
        await asyncio.to_thread(fleet.workers[0].server.crash)
        note(f"{time.monotonic() - began:.1f} s to kill and start it")
        await _both_read_all(fleet, reader, reading, elsewhere, following, asked)


@only_pooled
async def test_an_answer_outlives_its_pooler(fleet: Fleet, case: Case) -> None:
    bounce = fleet.pooled.server.bounce
    assert bounce
    with case(31):
        reader, reading, elsewhere, following, asked = await _asked_and_followed(fleet, tokens=300, here=fleet.pooled)
        await asyncio.to_thread(bounce, 1.5)
        await _both_read_all(fleet, reader, reading, elsewhere, following, asked)


@everywhere
async def test_a_silent_network_holds_no_stream_up_and_no_question_for_long(fleet: Fleet, case: Case) -> None:
    here, _ = fleet.workers
    with case(32) as note:
        reader, reading = await asking(fleet, here, asked := question(tokens=700, pace=0.01))
        waiting = await Reader.arrive(fleet)
        here.wire.silent = True
        held = len(reader.text)
        began = time.monotonic()
        await waiting.ask(here, unheard := question())
        took = time.monotonic() - began
        assert (waiting.status, waiting.problem["code"]) == (503, "store_unavailable")
        assert waiting.problem["retry_after"] > 0 and took < ANSWERS_WITHIN
        assert len(reader.text) > held, "the stream of the running turn stood still"
        here.wire.mend()
        here.wire.reset()
        await reading
        await reader.to_the_end()
        assert reader.text == answer(asked)
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))
        assert fleet.model.asked[unheard] == 0
        assert not await fleet.sql("select from turns where request ->> 'message' = $1", unheard)
        note(f"refused after {took:.1f} s")


@everywhere
async def test_dead_connections_are_replaced_before_a_reader_notices(fleet: Fleet, case: Case) -> None:
    with case(33):
        reader = await Reader.arrive(fleet)
        for _ in range(2):
            for worker in fleet.workers:
                await reader.request("GET", "/threads", worker)
                worker.wire.reset()
                await asyncio.sleep(0.1)
                other = await reader.again().ask(worker, asked := question())
                assert (other.status, other.text) == (200, answer(asked))
        (row,) = await fleet.sql(
            "select count(*) as n from turns "
            "where session_id = (select session_id from turns where id = $1::text::uuid)",
            other.turn_id,
        )
        assert row["n"] == 4


@only_whole
async def test_broken_and_slow_wires_are_not_noticed(fleet: Fleet, case: Case) -> None:
    here, there = fleet.workers
    with case(47):
        reader, reading, elsewhere, following, asked = await _asked_and_followed(fleet, tokens=300)
        for cut in (0, 1, 7, 60, 200):
            for worker in fleet.workers:
                worker.wire.cut_after = cut
            await asyncio.sleep(0.4)
        here.wire.mend()
        there.wire.mend()
        await _both_read_all(fleet, reader, reading, elsewhere, following, asked)
    with case(46):
        here.wire.latency = there.wire.latency = 0.2
        reader, reading, elsewhere, following, asked = await _asked_and_followed(fleet, tokens=200)
        await _both_read_all(fleet, reader, reading, elsewhere, following, asked)
        here.wire.mend()
        there.wire.mend()


@everywhere
async def test_a_busy_pool_says_so_in_time(fleet: Fleet, case: Case) -> None:
    worker = fleet.workers[0]
    with case(34) as note:
        reader = await Reader.arrive(fleet)
        holder = await asyncpg.connect(url(fleet.database, fleet.postgres))
        try:
            async with holder.transaction():
                await holder.execute("lock table threads in access exclusive mode")
                began = time.monotonic()
                answers = await asyncio.gather(*(reader.request("GET", "/threads", worker) for _ in range(40)))
                took = time.monotonic() - began
        finally:
            await holder.close()
        assert {each.status_code for each in answers} == {503}
        assert all(int(each.headers["retry-after"]) > 0 for each in answers)
        codes = [each.json()["code"] for each in answers]
        assert set(codes) == {"overloaded", "store_unavailable"} and took < ANSWERS_WITHIN
        assert (await reader.request("GET", "/threads", worker)).status_code == 200
        note(f"{codes.count('overloaded')} of 40 refused as overloaded, all within {took:.1f} s")


@everywhere
async def test_a_database_that_takes_no_writes_is_told(fleet: Fleet, case: Case) -> None:
    with case(35):
        reader = await Reader.arrive(fleet)
        await _read_only(fleet, True)
        try:
            refused = await reader.again().ask(fleet.any, asked := question())
            assert (refused.status, refused.problem["code"]) == (503, "store_unavailable"), refused.problem
        finally:
            await _read_only(fleet, False)
        assert fleet.model.asked[asked] == 0
        again = await reader.again().ask(fleet.any, asked)
        assert (again.status, again.text) == (200, answer(asked))


async def _read_only(fleet: Fleet, read_only: bool) -> None:
    """Have every new transaction refuse writes, or take them again; both on connections that are new too."""
    setting = "on" if read_only else "off"
    connection = await asyncpg.connect(url("postgres", fleet.postgres))
    await connection.execute(f"alter database {fleet.database} set default_transaction_read_only = {setting}")
    await connection.execute(
        f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{fleet.database}'"
    )
    await connection.close()
    await asyncio.sleep(0.2)


@only_whole
async def test_a_worker_does_not_start_on_a_schema_it_does_not_know(fleet: Fleet, case: Case) -> None:
    with case(36):
        for change, undo, told in (
            (
                "insert into schema_migrations (number, name, digest) values (9999, '9999_later.sql', 'none')",
                "delete from schema_migrations where number = 9999",
                "newer than this code",
            ),
            (
                "update schema_migrations set number = number + 5000 where number = 1",
                "update schema_migrations set number = number - 5000 where number > 5000",
                "newer than this code",
            ),
            (
                "alter table schema_migrations rename to set_aside",
                "alter table set_aside rename to schema_migrations",
                "0001_initial.sql",
            ),
        ):
            await fleet.sql(change)
            try:
                code, said = await asyncio.to_thread(_start, fleet)
            finally:
                await fleet.sql(undo)
            assert code == 1 and told in said, said


def _start(fleet: Fleet) -> tuple[int, str]:
    """Start a third worker, which ends; return its exit code and what it said."""
    variables = {**os.environ, **fleet.workers[0].variables}
    with_data = variables | {"CITESIDE_DATA_DIR": str(fleet.workers[0].data_dir.parent / "third")}
    words = [sys.executable, "-m", "server.cli", "serve", "--port", "0"]
    done = subprocess.run(words, env=with_data, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stderr


async def _asked_and_followed(
    fleet: Fleet, tokens: int, here: Worker | None = None
) -> tuple[Reader, asyncio.Task[Reader], Reader, asyncio.Task[Reader], str]:
    """Have a turn run on one worker, read there and on the other."""
    here = here or fleet.workers[0]
    there = fleet.other(here)
    reader, reading = await asking(fleet, here, asked := question(tokens=tokens, pace=0.01))
    elsewhere = reader.again()
    elsewhere.turn = reader.turn
    following = asyncio.create_task(elsewhere.to_the_end(there))
    await elsewhere.holds(1)
    return reader, reading, elsewhere, following, asked


async def _both_read_all(
    fleet: Fleet,
    reader: Reader,
    reading: asyncio.Task[Reader],
    elsewhere: Reader,
    following: asyncio.Task[Reader],
    asked: str,
) -> None:
    """Wait for both readers; whoever reads where the turn runs was not even sent away."""
    await asyncio.gather(reading, following)
    assert (reader.text, reader.attempt, reader.end and reader.end["status"]) == (answer(asked), 1, "completed")
    assert (elsewhere.text, elsewhere.resets) == (answer(asked), 0)
    assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))
