"""Keeps readers' sessions: a token opens one, and erasing it erases everything below."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from graph.types import Frozen
from persistence.export import export
from persistence.ids import new_id
from persistence.limits import CHARGED, ROOM, Charge, Limited, as_rows, pass_if_others_were_faster
from persistence.postgres import Database, storable


class Session(Frozen):
    """One reader's browser; it expires 30 days after it was last seen."""

    id: UUID
    user_key: str | None
    created_at: datetime
    expires_at: datetime


VALID = "revoked_at is null and last_seen_at > now() - interval '30 days'"
"""Of a row of sessions: its token opens something."""

SEEN = """
    update sessions set last_seen_at = now()
    from known
    where sessions.id = known.id and known.last_seen_at < now() - interval '1 hour'
    returning sessions.last_seen_at
"""
"""Notes that the session `known` was seen, at most once an hour, so that reading causes no writes."""


# `made` is found again, and not charged again, when this is sent twice.
_CREATE = f"""
    with known as (
        select $1::uuid as id
    ), {ROOM.format(charges="$4::jsonb")}, made as (
        insert into sessions (id, token_hash, user_key)
        select $1, $2, $3
        where not exists (select from room where open is null) or exists (select from sessions where id = $1)
        on conflict (id) do update set id = excluded.id
        returning id, user_key, created_at, last_seen_at + interval '30 days' as expires_at, xmax = 0 as fresh
    ), fresh as (
        select from made where fresh
    ), {CHARGED.format(claimed="fresh")}
    select made.*, room.nth as full, extract(epoch from starts_at + make_interval(secs => seconds) - now()) as wait
    from (select) one
    left join made on true
    left join room on room.open is null
    order by wait desc
    limit 1"""  # noqa: S608 - put together from constants

STOP_S = 3.0
"""Given to turns that run when their session is erased: a worker hears of it within half a second."""

ERASED_AT_ONCE = 100
"""Threads; a statement is far from its deadline then."""


class Sessions:
    """Creates, recognises, exports and erases sessions."""

    def __init__(self, db: Database):
        self._db = db

    async def create(self, *, user_key: str | None = None, charges: Sequence[Charge] = ()) -> tuple[Session, str]:
        """Return a new session and its token: 256 random bits, of which only the sha256 is stored.

        Raises Limited when one of the charges finds its window full; then there is no session and nothing is counted.
        """
        session_id, token = new_id(), secrets.token_urlsafe(32)
        while True:
            try:
                row = await self._db.fetchrow(
                    _CREATE,
                    session_id,
                    digest(token),
                    user_key and storable(user_key),
                    as_rows(charges),
                    idempotent=True,
                )
            except asyncpg.CheckViolationError as error:
                pass_if_others_were_faster(error)
                continue
            assert row
            if row["id"] is None:
                raise Limited(charges[row["full"] - 1], row["wait"])
            fields = {name: row[name] for name in Session.model_fields}
            return Session.model_validate(fields), token

    async def authenticate(self, token: str) -> Session | None:
        """Return the session of a token, noting that it was seen; None when it is unknown, expired or revoked."""
        row = await self._db.fetchrow(
            f"""
            with known as (
                select id, user_key, created_at, last_seen_at from sessions where token_hash = $1 and {VALID}
            ), seen as ({SEEN})
            select id, user_key, created_at,
                   coalesce((select last_seen_at from seen), last_seen_at) + interval '30 days' as expires_at
            from known
            """,  # noqa: S608 - put together from constants
            digest(token),
            idempotent=True,
        )
        return Session.model_validate(dict(row)) if row else None

    async def revoke(self, session_id: UUID) -> bool:
        """Close a session for good and keep what was said in it; false when there is none that was open."""
        done = await self._db.execute(
            f"update sessions set revoked_at = now() where id = $1 and {VALID}",  # noqa: S608 - a constant
            session_id,
        )
        return done == "UPDATE 1"

    async def exists(self, session_id: UUID) -> bool:
        """Tell whether there is such a session, expired or revoked ones included."""
        return await self._db.fetchval(
            "select exists (select from sessions where id = $1)", session_id, idempotent=True
        )

    async def of_user(self, user_key: str) -> list[UUID]:
        """Return the sessions that a host site opened for its user, the oldest first."""
        rows = await self._db.fetch(
            "select id from sessions where user_key = $1 order by id", storable(user_key), idempotent=True
        )
        return [row["id"] for row in rows]

    async def erase(self, session_id: UUID) -> bool:
        """Stop the session's turns, then delete it and all that hangs on it; false when there is no such session.

        That is threads, messages, turns, deltas, feedback, limits, and what a LangGraph checkpointer kept. Threads go
        some at a time, and the session last: whoever is interrupted can send this again.
        """
        await self._stop_turns(session_id)
        while await self._db.fetchval(
            """
            with few as (select id from threads where session_id = $1 limit $2),
                 gone as (delete from threads using few where threads.id = few.id returning 1)
            select count(*) from gone
            """,
            session_id,
            ERASED_AT_ONCE,
            idempotent=True,
        ):
            pass
        erased = await self._db.fetchval("delete from sessions where id = $1 returning id", session_id, idempotent=True)
        return erased is not None

    async def _stop_turns(self, session_id: UUID) -> None:
        """Ask whoever runs a turn of the session to stop, and wait for it, for a while."""
        give_up = time.monotonic() + STOP_S
        while await self._db.fetchval(
            """
            with asked as (
                update turns set cancel_requested = true
                where session_id = $1 and status = 'running' and lease_until > now()
                returning 1
            )
            select count(*) from asked
            """,
            session_id,
            idempotent=True,
        ):
            if time.monotonic() > give_up:  # it finds its rows gone with the next word it wants to store
                return
            await asyncio.sleep(0.1)

    def export(self, session_id: UUID) -> AsyncGenerator[str]:
        """Return everything stored about the reader, piece by piece: see `persistence.export`."""
        return export(self._db, session_id)


def digest(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
