"""Keeps threads, each of one session; to any other session they do not exist."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from graph.types import Frozen
from persistence.ids import new_id
from persistence.postgres import Database, storable

Item = TypeVar("Item")
Order = Literal["asc", "desc"]


class Page(Frozen, Generic[Item]):
    """A part of a list; `after` is the id that continues it, None for an empty page."""

    data: tuple[Item, ...]
    has_more: bool
    after: UUID | None


class Thread(Frozen):
    """Turns in order; the title is empty until the first question or a rename gives one."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    metadata: dict[str, Any]
    running_turn_id: UUID | None


COLUMNS = """
    threads.id, threads.title, threads.created_at, threads.updated_at, threads.metadata,
    (select turns.id from turns
     where turns.thread_id = threads.id and turns.status = 'running' and turns.lease_until > now()) as running_turn_id
"""


class Threads:
    """Creates, lists, renames and deletes the threads of a session."""

    def __init__(self, db: Database, titles: Callable[[str], Awaitable[str]] | None = None):
        """Take what every title passes before it is stored, if anything."""
        self._db = db
        self._titles = titles

    async def create(
        self, session_id: UUID, *, title: str | None = None, metadata: dict[str, Any] | None = None
    ) -> Thread:
        """Open an empty thread."""
        row = await self._db.fetchrow(
            """
            insert into threads (id, session_id, title, metadata) values ($1, $2, $3, $4)
            on conflict (id) do update set id = excluded.id
            returning id, title, created_at, updated_at, metadata, null as running_turn_id
            """,
            new_id(),
            session_id,
            await self._kept(title or ""),
            metadata or {},
            idempotent=True,
        )
        return Thread.model_validate(dict(row or {}))

    async def get(self, session_id: UUID, thread_id: UUID) -> Thread | None:
        """Return a thread of the session."""
        row = await self._db.fetchrow(
            f"select {COLUMNS} from threads where session_id = $1 and id = $2",  # noqa: S608 - columns named above
            session_id,
            thread_id,
            idempotent=True,
        )
        return Thread.model_validate(dict(row)) if row else None

    async def list(
        self, session_id: UUID, *, after: UUID | None = None, limit: int = 20, order: Order = "desc"
    ) -> Page[Thread]:
        """Return the session's threads after the one named, by the time they were opened (their ids keep it)."""
        beyond, direction = (">", "asc") if order == "asc" else ("<", "desc")
        rows = await self._db.fetch(
            f"""
            select {COLUMNS}
            from threads
            where session_id = $1 and ($2::uuid is null or id {beyond} $2)
            order by id {direction}
            limit $3
            """,  # noqa: S608 - columns and direction are constants above
            session_id,
            after,
            limit + 1,
            idempotent=True,
        )
        data = tuple(Thread.model_validate(dict(row)) for row in rows[:limit])
        return Page(data=data, has_more=len(rows) > limit, after=data[-1].id if data else None)

    async def rename(self, session_id: UUID, thread_id: UUID, title: str) -> Thread | None:
        """Give a thread another title."""
        row = await self._db.fetchrow(
            f"update threads set title = $3 where session_id = $1 and id = $2 returning {COLUMNS}",  # noqa: S608
            session_id,
            thread_id,
            await self._kept(title),
            idempotent=True,
        )
        return Thread.model_validate(dict(row)) if row else None

    async def _kept(self, title: str) -> str:
        return storable(await self._titles(title) if self._titles and title else title)

    async def delete(self, session_id: UUID, thread_id: UUID) -> bool:
        """Delete a thread with its turns and messages; false when the session has no such thread."""
        deleted = await self._db.fetchval(
            "delete from threads where session_id = $1 and id = $2 returning id", session_id, thread_id
        )
        return deleted is not None
