"""Reads a stored turn for whoever runs the server, to make a case for evaluation of it."""

from typing import Literal, NamedTuple
from uuid import UUID

from persistence.messages import AssistantMetadata
from persistence.postgres import Database


class ReportedTurn(NamedTuple):
    """A turn with its answer, what the reader thought of that, and the answered questions before it in its thread."""

    request: dict[str, object]
    earlier: tuple[str, ...]
    answer: AssistantMetadata
    rating: Literal["up", "down"] | None


async def reported_turn(db: Database, turn_id: UUID) -> ReportedTurn | None:
    """Return a turn of whatever session; readers have no way to call this. None when there is none that ended."""
    row = await db.fetchrow(
        """
        select t.request, m.metadata, f.rating, array(
            select q.content from messages q join turns before on before.id = q.turn_id
            where q.thread_id = t.thread_id and q.role = 'user' and q.seq < m.seq and q.turn_id <> t.id
              and before.mode = t.mode and before.status = 'completed'
            order by q.seq
        ) as earlier
        from turns t
        join messages m on m.turn_id = t.id and m.role = 'assistant' and m.attempt = t.attempt
        left join feedback f on f.message_id = m.id
        where t.id = $1 and t.status <> 'running'
        """,
        turn_id,
        idempotent=True,
    )
    if row is None:
        return None
    answer = AssistantMetadata.model_validate(row["metadata"])
    return ReportedTurn(row["request"], tuple(row["earlier"]), answer, row["rating"])
