"""Reads the messages of a thread, with what is known about each, and names what a message may carry."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
from pydantic import ConfigDict, Field

from graph.types import (
    CONSTRAINED_LABEL,
    Citation,
    Frozen,
    Grounding,
    Mode,
    NearestPage,
    Notice,
    Outcome,
    Scope,
    Selection,
    Suspect,
    Verdict,
)
from persistence.postgres import Database
from persistence.threads import Order, Page

MessageStatus = Literal["running", "completed", "cancelled", "failed", "interrupted", "superseded"]


class Stored(Frozen):
    """A value read back from the database, where a newer version of this code may have added to it."""

    model_config = ConfigDict(extra="ignore")


class Source(Stored):
    """The page the reader was on."""

    url: str | None = None
    path: str | None = None
    title: str | None = None
    heading_id: str | None = None
    version: str | None = None
    locale: str | None = None


class Selector(Stored):
    """Where on that page the selection stands, as the client said."""

    prefix: str | None = None
    suffix: str | None = None
    start: int | None = None
    end: int | None = None


class UserMetadata(Stored):
    """What came with a question; `client` is the host site's own and never read by us."""

    selection: Selection | None = None
    source: Source | None = None
    selector: Selector | None = None
    client: dict[str, Any] = Field(default_factory=dict)


class Failure(Stored):
    """Why a turn did not complete: a stable code, and a sentence for the reader."""

    code: str
    detail: str


class AssistantMetadata(Stored):
    """How an answer came to be; `outcome` is None until there is one, `timings` are seconds by step.

    `injection_suspected` names what of its sources reads like orders to a model: for whoever runs the server.
    """

    mode: Mode
    label: str | None = None
    outcome: Outcome | None = None
    notices: tuple[Notice, ...] = ()
    citations: tuple[Citation, ...] = ()
    grounding: Grounding = Grounding()
    verdict: Verdict | None = None
    nearest: tuple[NearestPage, ...] = ()
    scope: Scope | None = None
    truncated: bool = False
    injection_suspected: tuple[Suspect, ...] = ()
    timings: dict[str, float] = Field(default_factory=dict)
    error: Failure | None = None

    @classmethod
    def opening(cls, mode: Mode) -> "AssistantMetadata":
        """Return what is known before the turn did anything."""
        return cls(mode=mode, label=CONSTRAINED_LABEL if mode == "constrained" else None)


class ReaderFeedback(Stored):
    """What the reader thinks of an answer."""

    rating: Literal["up", "down"]
    reason: str | None
    note: str | None


class Message(Stored):
    """A question or an answer; `seq` orders the thread, `attempt` is the run of the turn that wrote it."""

    id: UUID
    thread_id: UUID
    turn_id: UUID
    attempt: int
    seq: int
    role: Literal["user", "assistant"]
    content: str
    status: MessageStatus
    created_at: datetime
    tokens: int | None
    model: str | None
    metadata: UserMetadata | AssistantMetadata
    feedback: ReaderFeedback | None = None

    @classmethod
    def from_row(cls, row: asyncpg.Record) -> "Message":
        """Read a row of `COLUMNS`; the role tells which metadata it carries."""
        values = dict(row)
        kind = UserMetadata if values["role"] == "user" else AssistantMetadata
        values["metadata"] = kind.model_validate(values["metadata"])
        return cls.model_validate(values)


# A turn that runs has its text in the deltas. One whose lease ran out is shown as what it will be once it is reaped
# (persistence.turns): writing that down is left to the next who asks for the turn or in the thread.
COLUMNS = """
    m.id, m.thread_id, m.turn_id, m.attempt, m.seq, m.role, m.created_at, m.tokens, m.model, m.metadata,
    case when m.status = 'running' and t.lease_until < now() then 'interrupted' else m.status end as status,
    case when m.status = 'running' then coalesce(
        (select string_agg(d.text, '' order by d."offset")
         from turn_deltas d where d.turn_id = m.turn_id and d.attempt = m.attempt), '')
    else m.content end as content
"""
FEEDBACK = "case when f.message_id is not null then to_jsonb(f) end as feedback"


class Messages:
    """Lists messages and finds them, for the session they belong to."""

    def __init__(self, db: Database):
        self._db = db

    async def list(
        self,
        session_id: UUID,
        thread_id: UUID,
        *,
        after: UUID | None = None,
        limit: int = 50,
        order: Order = "asc",
        running: bool = True,
    ) -> Page[Message] | None:
        """Return a thread's messages after the one named, without superseded attempts; without `running`, only those
        that are written.

        None when the session has no such thread, or the thread no such message.
        """
        beyond, direction = (">", "asc") if order == "asc" else ("<", "desc")
        rows = await self._db.fetch(
            f"""
            select listed.*
            from threads
            left join messages cursor on cursor.id = $3 and cursor.thread_id = threads.id
            left join lateral (
                select {COLUMNS}, {FEEDBACK}
                from messages m
                join turns t on t.id = m.turn_id
                left join feedback f on f.message_id = m.id
                where m.thread_id = threads.id and m.status <> 'superseded'
                  and ($5 or m.status <> 'running' or t.lease_until < now())
                  and ($3::uuid is null or m.seq {beyond} cursor.seq)
                order by m.seq {direction}
                limit $4
            ) listed on true
            where threads.session_id = $1 and threads.id = $2 and ($3::uuid is null or cursor.id is not null)
            """,  # noqa: S608 - columns and direction are constants above
            session_id,
            thread_id,
            after,
            limit + 1,
            running,
            idempotent=True,
        )
        if not rows:
            return None
        found = [Message.from_row(row) for row in rows if row["id"]]
        data = tuple(found[:limit])
        return Page(data=data, has_more=len(found) > limit, after=data[-1].id if data else None)

    async def get(self, session_id: UUID, message_id: UUID) -> Message | None:
        """Return a message of the session."""
        row = await self._db.fetchrow(
            f"""
            select {COLUMNS}, {FEEDBACK}
            from messages m
            join turns t on t.id = m.turn_id
            left join feedback f on f.message_id = m.id
            where m.id = $2 and t.session_id = $1
            """,  # noqa: S608 - columns named above
            session_id,
            message_id,
            idempotent=True,
        )
        return Message.from_row(row) if row else None

    async def answer_id(self, session_id: UUID, turn_id: UUID, attempt: int) -> UUID | None:
        """Return the id of the answer that an attempt of a turn wrote, superseded or not."""
        return await self._db.fetchval(
            """
            select m.id
            from messages m join turns t on t.id = m.turn_id
            where t.session_id = $1 and t.id = $2 and m.attempt = $3 and m.role = 'assistant'
            """,
            session_id,
            turn_id,
            attempt,
            idempotent=True,
        )
