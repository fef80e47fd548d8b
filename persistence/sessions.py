"""Keeps readers' sessions: a token opens one, and erasing it erases everything below."""

import hashlib
import json
import secrets
from datetime import datetime
from typing import Any
from uuid import UUID

from graph.types import Frozen
from persistence.ids import new_id
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


VALID = "revoked_at is null and last_seen_at > now() - interval '30 days'"
"""Of a row of sessions: its token opens something."""

SEEN = """
    update sessions set last_seen_at = now()
    from known
    where sessions.id = known.id and known.last_seen_at < now() - interval '1 hour'
    returning sessions.last_seen_at
"""
"""Notes that the session `known` was seen, at most once an hour, so that reading causes no writes."""


class Sessions:
    """Creates, recognises, exports and erases sessions."""

    def __init__(self, db: Database):
        self._db = db

    async def create(self, *, user_key: str | None = None) -> tuple[Session, str]:
        """Return a new session and its token: 256 random bits, of which only the sha256 is stored."""
        token = secrets.token_urlsafe(32)
        row = await self._db.fetchrow(
            """
            insert into sessions (id, token_hash, user_key) values ($1, $2, $3)
            on conflict (id) do update set id = excluded.id
            returning id, user_key, created_at, last_seen_at + interval '30 days' as expires_at
            """,
            new_id(),
            digest(token),
            user_key and storable(user_key),
            idempotent=True,
        )
        return Session.model_validate(dict(row or {})), token

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
