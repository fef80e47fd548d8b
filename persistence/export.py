"""Gives a copy of everything that is stored about a reader, in pieces: it may be long."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from persistence.checkpoints import checkpoint_tables
from persistence.postgres import Database

EXPORTED_AT_ONCE = 50
"""Rows; an answer with all that is known about it takes up to about 100 KB."""

# A statement names its owner $1, the key of the last row that was seen $2, and how many rows are wanted $3.
_THREADS = """
    select id as key, (to_jsonb(t) - 'session_id')::text as item
    from threads t
    where session_id = $1 and ($2::uuid is null or id > $2)
    order by id
    limit $3
"""
_TURNS = """
    select id as key, (to_jsonb(t) - '{session_id,thread_id,request_hash,worker,lease_until,address,slot}'::text[]
        || jsonb_build_object('deltas', (
            select coalesce(jsonb_agg(to_jsonb(d) - 'turn_id' order by attempt, "offset"), '[]')
            from turn_deltas d where d.turn_id = t.id)))::text as item
    from turns t
    where thread_id = $1 and ($2::uuid is null or id > $2)
    order by id
    limit $3
"""
_MESSAGES = """
    select seq as key, (to_jsonb(m) - 'thread_id'
        || jsonb_build_object('feedback', to_jsonb(f) - 'message_id'))::text as item
    from messages m left join feedback f on f.message_id = m.id
    where thread_id = $1 and ($2::integer is null or seq > $2)
    order by seq
    limit $3
"""
# In the order they lie on disk: the tables are LangGraph's, and have no key that is short.
_CHECKPOINTS = """
    select ctid as key, (to_jsonb(c) - 'thread_id')::text as item
    from {table} c
    where thread_id = $1::uuid::text and ($2::tid is null or ctid > $2)
    order by ctid
    limit $3
"""


async def export(db: Database, session_id: UUID) -> AsyncGenerator[str]:
    """Yield everything stored about the reader as the pieces of one JSON object, replaced answers included.

    Nothing grows with the length of the conversations but their number of pieces. Left out are the hash of the
    token, and what a turn notes about the server that ran it. An empty object tells that there is no such session.
    """
    session = await db.fetchval(
        """
        select jsonb_build_object(
            'session', to_jsonb(s) - 'token_hash',
            'rate_windows', (select coalesce(jsonb_agg(to_jsonb(w) - 'session_id' order by key, starts_at), '[]')
                             from rate_windows w where w.session_id = s.id))::text
        from sessions s
        where s.id = $1
        """,
        session_id,
        idempotent=True,
    )
    if session is None:
        yield "{}"
        return
    parts = [("turns", _TURNS), ("messages", _MESSAGES)]
    parts += [(table, _CHECKPOINTS.format(table=table)) for table in await checkpoint_tables(db)]
    yield f'{session[:-1]}, "threads": ['
    separator = ""
    async for thread_id, thread in _pages(db, _THREADS, session_id):
        yield f"{separator}{thread[:-1]}"
        separator = ", "
        for name, sql in parts:
            yield f', "{name}": ['
            between = ""
            async for _, item in _pages(db, sql, thread_id):
                yield f"{between}{item}"
                between = ", "
            yield "]"
        yield "}"
    yield "]}"


async def _pages(db: Database, sql: str, owner: UUID) -> AsyncGenerator[tuple[Any, str]]:
    """Yield the keys and items of one of the statements above."""
    after: Any = None
    while rows := await db.fetch(sql, owner, after, EXPORTED_AT_ONCE, idempotent=True):
        for row in rows:
            yield row["key"], row["item"]
        after = rows[-1]["key"]
