"""Finds what the optional LangGraph checkpointer keeps beside our own tables."""

from persistence.postgres import Database

CHECKPOINTS = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
"""The tables of the optional LangGraph checkpointer. A trigger empties them with the threads they belong to."""


async def checkpoint_tables(db: Database) -> list[str]:
    """Return which of the checkpointer's tables there are."""
    rows = await db.fetch(
        "select name from unnest($1::text[]) name where to_regclass(name) is not null", CHECKPOINTS, idempotent=True
    )
    return [row["name"] for row in rows]
