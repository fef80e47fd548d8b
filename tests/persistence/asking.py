"""Begins turns for tests that are about what comes of them."""

from typing import Any
from uuid import UUID

from persistence.messages import UserMetadata
from persistence.postgres import Database
from persistence.sessions import digest
from persistence.turns import Started, TurnIds, Turns


async def ask(
    db: Database, session_id: UUID, question: str = "Why?", *, thread_id: UUID | None = None, **changed: Any
) -> Started:
    """Begin a turn on the worker `w`, in a new thread when none is named; the session is given another token."""
    token = f"token of {session_id}"
    await db.execute("update sessions set token_hash = $2 where id = $1", session_id, digest(token))
    arguments: dict[str, Any] = {
        "session_id": None,
        "client_message_id": None,
        "mode": "grounded",
        "request": {"message": question},
        "request_hash": b"",
        "worker": "w",
        "content": question,
        "metadata": UserMetadata(),
    }
    started = await Turns(db).start(token, TurnIds.new(thread_id), **(arguments | changed))
    assert isinstance(started, Started)
    return started
