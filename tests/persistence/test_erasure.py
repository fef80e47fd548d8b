"""Export gives a reader all that is stored of them, and erasure leaves nothing: asked of the catalogue, table by table.

A new table or column fails here until it is said below whose it is, and whether its reader gets a copy.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from persistence.migrate import migrate
from persistence.postgres import Database, open_database
from persistence.sessions import Sessions
from tests.persistence.test_sessions import converse, exported

pytestmark = pytest.mark.anyio

THREADS = "select id from threads where session_id = $1"
OWNED = {
    "sessions": "id = $1",
    "threads": "session_id = $1",
    "turns": "session_id = $1",
    "messages": f"thread_id in ({THREADS})",
    "turn_deltas": f"turn_id in (select id from turns where thread_id in ({THREADS}))",
    "feedback": f"message_id in (select id from messages where thread_id in ({THREADS}))",
    "rate_windows": "session_id = $1",
    "checkpoints": f"thread_id in (select id::text from threads where id in ({THREADS}))",
    "checkpoint_blobs": f"thread_id in (select id::text from threads where id in ({THREADS}))",
    "checkpoint_writes": f"thread_id in (select id::text from threads where id in ({THREADS}))",
}
"""Which rows of a table are a reader's."""

NOBODYS = {
    "schema_migrations": "number name digest applied_at",
    "chores": "name begun_at",
    "pause": "one since reason",
    "checkpoint_migrations": "v",
}
"""Tables without a word of any reader, and their columns."""

GIVEN = {
    "sessions": "id user_key created_at last_seen_at revoked_at metadata",
    "threads": "id title created_at updated_at metadata",
    "turns": "id mode status attempt request cancel_requested client_message_id preface error created_at finished_at"
    " reserved",
    "messages": "id turn_id attempt seq role content status created_at tokens model metadata",
    "turn_deltas": "attempt offset text",
    "feedback": "rating reason note created_at updated_at",
    "rate_windows": "key starts_at used most",
    "checkpoints": "checkpoint_ns checkpoint_id parent_checkpoint_id type checkpoint metadata",
    "checkpoint_blobs": "checkpoint_ns channel version type blob",
    "checkpoint_writes": "checkpoint_ns checkpoint_id task_id task_path idx channel type blob",
}
"""Columns that an export holds."""

KEPT_BACK = {
    "sessions": "token_hash",  # opens the session to whoever could turn it round
    "threads": "session_id",  # told by where it stands in the export, as the next ones are
    # The request itself is given; the rest is of our servers, and of a network while a turn runs.
    "turns": "session_id thread_id request_hash worker lease_until address slot",
    "messages": "thread_id",
    "turn_deltas": "turn_id",
    "feedback": "message_id",
    "rate_windows": "session_id",
    "checkpoints": "thread_id",
    "checkpoint_blobs": "thread_id",
    "checkpoint_writes": "thread_id",
}
"""Columns that it does not."""

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
async def whole_database(empty_database: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A database with our tables and those of LangGraph's checkpointer."""
    await migrate(empty_database)
    async with (
        AsyncPostgresSaver.from_conn_string(empty_database) as checkpointer,
        open_database(empty_database, tmp_path) as db,
    ):
        await checkpointer.setup()
        yield db


async def fill(db: Database) -> UUID:
    """Leave a reader's rows in every table that is theirs, and a value in every column that can have one."""
    session, _ = await Sessions(db).create(user_key="jo")
    await converse(db, session.id)
    await db.execute('update sessions set metadata = \'{"from": "host"}\', revoked_at = null where id = $1', session.id)
    await db.execute('update threads set metadata = \'{"from": "host"}\' where session_id = $1', session.id)
    await db.execute(
        # Nobody runs it any more, so that nobody need be waited for.
        """
        update turns set preface = '{"mode": "grounded"}', error = '{"code": "x"}', reserved = '[]', lease_until = now()
        where session_id = $1
        """,
        session.id,
    )
    await db.execute(
        f"update messages set tokens = 3, model = 'm' where role = 'assistant' and thread_id in ({THREADS})", session.id
    )
    async with AsyncPostgresSaver.from_conn_string(db.url) as checkpointer:
        for row in await db.fetch(THREADS, session.id):
            config: Any = {"configurable": {"thread_id": str(row["id"]), "checkpoint_ns": ""}}
            checkpoint = empty_checkpoint()
            checkpoint["channel_values"] = {"question": ["as asked"]}
            checkpoint["channel_versions"] = {"question": "1"}
            config = await checkpointer.aput(config, checkpoint, {"source": "loop"}, {"question": "1"})
            await checkpointer.aput_writes(config, [("answer", "as written")], "task")
    return session.id


async def rows_of(db: Database, session_id: UUID) -> Rows:
    return {
        table: [
            json.loads(row["row"])
            for row in await db.fetch(f'select to_jsonb(t)::text as row from "{table}" t where {whose}', session_id)
        ]
        for table, whose in OWNED.items()
    }


async def everything(db: Database) -> Rows:
    return {
        table: [json.loads(row["row"]) for row in await db.fetch(f'select to_jsonb(t)::text as row from "{table}" t')]
        for table in (*OWNED, *NOBODYS)
    }


async def test_every_column_of_every_table_was_considered(whole_database: Database) -> None:
    found: dict[str, list[str]] = {}
    for row in await whole_database.fetch(
        """
        select c.table_name, c.column_name
        from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
        where table_schema = current_schema and t.table_type = 'BASE TABLE'
        """
    ):
        found.setdefault(row["table_name"], []).append(row["column_name"])
    considered = {table: f"{GIVEN[table]} {KEPT_BACK[table]}".split() for table in OWNED}
    considered |= {table: columns.split() for table, columns in NOBODYS.items()}
    assert {table: sorted(columns) for table, columns in found.items()} == {
        table: sorted(columns) for table, columns in considered.items()
    }


async def test_an_export_holds_every_row_of_the_reader_and_no_other(whole_database: Database) -> None:
    mine, other = await fill(whole_database), await fill(whole_database)
    rows = await rows_of(whole_database, mine)
    assert all(rows.values()), "a reader left something in every table"
    export = await exported(whole_database, mine)
    threads = export.pop("threads")
    given: Rows = {table: [] for table in OWNED}
    given["sessions"], given["rate_windows"] = [export.pop("session")], export.pop("rate_windows")
    for thread in threads:
        for turn in thread["turns"]:
            given["turn_deltas"] += turn.pop("deltas")
        for message in thread["messages"]:
            given["feedback"] += [kept] if (kept := message.pop("feedback")) else []
        for part in ("turns", "messages", "checkpoints", "checkpoint_blobs", "checkpoint_writes"):
            given[part] += thread.pop(part)
        given["threads"].append(thread)
    expected = {
        table: [{column: row[column] for column in GIVEN[table].split()} for row in found]
        for table, found in rows.items()
    }
    assert {table: _sorted(found) for table, found in given.items()} == {
        table: _sorted(found) for table, found in expected.items()
    }
    assert export == {}
    assert str(other) not in json.dumps([threads, given])


async def test_erasing_one_reader_leaves_nothing_of_theirs_and_all_of_the_other(whole_database: Database) -> None:
    mine, other = await fill(whole_database), await fill(whole_database)
    before = await everything(whole_database)
    rows = await rows_of(whole_database, mine)
    assert all(rows.values()) and all((await rows_of(whole_database, other)).values())
    assert await Sessions(whole_database).erase(mine)
    left = {table: _sorted(row for row in found if row not in rows.get(table, ())) for table, found in before.items()}
    assert {table: _sorted(found) for table, found in (await everything(whole_database)).items()} == left
    assert not await Sessions(whole_database).erase(mine)


async def test_a_deleted_thread_takes_its_checkpoints_along(whole_database: Database) -> None:
    mine = await fill(whole_database)
    count = "select count(*) from checkpoints"
    assert await whole_database.fetchval(count) == 2
    await whole_database.execute(f"delete from threads where id = ({THREADS} limit 1)", mine)
    assert await whole_database.fetchval(count) == 1


async def test_a_long_conversation_is_exported_in_pieces(database: Database) -> None:
    session, _ = await Sessions(database).create()
    await database.execute(
        """
        with thread as (
            insert into threads (id, session_id) select gen_random_uuid(), $1 from generate_series(1, 120) returning id
        ), turn as (
            insert into turns (id, session_id, thread_id, mode, status, request, request_hash, worker, lease_until,
                               finished_at)
            select gen_random_uuid(), $1, min(id::text)::uuid, 'grounded', 'completed', '{}', '', 'w', now(), now()
            from thread
            returning id, thread_id
        )
        insert into messages (id, thread_id, turn_id, attempt, seq, role, content, status, metadata)
        select gen_random_uuid(), thread_id, id, n, n, 'assistant', repeat('word ', 2000), 'completed', '{}'
        from turn, generate_series(1, 130) n
        """,
        session.id,
    )
    pieces = [piece async for piece in Sessions(database).export(session.id)]
    assert max(map(len, pieces)) < 20_000
    export = json.loads("".join(pieces))
    assert len(export["threads"]) == 120
    (busy,) = [thread["messages"] for thread in export["threads"] if thread["messages"]]
    assert [message["seq"] for message in busy] == list(range(1, 131))


def _sorted(rows: Any) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)
