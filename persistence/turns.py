"""Keeps turns so that they outlive the process that runs them: leases, deltas, and one statement for each change.

A turn is claimed by a worker for `LEASE_S`, which renews it as long as it runs. Where the lease runs out, the
next who asks for the turn, or in its thread, writes it down as interrupted ("reaps" it); the worker, should it only
have slept, finds itself fenced: its writes name a turn that runs, its attempt and its worker, and touch no row. All
times are the database's.

The assistant's message is a row from the start, empty and `running`, so that lists need no special case, feedback and
pages have an id to hold on to, and the end of a turn is one update of two rows we know to exist. Until then its text is
in the deltas, which a reaped turn keeps as its message.

Deltas of an attempt have no gap and no overlap: one is appended only where the last one ended, and the store says
where that is. So a write whose outcome is unknown needs no care: the next one goes on from what was told.

A turn can be answered anew: each attempt has a message of its own, and the one before is kept, `superseded`, and no
longer listed.

Every statement is its own transaction and may be sent twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self
from uuid import UUID

import asyncpg

from graph.errors import StoreUnavailable
from graph.events import OfferedPassage
from graph.types import CONSTRAINED_LABEL, Grounding, Mode, Notice, PassageRef, Verdict
from persistence.ids import new_id
from persistence.limits import (
    UNLIMITED,
    Limited,
    Paused,
    Terms,
    TooManyRunning,
    as_rows,
    broke,
    pass_if_others_were_faster,
)
from persistence.messages import AssistantMetadata, Failure, Message, Stored, UserMetadata
from persistence.postgres import Database, storable, to_json
from persistence.sessions import VALID, digest
from persistence.turn_statements import (
    APPEND,
    APPEND_AND_RENEW,
    CONTINUE,
    OPEN,
    REAP_ADDRESS,
    REAP_ONE,
    REFUSAL,
    RETRY,
)

LEASE_S = 15.0
RENEWED_BELOW = 0.8
"""Share of the lease below which it is renewed, so every 3 s: a write of text then leaves the turn's row as it is."""
ROUNDS = 8
"""Times that a turn is tried whose way was free a moment ago, before it is told to come back."""
TITLE_LENGTH = 60

TurnStatus = Literal["running", "completed", "cancelled", "failed", "interrupted"]
Ended = Literal["completed", "cancelled", "failed", "interrupted"]
LEASE_EXPIRED = Failure(code="interrupted", detail="The server that wrote this answer went away.")


class Preface(Stored):
    """What a turn tells before its text, kept so that a reader elsewhere can be told too."""

    mode: Mode
    label: str | None = None
    passages: tuple[OfferedPassage, ...] = ()
    verdict: Verdict | None = None
    notices: tuple[Notice, ...] = ()

    def metadata(self) -> AssistantMetadata:
        """Return what a message can say of itself that gets no further than this."""
        passages = tuple(PassageRef(id=each.id, url=each.url, score=each.score) for each in self.passages)
        return AssistantMetadata(
            mode=self.mode,
            label=self.label,
            grounding=Grounding(passages=passages),
            verdict=self.verdict,
            notices=self.notices,
        )


class Turn(Stored):
    """One question and its answer; `message_id` is the answer of the current attempt."""

    id: UUID
    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    mode: Mode
    status: TurnStatus
    attempt: int
    worker: str
    preface: Preface | None
    error: Failure | None
    created_at: datetime
    finished_at: datetime | None


class TurnIds(NamedTuple):
    """What a turn is called before the store has taken it; `thread_id` is that of a new thread if it opens one."""

    turn_id: UUID
    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    opens_thread: bool

    @classmethod
    def new(cls, thread_id: UUID | None) -> Self:
        """Make the ids of a turn in a thread, or in a new one."""
        return cls(new_id(), thread_id or new_id(), new_id(), new_id(), opens_thread=thread_id is None)


class Started(NamedTuple):
    """A turn that is ours to run; `earlier` are the thread's last completed messages, oldest first."""

    session_id: UUID
    turn_id: UUID
    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    attempt: int
    earlier: tuple[Message, ...]


class Joined(NamedTuple):
    """The same question was sent before; its turn is to be read."""

    session_id: UUID
    turn_id: UUID


class Retried(NamedTuple):
    """A further attempt that is ours to run, and the body that its question came in."""

    started: Started
    request: dict[str, Any]


class Spent(NamedTuple):
    """What a turn has cost: tokens, and millionths of the currency that prices are in."""

    tokens: int
    cost: int


class Beat(NamedTuple):
    """A sign of life of a running turn: the text that the store lacks, from `offset` on, and its preface when new."""

    turn_id: UUID
    attempt: int
    offset: int
    text: str = ""
    preface: Preface | None = None


class Reply(NamedTuple):
    """What the store says to a beat: go on, stop, or somebody else's by now; and how much text it holds."""

    order: Literal["go on", "stop", "lost"]
    stored: int


class Glance(NamedTuple):
    """A turn as the store has it, and what it holds of a running answer beyond what was known."""

    turn: Turn
    text: str


class SessionUnknown(Exception):
    """The token opens no session."""


class SessionForeign(Exception):
    """The token opens another session than the one named."""


class KeyReused(Exception):
    """The client's message id was used before, with another body."""


class ThreadUnknown(Exception):
    """The session has no such thread."""


class AttemptUnknown(Exception):
    """The turn has no such attempt."""


class TurnNotLast(Exception):
    """The thread went on after this turn, so that its answer cannot be replaced."""


class TurnRunning(Exception):
    """The thread is being answered: one turn at a time."""

    def __init__(self, turn_id: UUID):
        super().__init__(f"turn {turn_id} is running in this thread")
        self.turn_id = turn_id


class Turns:
    """Starts turns, keeps them alive, ends them, and tells how they stand."""

    def __init__(self, db: Database):
        self._db = db

    async def start(
        self,
        token: str,
        ids: TurnIds,
        *,
        session_id: UUID | None,
        client_message_id: UUID | None,
        mode: Mode,
        request: dict[str, Any],
        request_hash: bytes,
        worker: str,
        content: str,
        metadata: UserMetadata,
        terms: Terms = UNLIMITED,
    ) -> Started | Joined:
        """Store a question and claim its turn for `worker`: one statement, unless something stands in the way.

        The session is the token's, and must be the one named if one is.
        `request` is the body as sent, for a later attempt; `request_hash` tells whether a repeated
        `client_message_id` asks the same; one that does is joined and costs nothing. A turn that `terms` refuse leaves
        no row behind and counts nowhere. Raises SessionUnknown, SessionForeign, ThreadUnknown, KeyReused, TurnRunning,
        Paused, Limited, TooManyRunning.
        """
        token_hash = digest(token)
        for _ in range(ROUNDS):
            rows: list[asyncpg.Record] = []
            try:
                rows = await self._db.fetch(
                    OPEN if ids.opens_thread else CONTINUE,
                    token_hash,
                    ids.thread_id,
                    ids.turn_id,
                    ids.user_message_id,
                    ids.message_id,
                    mode,
                    request,
                    request_hash,
                    client_message_id,
                    worker,
                    storable(content),
                    metadata,
                    AssistantMetadata.opening(mode),
                    storable(content[:TITLE_LENGTH]),
                    session_id,
                    as_rows(terms.charges),
                    terms.address,
                    terms.running,
                    LEASE_S,
                    idempotent=True,
                )
            except asyncpg.ForeignKeyViolationError as error:  # the session was erased, or the thread, just now
                raise ThreadUnknown from error
            except asyncpg.CheckViolationError as error:
                pass_if_others_were_faster(error)
            if rows:
                opens = ids.opens_thread
                earlier = () if opens else tuple(Message.from_row(row) for row in reversed(rows) if row["id"])
                session = rows[0]["session_id"]
                return Started(session, ids.turn_id, ids.thread_id, ids.user_message_id, ids.message_id, 1, earlier)
            in_the_way = await self._what_is_in_the_way(
                token_hash, session_id, None if ids.opens_thread else ids.thread_id, client_message_id, request_hash
            )
            if isinstance(in_the_way, Joined):
                return in_the_way
            await self._refuse(in_the_way, terms)
        raise StoreUnavailable("the thread is too busy to take a question; try again shortly")

    async def _what_is_in_the_way(
        self,
        token_hash: bytes,
        session_id: UUID | None,
        thread_id: UUID | None,
        client_message_id: UUID | None,
        request_hash: bytes,
    ) -> Joined | UUID:
        """Return the turn that a repeated question joins, or raise what forbids a new one in its thread.

        The session's id where nothing does: it is gone by now, or the terms are in the way. A turn that its worker left
        behind is reaped, and so is gone.
        """
        found = await self._db.fetchrow(
            f"""
            select sessions.id as session_id, same.id as same_id, same.request_hash, threads.id as thread_id,
                   running.id as running_id, running.lease_until < now() as expired
            from sessions
            left join turns same on same.session_id = sessions.id and same.client_message_id = $3
            left join threads on threads.session_id = sessions.id and threads.id = $2
            left join turns running on running.thread_id = threads.id and running.status = 'running'
            where token_hash = $1 and {VALID}
            """,  # noqa: S608 - put together from constants
            token_hash,
            thread_id,
            client_message_id,
            idempotent=True,
        )
        if found is None:
            raise SessionUnknown
        if session_id not in (None, found["session_id"]):
            raise SessionForeign
        if found["same_id"]:
            if found["request_hash"] != request_hash:
                raise KeyReused
            return Joined(found["session_id"], found["same_id"])
        if thread_id and not found["thread_id"]:
            raise ThreadUnknown
        if found["running_id"]:
            if not found["expired"]:
                raise TurnRunning(found["running_id"])
            await self._db.execute(REAP_ONE, found["running_id"], LEASE_EXPIRED, idempotent=True)
        return found["session_id"]

    async def _refuse(self, session_id: UUID, terms: Terms) -> None:
        """Raise what the terms have against a turn; nothing when it is gone by now, so that the turn may be tried.

        Turns that still hold a slot though their worker went away are reaped first.
        """
        told = await self._db.fetchrow(
            REFUSAL,
            session_id,
            as_rows(terms.charges),
            terms.address,
            terms.running,
            idempotent=True,
        )
        assert told
        if told["paused"]:
            raise Paused
        if told["nth"]:
            raise Limited(terms.charges[told["nth"] - 1], told["seconds"])
        if told["crowded"] and not await self._db.fetchval(REAP_ADDRESS, terms.address, LEASE_EXPIRED, idempotent=True):
            raise TooManyRunning

    async def sent_as(self, session_id: UUID, client_message_ids: Sequence[UUID]) -> UUID | None:
        """Return the latest turn that was asked under one of these ids; one that was stopped gives its id up."""
        return await self._db.fetchval(
            """
            with named as (
                select id, created_at, status = 'cancelled' or cancel_requested as stopped
                from turns
                where session_id = $1 and client_message_id = any($2)
            ), given_up as (
                update turns set client_message_id = null from named where turns.id = named.id and named.stopped
            )
            select id from named where not stopped order by created_at desc limit 1
            """,
            session_id,
            list(client_message_ids),
            idempotent=True,
        )

    async def give_up_id(self, session_id: UUID, turn_id: UUID) -> None:
        """Let the same question, under the same client's id, be asked as a new turn."""
        await self._db.execute(
            "update turns set client_message_id = null where session_id = $1 and id = $2",
            session_id,
            turn_id,
            idempotent=True,
        )

    async def retry(
        self, session_id: UUID, turn_id: UUID, attempt: int, *, worker: str, terms: Terms = UNLIMITED
    ) -> Retried | Joined | None:
        """Claim the attempt after `attempt` for `worker`; None when the session has no such turn.

        A retry that was sent before, or from another tab, is joined. Raises TurnRunning while the turn runs,
        TurnNotLast, AttemptUnknown, or what `start` raises for the terms.
        """
        message_id = new_id()
        for _ in range(ROUNDS):
            retried = await self._retry(session_id, turn_id, attempt, message_id, worker, terms)
            if retried != "refused":
                return retried
            await self._refuse(session_id, terms)
        raise StoreUnavailable("the limits are too busy to take a question; try again shortly")

    async def _retry(
        self, session_id: UUID, turn_id: UUID, attempt: int, message_id: UUID, worker: str, terms: Terms
    ) -> Retried | Joined | Literal["refused"] | None:
        rows: list[asyncpg.Record] = []
        try:
            rows = await self._db.fetch(
                RETRY,
                session_id,
                turn_id,
                attempt,
                message_id,
                worker,
                LEASE_S,
                CONSTRAINED_LABEL,
                as_rows(terms.charges),
                terms.address,
                terms.running,
                idempotent=True,
            )
        except asyncpg.UniqueViolationError as error:
            if broke(error, "turns_slots"):
                return "refused"
            # A question, or another retry, came in this very moment.
            raise TurnRunning(turn_id) from error
        except asyncpg.CheckViolationError as error:
            pass_if_others_were_faster(error)
        if rows:
            first = rows[0]
            earlier = tuple(Message.from_row(row) for row in reversed(rows) if row["id"])
            started = Started(
                session_id, turn_id, first["in_thread"], first["question_id"], message_id, attempt + 1, earlier
            )
            return Retried(started, first["request"])
        turn = await self.get(session_id, turn_id)
        if turn is None:
            return None
        if turn.attempt > attempt:
            return Joined(session_id, turn_id)
        if turn.attempt < attempt:
            raise AttemptUnknown
        if turn.status == "running":
            raise TurnRunning(turn_id)
        last = await self._db.fetchval(
            """
            select turn_id from messages
            where thread_id = (select thread_id from turns where id = $1)
            order by seq desc limit 1
            """,
            turn_id,
            idempotent=True,
        )
        if last == turn_id:
            return "refused"
        raise TurnNotLast

    async def renew(self, worker: str, beats: Sequence[Beat]) -> dict[UUID, Reply]:
        """Keep what the worker's turns released, renew their leases, and return what to do with each.

        "stop": the reader asked for it. "lost": another attempt took over, or the turn was reaped or erased, and
        nothing was written. The commit is not waited for (0.7 instead of 4.1 ms a write): if Postgres itself
        crashes, the deltas of the last second may be gone, and are written again by the next beat; the final
        message is committed properly.
        """
        rows = await self._append(worker, beats, renewing=any(beat.preface for beat in beats))
        if any(row["due"] for row in rows):  # all leases at once, so that they are due together
            await self._append(worker, [beat._replace(text="") for beat in beats], renewing=True)
        replies = dict.fromkeys((beat.turn_id for beat in beats), Reply("lost", 0))
        for row in rows:
            replies[row["turn_id"]] = Reply("stop" if row["cancel_requested"] else "go on", row["stored"])
        return replies

    async def _append(self, worker: str, beats: Sequence[Beat], *, renewing: bool) -> list[asyncpg.Record]:
        arguments: list[Any] = [
            worker,
            # Of arrays asyncpg knows those of text only. Any other it looks up on every new connection, which costs
            # Postgres 5 ms.
            [str(beat.turn_id) for beat in beats],
            [str(beat.attempt) for beat in beats],
            [str(beat.offset) for beat in beats],
            [storable(beat.text) for beat in beats],
        ]
        if not renewing:
            return await self._db.fetch(APPEND, *arguments, LEASE_S * RENEWED_BELOW, idempotent=True)
        return await self._db.fetch(
            APPEND_AND_RENEW,
            *arguments,
            [beat.preface and to_json(beat.preface) for beat in beats],
            [beat.preface and to_json(beat.preface.metadata()) for beat in beats],
            LEASE_S,
            idempotent=True,
        )

    async def finish(
        self,
        turn_id: UUID,
        attempt: int,
        worker: str,
        *,
        status: Ended,
        content: str,
        metadata: AssistantMetadata,
        tokens: int | None = None,
        model: str | None = None,
        error: Failure | None = None,
        preface: Preface | None = None,
        spent: Spent | None = None,
    ) -> Message | None:
        """Write the answer, with a preface that no beat has told, and end its turn.

        What it reserved of the budgets is settled by what it `spent`, or stays taken where nobody knows. None when the
        turn is not, or no longer, the worker's to end: nothing was written then, unless this was sent before and its
        reply got lost.
        """
        row = await self._db.fetchrow(
            """
            with own as (
                update turns
                set status = $4, finished_at = now(), error = $9, preface = coalesce($10, turns.preface),
                    address = null, slot = null, reserved = null
                from turns before  -- for what was reserved, whose keys are not to stay with the turn
                where turns.id = $1 and turns.attempt = $2 and turns.worker = $3 and turns.status = 'running'
                  and before.id = turns.id
                returning turns.id, before.reserved
            ), due as (
                select w.key, w.starts_at,
                       case unit when 'tokens' then $11::bigint else $12::bigint end - amount as change
                from own, lateral (
                    select * from rows from (jsonb_to_recordset(own.reserved) as (
                        key text, starts_at timestamptz, unit text, amount bigint
                    )) with ordinality as r (key, starts_at, unit, amount, nth)
                    limit 12
                ) r
                join rate_windows w on w.key = r.key and w.starts_at = r.starts_at
                where $11::bigint is not null
                order by nth
                for no key update of w
            ), settled as (
                update rate_windows w
                set used = greatest(w.used + due.change, 0), most = greatest(w.most, w.used + due.change)
                from due
                where w.key = due.key and w.starts_at = due.starts_at
            ), answered as (
                update messages set status = $4, content = $5, metadata = $6, tokens = $7, model = $8
                from own
                where messages.turn_id = own.id and messages.attempt = $2 and messages.role = 'assistant'
                returning messages.*
            ), dropped as (
                delete from turn_deltas using own where turn_deltas.turn_id = own.id
            )
            select * from answered
            """,
            turn_id,
            attempt,
            worker,
            status,
            storable(content),
            metadata,
            tokens,
            model and storable(model),
            error,
            preface,
            *(spent or (None, None)),
            idempotent=True,
        )
        return Message.from_row(row) if row else None

    async def get(self, session_id: UUID, turn_id: UUID) -> Turn | None:
        """Return a turn of the session, after reaping it if its worker went away."""
        glance = await self.glance(session_id, turn_id)
        return glance.turn if glance else None

    async def glance(self, session_id: UUID, turn_id: UUID, *, attempt: int = 1, known: int = 0) -> Glance | None:
        """Return a turn of the session with the text of its running answer from `known` on.

        It is reaped first if its worker went away. An attempt other than the one asked for is told with all its text.
        """
        row = await self._read(session_id, turn_id, attempt, known)
        if row and row["expired"]:
            await self._db.execute(REAP_ONE, turn_id, LEASE_EXPIRED, idempotent=True)
            row = await self._read(session_id, turn_id, attempt, known)
        return Glance(Turn.model_validate(dict(row)), row["text"]) if row else None

    async def _read(self, session_id: UUID, turn_id: UUID, attempt: int, known: int) -> asyncpg.Record | None:
        return await self._db.fetchrow(
            """
            select t.id, t.thread_id, question.id as user_message_id, answer.id as message_id, t.mode, t.status,
                   t.attempt, t.worker, t.preface, t.error, t.created_at, t.finished_at,
                   t.status = 'running' and t.lease_until < now() as expired,
                   coalesce((select string_agg(substr(d.text, greatest(known - d."offset", 0) + 1), ''
                                               order by d."offset")
                             from turn_deltas d
                             where d.turn_id = t.id and d.attempt = t.attempt
                               and d."offset" + char_length(d.text) > known), '') as text
            from turns t
            join messages question on question.turn_id = t.id and question.role = 'user'
            join messages answer on answer.turn_id = t.id and answer.role = 'assistant' and answer.attempt = t.attempt
            cross join lateral (select case t.attempt when $3 then $4 else 0 end as known) reader
            where t.session_id = $1 and t.id = $2
            """,
            session_id,
            turn_id,
            attempt,
            known,
            idempotent=True,
        )

    async def cancel(self, session_id: UUID, turn_id: UUID) -> TurnStatus | None:
        """Ask whoever runs the turn to stop, and return its status before that; None when there is no such turn."""
        return await self._db.fetchval(
            """
            with asked as (
                update turns set cancel_requested = true where session_id = $1 and id = $2 and status = 'running'
            )
            select status from turns where session_id = $1 and id = $2
            """,
            session_id,
            turn_id,
            idempotent=True,
        )
