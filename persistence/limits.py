"""Counts what readers ask for in fixed windows, so that no worker lets more through than all of them may.

A window is a row of `rate_windows`, counted up by the statement that starts a turn or makes a session, or by one of its
own for a search. What it may hold at most is a check of the table: of many questions at once that pass the look before,
those that come too late fail as a whole and leave nothing behind. The rows of one statement are locked in the order of
their charges, what is one reader's first and what all share last, so that no two wait for each other and what all share
is locked the shortest. What all share is spread over several rows (`shards`), each with its part: one would hold every
start up until the commit of the one before it.
"""

from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any, Literal, NamedTuple

import asyncpg

from persistence.postgres import Database, storable

Unit = Literal["turns", "sessions", "searches", "tokens", "cost"]
Whose = Literal["session", "address", "all"]

DAY = 86_400
SHARDS = 8
"""Rows of what all share, at most: `ROOM` writes their numbers out."""


class Charge(NamedTuple):
    """What is to be counted in one window: `amount` of at most `most` in `seconds`, times as they are in UTC.

    `key` names the window and whose it is, but for a session, which the statement that knows it adds.
    """

    key: str
    whose: Whose
    unit: Unit
    seconds: int
    amount: int
    most: int
    shards: int = 1


class Terms(NamedTuple):
    """On which terms a turn may start: what it is charged, and how many turns its address may have running at once.

    `address` is a keyed hash; it is left out where `running` is 0 because nobody counts.
    """

    charges: tuple[Charge, ...] = ()
    address: bytes | None = None
    running: int = 0


UNLIMITED = Terms()


class Limited(Exception):
    """A window is full; it begins anew in `retry_after` seconds."""

    def __init__(self, charge: Charge, seconds: float):
        self.charge = charge
        self.retry_after = max(1, ceil(seconds))
        super().__init__(f"{charge.key} is full for {self.retry_after} s")


class TooManyRunning(Exception):
    """The address has as many turns running as it may."""


class Paused(Exception):
    """The operator lets no new turn start."""


class Pause(NamedTuple):
    """Since when, and for which reason, no new turn may start."""

    since: datetime
    reason: str | None


# The charges of a statement with what is left in their windows. Follows a CTE `known` with the session's id, for those
# that are counted by session; `open` is the row to count in, null where none has room. The row is looked up for each
# charge by itself: of a join, Postgres might make a scan of all windows. `limit 12` and the written out shards tell the
# planner how few rows there are: it took them for 100 times 1,000, and Postgres 15 compiled the plan for seconds (JIT).
ROOM = """
    asked as (
        select charge.*, case whose when 'session' then key || ':' || known.id else key end as name,
               case whose when 'session' then known.id end as session_id,
               to_timestamp(floor(extract(epoch from now()) / seconds) * seconds) as starts_at
        from known, (
            select * from rows from (jsonb_to_recordset({charges}) as (
                key text, whose text, unit text, seconds bigint, amount bigint, most bigint, shards int
            )) with ordinality as charge (key, whose, unit, seconds, amount, most, shards, nth)
            limit 12
        ) charge
    ), room as materialized (
        select asked.*, (
            select row_key
            from unnest('{{1,2,3,4,5,6,7,8}}'::int[]) shard
            cross join lateral (select case shards when 1 then name else name || ':' || shard end as row_key) r
            where shard <= shards and amount + coalesce((select used from rate_windows w
                                     where w.key = row_key and w.starts_at = asked.starts_at), 0) <= most / shards
            order by random()
            limit 1) as open
        from asked
    )"""

CHARGED = """
    charged as (
        insert into rate_windows (key, starts_at, session_id, used, most)
        select room.open, room.starts_at, room.session_id, room.amount, room.most / room.shards
        from {claimed}, room
        order by room.nth
        on conflict (key, starts_at)
        do update set used = rate_windows.used + excluded.used, most = excluded.most
    )"""
"""Counts in every window of `room` once a row of `{claimed}` says that it is due."""


def as_rows(charges: Sequence[Charge]) -> list[dict[str, Any]]:
    """Return charges as the statements take them."""
    return [charge._asdict() for charge in charges]


def broke(error: asyncpg.IntegrityConstraintViolationError, constraint: str) -> bool:
    """Tell whether a statement failed for this constraint."""
    return getattr(error, "constraint_name", None) == constraint


def pass_if_others_were_faster(error: asyncpg.CheckViolationError) -> None:
    """Pass over the check that a window holds no more than it may; the next look will find it full."""
    if not broke(error, "rate_windows_within"):
        raise error


_CHARGE = f"""
    with known as (
        select null::uuid as id
    ), {ROOM.format(charges="$1::jsonb")}, free as (
        select where not exists (select from room where open is null)
    ), {CHARGED.format(claimed="free")}
    select nth, extract(epoch from starts_at + make_interval(secs => seconds) - now()) as wait
    from room
    where open is null
    order by wait desc
    limit 1"""  # noqa: S608 - put together from constants


class Limits:
    """Counts searches, keeps new turns from starting in all workers, and lets them start again."""

    def __init__(self, db: Database):
        self._db = db

    async def charge(self, charges: Sequence[Charge]) -> None:
        """Count in the windows of what is no turn and no session; no charge may be a session's.

        Raises Limited when one of them is full; then nothing is counted.
        """
        while True:
            try:
                full = await self._db.fetchrow(_CHARGE, as_rows(charges))
            except asyncpg.CheckViolationError as error:
                pass_if_others_were_faster(error)
                continue
            if full:
                raise Limited(charges[full["nth"] - 1], full["wait"])
            return

    async def pause(self, reason: str | None = None) -> Pause:
        """Let no new turn start, in any worker, from now on; what runs goes on. Paused again, the reason is new."""
        row = await self._db.fetchrow(
            """
            insert into pause (reason) values ($1)
            on conflict (one) do update set reason = excluded.reason
            returning since, reason
            """,
            reason and storable(reason),
            idempotent=True,
        )
        return Pause(**dict(row or {}))

    async def resume(self) -> Pause | None:
        """Let turns start again; return the pause that ended, None when there was none."""
        row = await self._db.fetchrow("delete from pause returning since, reason")
        return Pause(**dict(row)) if row else None

    async def paused(self) -> Pause | None:
        """Return the pause, if there is one."""
        row = await self._db.fetchrow("select since, reason from pause", idempotent=True)
        return Pause(**dict(row)) if row else None
