"""Keeps readers' sessions: a token opens one, and erasing it erases everything below."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import Any
from uuid import UUID

import asyncpg

from graph.types import Frozen
from persistence.ids import new_id
from persistence.limits import CHARGED, ROOM, SWEPT, Charge, Limited, as_rows, pass_if_others_were_faster
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
        select $1, $2, $3 where not exists (select from room where open is null)
        on conflict (id) do update set id = excluded.id
        returning id, user_key, created_at, last_seen_at + interval '30 days' as expires_at, xmax = 0 as fresh
    ), fresh as (
        select from made where fresh
    ), {CHARGED.format(claimed="fresh", swept=SWEPT)}
    select made.*, room.nth as full, extract(epoch from starts_at + make_interval(secs => seconds) - now()) as wait
    from (select) one
    left join made on true
    left join room on room.open is null
    order by wait desc
    limit 1"""  # noqa: S608 - put together from constants


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
                raise Limited(charges[row["full"] - 1], max(1, ceil(row["wait"])))
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

    async def erase(self, session_id: UUID) -> None:
        """Delete the session and all that hangs on it: threads, messages, turns, deltas, feedback, limits."""
        await self._db.execute("delete from sessions where id = $1", session_id, idempotent=True)

    async def export(self, session_id: UUID) -> dict[str, Any]:
        """Return everything stored about the reader as plain JSON values, superseded attempts included."""
        text = await self._db.fetchval(
            """
            select jsonb_build_object(
                'session', jsonb_build_object(
                    'id', s.id, 'user_key', s.user_key, 'created_at', s.created_at,
                    'last_seen_at', s.last_seen_at, 'metadata', s.metadata),
                'threads', (
                    select coalesce(jsonb_agg(to_jsonb(t) - 'session_id' || jsonb_build_object('messages', (
                        select coalesce(jsonb_agg(
                            to_jsonb(m) - 'thread_id' || jsonb_build_object('feedback', to_jsonb(f) - 'message_id')
                            order by m.seq), '[]')
                        from messages m left join feedback f on f.message_id = m.id
                        where m.thread_id = t.id)) order by t.id), '[]')
                    from threads t
                    where t.session_id = s.id))::text
            from sessions s
            where s.id = $1
            """,
            session_id,
            idempotent=True,
        )
        return json.loads(text) if text else {}


def digest(token: str) -> bytes:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
