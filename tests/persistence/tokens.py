"""Tokens for sessions whose own one was not kept."""

from uuid import UUID

from persistence.postgres import Database
from persistence.sessions import digest


async def token_for(db: Database, session_id: UUID) -> str:
    """Give the session another token and return it."""
    token = f"token of {session_id}"
    await db.execute("update sessions set token_hash = $2 where id = $1", session_id, digest(token))
    return token
