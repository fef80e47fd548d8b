"""Keeps what readers think of answers."""

from typing import Literal
from uuid import UUID

from persistence.postgres import Database, storable


class Feedback:
    """Takes one opinion a message."""

    def __init__(self, db: Database):
        self._db = db

    async def put(
        self, session_id: UUID, message_id: UUID, rating: Literal["up", "down"], reason: str | None, note: str | None
    ) -> bool:
        """Keep the reader's opinion of an answer in place of an earlier one; false when there is no such answer."""
        stored = await self._db.fetchval(
            """
            insert into feedback (message_id, rating, reason, note)
            select m.id, $3, $4, $5
            from messages m join threads t on t.id = m.thread_id
            where t.session_id = $1 and m.id = $2 and m.role = 'assistant'
            on conflict (message_id) do update
            set rating = excluded.rating, reason = excluded.reason, note = excluded.note, updated_at = now()
            returning message_id
            """,
            session_id,
            message_id,
            rating,
            reason and storable(reason),
            note and storable(note),
            idempotent=True,
        )
        return stored is not None
