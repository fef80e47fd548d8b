"""What is too old goes, row by row, and nothing else does; turns that run are left alone."""

import asyncio
from collections import Counter
from uuid import UUID

import pytest

from persistence.feedback import Feedback
from persistence.ids import new_id
from persistence.messages import AssistantMetadata
from persistence.postgres import Database
from persistence.retention import Retention
from persistence.sessions import Sessions
from persistence.turns import Beat, Started, ThreadUnknown, Turns
from tests.persistence.asking import ask
from tests.postgres_fixtures import connection_to, somebody_waits_for_a_lock
from tests.postgres_fixtures import own_database as db

__all__ = ["db"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session_id(db: Database) -> UUID:
    return (await Sessions(db).create())[0].id


async def converse(db: Database, session_id: UUID) -> Started:
    """Leave a turn that was answered twice, both answers rated."""
    started = await ask(db, session_id)
    metadata = AssistantMetadata(mode="grounded")
    await Turns(db).finish(started.turn_id, 1, "w", status="completed", content="So.", metadata=metadata)
    await Feedback(db).put(session_id, started.message_id, "down", None, None)
    retried = await Turns(db).retry(session_id, started.turn_id, 1, worker="w")
    assert retried
    await Turns(db).finish(started.turn_id, 2, "w", status="completed", content="So!", metadata=metadata)
    return started


async def age(db: Database, thread_id: UUID, *, opened: int, touched: int) -> None:
    """Have a thread opened, with all its messages written, and last touched so many days ago."""
    days = "now() - make_interval(days => $2)"
    await db.execute(f"update threads set created_at = {days} where id = $1", thread_id, opened)
    await db.execute(f"update threads set updated_at = {days} where id = $1", thread_id, touched)
    await db.execute(f"update messages set created_at = {days} where thread_id = $1", thread_id, opened)


async def prune(db: Database, days: int = 90) -> Counter[str]:
    """Prune to the end, having counted before: the dry run must have told the truth."""
    told = await Retention(db).count(days)
    gone: Counter[str] = Counter()
    async for batch in Retention(db).prune(days):
        gone.update(batch)
    assert told == gone
    return gone


async def rows(db: Database) -> dict[str, int]:
    tables = ("sessions", "threads", "turns", "messages", "turn_deltas", "feedback", "rate_windows")
    return {table: await db.fetchval(f"select count(*) from {table}") for table in tables}


async def test_a_thread_goes_by_its_last_activity_with_all_that_hangs_on_it(db: Database, session_id: UUID) -> None:
    old, kept = await converse(db, session_id), await converse(db, session_id)
    await age(db, old.thread_id, opened=200, touched=91)
    await age(db, kept.thread_id, opened=89, touched=89)
    assert await prune(db) == {"threads": 1, "turns": 1, "messages": 3, "feedback": 1}
    assert await db.fetchval("select array_agg(id) from threads") == [kept.thread_id]
    assert await rows(db) == {
        "sessions": 1, "threads": 1, "turns": 1, "messages": 3, "turn_deltas": 0, "feedback": 1, "rate_windows": 0,
    }  # fmt: skip
    assert await prune(db) == {}


async def test_of_a_thread_that_goes_on_only_replaced_answers_go(db: Database, session_id: UUID) -> None:
    long = await converse(db, session_id)
    await age(db, long.thread_id, opened=200, touched=1)
    assert await prune(db) == {"messages": 1, "feedback": 1}
    assert {row["status"] for row in await db.fetch("select status from messages")} == {"completed"}


async def test_sessions_go_when_they_are_closed_and_empty(db: Database, session_id: UUID) -> None:
    expired, revoked, expired_with_a_thread = [(await Sessions(db).create())[0].id for _ in range(3)]
    await converse(db, expired_with_a_thread)
    for session in (expired, expired_with_a_thread):
        await db.execute("update sessions set last_seen_at = now() - interval '30 days' where id = $1", session)
    await db.execute("update sessions set revoked_at = now() where id = $1", revoked)
    assert await prune(db) == {"sessions": 2}
    assert {row["id"] for row in await db.fetch("select id from sessions")} == {session_id, expired_with_a_thread}
    await db.execute("update threads set created_at = '2020-01-01', updated_at = '2020-01-01'")
    assert (await prune(db))["sessions"] == 1


async def test_limits_that_are_over_go(db: Database, session_id: UUID) -> None:
    await db.execute(
        """
        insert into rate_windows (key, starts_at, session_id)
        values ('old', now() - interval '26 hours', $1), ('of nobody', now() - interval '26 hours', null),
               ('of a day', now() - interval '24 hours', null), ('new', now(), $1)
        """,
        session_id,
    )
    assert await prune(db) == {"rate_windows": 2}
    assert await db.fetchval("select array_agg(key order by key) from rate_windows") == ["new", "of a day"]


async def test_limits_that_are_over_go_by_themselves(db: Database, session_id: UUID) -> None:
    await age(db, (await converse(db, session_id)).thread_id, opened=200, touched=200)
    await db.execute("insert into rate_windows (key, starts_at) values ('old', now() - interval '26 hours')")
    assert [batch async for batch in Retention(db).prune(0)] == [{"rate_windows": 1}]
    assert await db.fetchval("select count(*) from threads") == 1


async def test_a_turn_that_runs_is_left_whatever_its_age(db: Database, session_id: UUID) -> None:
    running, dead = await ask(db, session_id), await ask(db, session_id)
    for each in (running, dead):
        await Turns(db).renew("w", [Beat(each.turn_id, 1, 0, "An ")])
        await age(db, each.thread_id, opened=200, touched=200)
    await db.execute("update turns set lease_until = now() - interval '1 s' where id = $1", dead.turn_id)
    assert await prune(db) == {"threads": 1, "turns": 1, "messages": 2, "turn_deltas": 1}
    assert await db.fetchval("select id from turns") == running.turn_id


async def test_a_question_in_a_thread_that_is_being_deleted_finds_none(db: Database, session_id: UUID) -> None:
    old = await converse(db, session_id)
    await age(db, old.thread_id, opened=200, touched=200)
    async with connection_to(db.url) as deleting, deleting.transaction():
        await deleting.execute("delete from threads where id = $1", old.thread_id)
        asking = asyncio.create_task(ask(db, session_id, thread_id=old.thread_id))
        await somebody_waits_for_a_lock(db)
    with pytest.raises(ThreadUnknown):
        await asking


async def test_a_thread_that_is_being_asked_in_is_not_waited_for(db: Database, session_id: UUID) -> None:
    old = await converse(db, session_id)
    await age(db, old.thread_id, opened=200, touched=200)
    async with connection_to(db.url) as asking, asking.transaction():
        await asking.execute("update threads set updated_at = now() where id = $1", old.thread_id)
        assert [batch async for batch in Retention(db).prune(90)] == []


async def test_more_than_a_batch_goes_in_several(
    db: Database, session_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.retention.THREADS", 2)
    for _ in range(5):
        await age(db, (await converse(db, session_id)).thread_id, opened=100, touched=100)
    batches = [batch async for batch in Retention(db).prune(90)]
    assert [batch.get("threads") for batch in batches] == [2, 2, 1]


async def test_one_worker_an_hour_takes_the_chore_on(db: Database) -> None:
    claims = await asyncio.gather(*(Retention(db).claim() for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]
    await db.execute("update chores set begun_at = now() - interval '61 minutes'")
    claims = await asyncio.gather(*(Retention(db).claim() for _ in range(8)))
    assert sorted(claims) == [False] * 7 + [True]


async def test_checkpoints_of_a_pruned_thread_are_counted_and_gone(db: Database, session_id: UUID) -> None:
    old = await converse(db, session_id)
    await age(db, old.thread_id, opened=200, touched=200)
    await db.execute("create table checkpoints (thread_id text not null, checkpoint jsonb)")
    await db.execute("insert into checkpoints values ($1, '{}'), ($2, '{}')", str(old.thread_id), str(new_id()))
    assert (await prune(db))["checkpoints"] == 1
    assert await db.fetchval("select count(*) from checkpoints") == 1
