"""Runs turns in tasks of their own, so that whoever asked may leave: requests only read along.

A reader that left, a proxy that gave up and a browser that went to sleep change nothing: the turn goes on, its text is
appended to the store four times a second, and its message is stored when it ends. A turn is stopped by cancelling the
task of its graph and nothing else; the task around it, which stores the end, is never cancelled from outside.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext
from contextvars import Context, copy_context
from functools import partial
from typing import NamedTuple
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from graph.build import TurnGraph, run_turn
from graph.condense import leans_on_history
from graph.errors import StoreUnavailable
from graph.grounded import PASSAGES
from graph.types import Answer
from persistence.ids import new_id
from persistence.limits import Limited, Paused, TooManyRunning
from persistence.messages import AssistantMetadata, Failure, Message, Messages
from persistence.turns import (
    AttemptUnknown,
    Joined,
    KeyReused,
    Preface,
    Retried,
    SessionForeign,
    SessionUnknown,
    Spent,
    Started,
    ThreadUnknown,
    Turn,
    TurnIds,
    TurnNotLast,
    TurnRunning,
    Turns,
)
from server.ahead import SearchAhead
from server.limits import Asker, Tariff, refusal
from server.logs import TURN_ID, log_for
from server.metrics import Meters
from server.mirrors import TICK, Mirrors
from server.problems import FAILURES, Problem, Unauthorized, failure, not_found
from server.pruning import Pruning
from server.requests import ChatRequest, StoredRequest
from server.run import Ending, Question, Run, last_words, outcome, question_of, told
from server.scrub import Scrub, ScrubFailed, scrubbed_notices
from server.spans import Spans
from server.transcript import Cursor, Sent, Transcript
from server.wire import End, MessageGiven, TurnOpened

log = log_for(__name__)

LONGEST_TURN = 300.0
"""Seconds after which a turn has failed, whatever its model still sends."""

DRAIN = 20.0
"""Seconds that running turns get to end when the server stops."""

SETTLE = 30.0
"""Seconds for which the end of a turn is offered to a store that is away."""

STOP = 3.0
"""Seconds that whoever stops a turn waits for its end, so that the thread takes the next question."""

Trace = Callable[[UUID, UUID], RunnableConfig | None]
"""Says for a thread and a message how LangSmith hears of the run; None when it does not."""


class _Begun(NamedTuple):
    question: Question
    transcript: Transcript
    work: asyncio.Task[Answer]


class TurnEngine:
    """Starts turns, keeps them alive in the store, and lets readers follow them; whoever makes it drains it."""

    def __init__(
        self,
        graph: TurnGraph,
        turns: Turns,
        messages: Messages,
        search: SearchAhead,
        tariff: Tariff,
        trace: Trace,
        meters: Meters,
        spans: Spans,
        scrub: Scrub,
        pruning: Pruning,
    ) -> None:
        self._graph = graph
        self._tariff = tariff
        self._scrub = scrub
        self._pruning = pruning
        self._search = search
        self._turns = turns
        self._messages = messages
        self._trace = trace
        self._meters = meters
        self._spans = spans
        self._worker = f"{os.getpid()}-{new_id().hex[-12:]}"
        self._runs: dict[UUID, Run] = {}
        self._mirrors = Mirrors(turns, messages)
        self._open: set[Run] = set()
        self._settling: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._telling = asyncio.Lock()
        self._closing = False

    async def start(self, asker: Asker, asked: ChatRequest) -> Started | Joined:
        """Store a question and run its turn, or say which turn it joins because it was sent before.

        Raises Problem when the token opens no session, or another than the one named, when the thread is unknown or
        busy, the client's message id was used for another body, a limit is reached, or turns are paused.
        """
        if self._closing:
            raise failure("interrupted")
        asked = await self._scrub.asked(asked)
        ids = TurnIds.new(asked.thread_id)
        with self._searching(asked) as searching:
            # Nothing that the store holds bears on the first question of a thread: its graph begins with the search.
            begun = self._begin(asked, ids) if searching and ids.opens_thread else None
            try:
                turn = await self._store(asker, asked, ids)
            except BaseException:
                _drop(begun)
                raise
            if isinstance(turn, Joined):
                _drop(begun)
            else:
                self._launch(turn, begun or self._begin(asked, turn, turn.earlier))
        return turn

    @contextmanager
    def _searching(self, asked: ChatRequest) -> Iterator[bool]:
        """Begin to search for a grounded question that means the same whatever came before it."""
        if asked.mode == "constrained" or (asked.thread_id and leans_on_history(asked.question)):
            yield False
        else:
            with self._search.begun(asked.question, scope=asked.scope, limit=PASSAGES):
                yield True

    async def _store(self, asker: Asker, asked: ChatRequest, ids: TurnIds) -> Started | Joined:
        try:
            return await self._turns.start(
                asker.token,
                ids,
                session_id=asked.session_id,
                client_message_id=asked.client_message_id,
                mode=asked.mode,
                request=asked.model_dump(mode="json", exclude_none=True),
                request_hash=hashlib.sha256(
                    asked.model_dump_json(exclude={"session_id", "scrubbed"}).encode()
                ).digest(),
                worker=self._worker,
                content=asked.message,
                metadata=asked.user_metadata,
                terms=self._tariff.terms(asker, asked),
            )
        except SessionUnknown:
            raise Unauthorized() from None
        except SessionForeign:
            raise not_found("session") from None
        except ThreadUnknown:
            raise not_found("thread") from None
        except KeyReused:
            detail = "This client_message_id came before with another body."
            raise Problem(409, "client_message_id_reused", detail) from None
        except TurnRunning as running:
            raise _still_running(running) from None
        except (Limited, TooManyRunning, Paused) as refused:
            raise _refusal(refused) from None

    async def retry(self, session_id: UUID, turn_id: UUID, attempt: int, asker: Asker) -> None:
        """Run the question of a thread's last turn again, in place of its answer of `attempt`.

        Where that attempt was replaced before, there is nothing to do. Raises Problem when the turn is unknown,
        still runs, has no such attempt, or was followed by another, a limit is reached, or turns are paused.
        """
        if self._closing:
            raise failure("interrupted")
        try:
            terms = self._tariff.terms(asker, None)
            retried = await self._turns.retry(session_id, turn_id, attempt, worker=self._worker, terms=terms)
        except TurnRunning as running:
            raise _still_running(running) from None
        except TurnNotLast:
            raise Problem(409, "turn_not_last", "Only the last turn of a thread can be answered again.") from None
        except AttemptUnknown:
            raise Problem(409, "attempt_unknown", "The turn has no such attempt.") from None
        except (Limited, TooManyRunning, Paused) as refused:
            raise _refusal(refused) from None
        if retried is None:
            raise not_found("turn")
        if isinstance(retried, Retried):
            started = retried.started
            stored = StoredRequest.model_validate(retried.request)
            try:
                asked = await self._scrub.asked(stored)
            except ScrubFailed:
                await self._give_back(started, stored)
                raise
            self._launch(started, self._begin(asked, started, started.earlier, started.attempt))

    async def _give_back(self, started: Started, asked: StoredRequest) -> None:
        """End an attempt that cannot begin, so that its thread is free at once and nothing stays reserved."""
        error = Failure(code="internal", detail=FAILURES["internal"])
        await self._turns.finish(
            started.turn_id,
            started.attempt,
            self._worker,
            status="failed",
            content="",
            metadata=AssistantMetadata.opening(asked.mode).model_copy(update={"error": error}),
            error=error,
            spent=Spent(0, 0),
        )

    async def stop(self, session_id: UUID, turn_id: UUID) -> Turn:
        """Stop a turn, whichever worker runs it, and return it, ended unless that takes longer than `STOP`.

        One that ended before stays as it is. Raises Problem for a turn the session does not have.
        """
        if (run := self._runs.get(turn_id)) and run.started.session_id == session_id:
            run.stop(Ending("cancelled"))
            await asyncio.wait({run.ended}, timeout=STOP)
        elif await self._turns.cancel(session_id, turn_id) is None:
            raise not_found("turn")
        give_up = time.monotonic() + STOP
        while (turn := await self._turns.get(session_id, turn_id)) and turn.status == "running":
            if time.monotonic() > give_up:
                break
            await asyncio.sleep(TICK / 4)
        if turn is None:
            raise not_found("turn")
        return turn

    async def follow(
        self, session_id: UUID, turn_id: UUID, since: Cursor | None = None, *, silence: float | None = None
    ) -> AsyncGenerator[Sent | None]:
        """Yield the events of a turn that a reader who got as far as `since` lacks: `turn, status*, (passages |
        verdict)?, (status | delta)*, verdict?, message, end`; None wherever there was none for `silence` seconds.

        One that runs here is read from memory; any other from the store, as it comes. Raises Problem for a turn the
        session does not have, StoreUnavailable.
        """
        while True:
            async with (
                self._transcript(session_id, turn_id) as transcript,
                aclosing(transcript.read(since, silence)) as events,
            ):
                async for sent in events:
                    since = sent.cursor if sent else since
                    yield sent
            if transcript.end:
                return
            # Another attempt took over, or the turn was reaped: the store knows.

    async def result(self, session_id: UUID, turn_id: UUID) -> tuple[TurnOpened, MessageGiven, End]:
        """Wait for a turn to end; return the events that opened and ended it. Raises what `follow` raises."""
        opened = message = end = None
        async with aclosing(self.follow(session_id, turn_id)) as events:
            async for sent in events:
                match sent:
                    case Sent(event=TurnOpened() as event):
                        opened = event
                    case Sent(event=MessageGiven() as event):
                        message = event
                    case Sent(event=End() as event):
                        end = event
                    case _:
                        pass
        assert opened and message and end, "a stream ends in message and end"
        return opened, message, end

    async def drain(self) -> None:
        """Let running turns end, stop those that take too long, and take no new ones."""
        self._closing = True
        if self._open:
            await asyncio.wait({run.ended for run in self._open}, timeout=DRAIN)
        for run in self._runs.values():
            run.stop(Ending("interrupted", "interrupted"))
        if self._open:
            await asyncio.wait({run.ended for run in self._open}, timeout=SETTLE + DRAIN)
        await self._pruning.aclose()
        if self._ticker:
            self._ticker.cancel()
            await asyncio.wait({self._ticker})

    def _transcript(self, session_id: UUID, turn_id: UUID) -> AbstractAsyncContextManager[Transcript]:
        if (run := self._runs.get(turn_id)) and run.started.session_id == session_id:
            return nullcontext(run.transcript)
        return self._mirrors.open(session_id, turn_id)

    def _begin(
        self, asked: ChatRequest, ids: TurnIds | Started, earlier: Sequence[Message] = (), attempt: int = 1
    ) -> _Begun:
        """Have the graph begin in a task of its own."""
        question = question_of(asked, earlier)
        told = AssistantMetadata.opening(asked.mode)
        opened = TurnOpened(
            thread_id=ids.thread_id,
            turn_id=ids.turn_id,
            user_message_id=ids.user_message_id,
            message_id=ids.message_id,
            mode=told.mode,
            label=told.label,
            attempt=attempt,
        )
        notices = scrubbed_notices(asked)
        transcript = Transcript(opened, Preface(mode=told.mode, label=told.label, notices=notices))
        trace = self._trace(ids.thread_id, ids.message_id)
        context = copy_context()
        context.run(TURN_ID.set, ids.turn_id)
        work = asyncio.create_task(run_turn(self._graph, question, transcript.emit, trace), context=context)
        return _Begun(question, transcript, work)

    def _launch(self, started: Started, begun: _Begun) -> None:
        run = Run(started, *begun, preface=begun.transcript.preface)
        if former := self._runs.get(started.turn_id):  # its lease ran out while this worker slept
            former.stop(Ending("interrupted", "interrupted"))
        self._runs[started.turn_id] = run
        self._open.add(run)
        self._meters.running.inc()
        # No task waits for the graph's: each turn would be two, and one would have nothing to do until the end.
        run.work.add_done_callback(partial(self._see_off, run))
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._keep_alive(), context=Context())  # it serves no request of its own

    def _see_off(self, run: Run, _: asyncio.Task[Answer]) -> None:
        task = asyncio.create_task(self._end(run))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _end(self, run: Run) -> None:
        """Store how the turn ended, and let its readers go, whatever happens."""
        answer, ending = None, Ending("failed", "internal")
        try:
            run.transcript.reached("end")
            answer, ending = outcome(run)
            await self._settle(run, last_words(run, answer, ending), answer)
            run.transcript.reached("stored")
        except Exception as error:
            code = error.code if isinstance(error, StoreUnavailable) else "internal"
            log.error("turn not stored", turn_id=run.started.turn_id, exc_info=error)
            run.transcript.close(last_words(run, answer, Ending("failed", code)))
        finally:
            if self._runs.get(run.started.turn_id) is run:  # readers that follow it keep the transcript
                del self._runs[run.started.turn_id]
            self._open.discard(run)
            self._meters.running.dec()
            run.ended.set_result(None)
            if not self._closing:
                self._pruning.turn_ended()
        ending, mode, timings = told(run, ending), run.transcript.opened.mode, run.transcript.timings
        self._meters.turn_ended(mode, *ending, timings, answer)
        self._spans.turn_ended(run, ending, answer)
        log.info(
            "turn ended",
            turn_id=run.started.turn_id,
            session_id=run.started.session_id,
            mode=mode,
            status=ending.status,
            code=ending.code,
            length=len(run.transcript.text),
            injection_suspected=answer.injection_suspected if answer else (),
            timings=timings,
        )

    async def _settle(self, run: Run, message: Message, answer: Answer | None) -> None:
        """Offer the end of a turn to the store until it takes it. Raises StoreUnavailable when it stays away."""
        assert isinstance(message.metadata, AssistantMetadata) and message.status not in ("running", "superseded")
        spent = self._tariff.spent(run.question, answer)
        give_up = time.monotonic() + SETTLE
        run.ending = True
        async with self._telling:  # a beat under way would leave its delta behind the end, which deletes them all
            pass
        while True:
            try:
                finished = await self._turns.finish(
                    message.turn_id,
                    message.attempt,
                    self._worker,
                    status=message.status,
                    content=message.content,
                    metadata=message.metadata,
                    tokens=message.tokens,
                    model=message.model,
                    error=message.metadata.error,
                    preface=run.beat().preface,
                    spent=spent,
                )
                stored = finished or await self._messages.get(run.started.session_id, message.id)
                break
            except StoreUnavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(TICK)
        if stored is None:  # the thread was deleted, or the session
            told = message.metadata.model_copy(update={"error": None})
            run.transcript.close(message.model_copy(update={"status": "cancelled", "metadata": told}))
        elif finished or (
            # Stored before, and its reply got lost. Of one that was interrupted only the store knows by whom.
            stored.status == message.status != "interrupted" and stored.content == message.content
        ):
            run.transcript.close(stored)
        else:  # reaped, perhaps with less text than was shown, or another attempt took over
            run.transcript.lose()

    async def _keep_alive(self) -> None:
        """Tell the store four times a second what the running turns said, and stop those that it wants stopped or that
        take too long."""
        kept = time.monotonic()
        while self._runs:
            await asyncio.sleep(TICK)
            for run in self._runs.values():
                if run.age > LONGEST_TURN:
                    run.stop(Ending("failed", "timeout"))
            async with self._telling:
                looked = time.monotonic()
                beats = {run: run.beat() for run in self._runs.values() if not run.ending}
                try:
                    replies = await self._turns.renew(self._worker, list(beats.values()))
                except Exception as error:  # without this task every lease would run out, so nothing may end it
                    log.warning("turns not renewed", turns=len(beats), exc_info=error)
                    self._meters.flush_failed()
                else:
                    now = time.monotonic()
                    self._meters.flushed(now - looked, now - kept)
                    kept = looked
                    for run, beat in beats.items():
                        run.heard(beat, replies[beat.turn_id])


def _drop(begun: _Begun | None) -> None:
    if begun:
        begun.work.cancel()
        begun.work.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody asks what became of it


def _refusal(refused: Limited | TooManyRunning | Paused) -> Problem:
    problem = refusal(refused)
    log.info("turn refused", code=problem.code)
    return problem


def _still_running(running: TurnRunning) -> Problem:
    detail = "A turn of this thread is still running."
    return Problem(409, "turn_running", detail, turn_id=str(running.turn_id))
