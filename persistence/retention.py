"""Deletes what readers wrote once it is too old, and limits that are over: a few rows at a time, beside what runs."""

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta

from persistence.checkpoints import checkpoint_tables
from persistence.postgres import Database
from persistence.sessions import VALID

EVERY = timedelta(hours=1)
"""How often a deployment looks for what is too old, at most, and each of its workers asks for the chore."""

THREADS = 100
ROWS = 2_000
"""How many go at a time: each statement is far from its deadline, and holds few locks for a moment."""

# A thread that runs was touched when its turn began, so that it cannot be old; one that is asked in at this moment is
# locked by that, and left. Whoever asks in one that is being deleted finds that there is no such thread.
# created_at is no later than updated_at, and has an index.
_OLD = """
    select id
    from threads
    where created_at < now() - make_interval(days => $1) and updated_at < now() - make_interval(days => $1)
      and not exists (select from turns where thread_id = threads.id and status = 'running' and lease_until > now())
"""

_BELOW = """
    select (select count(*) from old) as threads,
           (select count(*) from turns where thread_id in (select id from old)) as turns,
           (select count(*) from messages where thread_id in (select id from old)) as messages,
           (select count(*) from turn_deltas d join turns t on t.id = d.turn_id
            where t.thread_id in (select id from old)) as turn_deltas,
           (select count(*) from feedback f join messages m on m.id = f.message_id
            where m.thread_id in (select id from old)) as feedback
"""

# Answers that a later attempt replaced, in threads that go on.
_SUPERSEDED = """
    select m.id
    from messages m join threads t on t.id = m.thread_id
    where m.status = 'superseded' and m.created_at < now() - make_interval(days => $1)
      and t.updated_at >= now() - make_interval(days => $1)
"""

# Sessions whose token opens nothing any more and that have nothing left.
_CLOSED = f"""
    select id from sessions where not ({VALID}) and not exists (select from threads where session_id = sessions.id)
"""  # noqa: S608 - put together from constants

# The longest window is a day, and the hour is for turns that settle what they reserved in it.
_WINDOWS = "select key, starts_at from rate_windows where starts_at < now() - interval '25 hours'"


class Retention:
    """Counts and deletes what is older than so many days."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def claim(self) -> bool:
        """Take the chore on for all workers; false when one of them did within the last hour."""
        claimed = await self._db.fetchval(
            """
            insert into chores (name) values ('prune')
            on conflict (name) do update set begun_at = now()
            where chores.begun_at < now() - $1::interval
            returning true
            """,
            EVERY,
        )
        return claimed is not None

    async def count(self, days: int) -> Counter[str]:
        """Return how many rows of each table `prune` would delete; rows that a session takes along are not counted."""
        checkpoints = await checkpoint_tables(self._db)
        return Counter(
            await self._row(
                f"""
                with old as ({_OLD}), superseded as ({_SUPERSEDED}), below as ({_below(checkpoints)}),
                     closed as (
                         select id
                         from sessions
                         where not ({VALID}) and not exists (
                             select from threads where session_id = sessions.id and id not in (select id from old))
                     )
                select {", ".join(("threads", "turns", "turn_deltas", *checkpoints))},
                       messages + (select count(*) from superseded) as messages,
                       feedback + (select count(*) from feedback f join superseded on id = f.message_id) as feedback,
                       (select count(*) from closed) as sessions,
                       (select count(*) from ({_WINDOWS}) over_by_now) as rate_windows
                from below
                """,  # noqa: S608 - put together from constants
                days,
            )
        )

    async def prune(self, days: int) -> AsyncGenerator[dict[str, int]]:
        """Delete what is older than `days`, yielding after each batch how many rows of each table went.

        Threads by their last activity, with all that hangs on them; replaced answers of those that stay; sessions that
        have expired or were revoked and have no thread left; limits that are over, and nothing else for 0 days. Every
        batch is a statement of its own: a prune that is broken off has done a part of it.
        """
        windows = f"""
            with old as ({_WINDOWS} limit {ROWS} for update skip locked),
                 told as materialized (select count(*) as rate_windows from old),
                 deleted as (delete from rate_windows using old
                             where rate_windows.key = old.key and rate_windows.starts_at = old.starts_at)
            select * from told where $1 >= 0
            """  # noqa: S608 - put together from constants
        below = _below(await checkpoint_tables(self._db))
        conversations = (
            f"""
            with old as ({_OLD} order by created_at limit {THREADS} for update skip locked),
                 told as materialized ({below}),
                 deleted as (delete from threads using old where threads.id = old.id)
            select * from told
            """,  # noqa: S608 - put together from constants
            f"""
            with old as ({_SUPERSEDED} limit {ROWS} for update of m skip locked),
                 told as materialized (select count(*) as messages, count(f.message_id) as feedback
                                       from old left join feedback f on f.message_id = old.id),
                 deleted as (delete from messages using old where messages.id = old.id)
            select * from told
            """,  # noqa: S608 - put together from constants
            f"""
            with old as ({_CLOSED} limit {ROWS} for update skip locked),
                 told as materialized (select count(distinct old.id) as sessions, count(w.key) as rate_windows
                                       from old left join rate_windows w on w.session_id = old.id),
                 deleted as (delete from sessions using old where sessions.id = old.id)
            select * from told where $1 > 0
            """,  # noqa: S608 - put together from constants
        )
        for batch in (*conversations, windows) if days else (windows,):
            while counted := await self._row(batch, days):
                yield counted

    async def _row(self, sql: str, days: int) -> dict[str, int]:
        """Return a row of counts without its zeros."""
        row = await self._db.fetchrow(sql, days)
        return {table: rows for table, rows in row.items() if rows} if row else {}


def _below(checkpoints: list[str]) -> str:
    """Return a statement that counts the threads `old` and what hangs on them."""
    also = "".join(
        f", (select count(*) from {table} where thread_id in (select id::text from old)) as {table}"  # noqa: S608 - names of our own
        for table in checkpoints
    )
    return _BELOW.rstrip() + also
