"""Runs turns in tasks of their own, so that whoever asked may leave: requests only read along.

A reader that left, a proxy that gave up and a browser that went to sleep change nothing: the turn goes on, its text is
appended to the store four times a second, and its message is stored when it ends. A turn is stopped by cancelling the
task of its graph and nothing else; the task around it, which stores the end, is never cancelled from outside.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from uuid import UUID

from langchain_core.runnables import RunnableConfig

from graph.build import TurnGraph, run_turn
from graph.errors import StoreUnavailable
from graph.events import Delta, Passages, VerdictGiven
from persistence.ids import new_id
from persistence.messages import AssistantMetadata, Message, Messages
from persistence.turns import KeyReused, Preface, Started, ThreadUnknown, Turn, TurnRunning, Turns
from server.logs import log_for
from server.problems import Problem, failure, not_found
from server.requests import ChatRequest
from server.run import Ending, Run, last_words, outcome, question_of
from server.transcript import Sent, Transcript, closing
from server.wire import End, MessageGiven, TurnOpened

log = log_for(__name__)

TICK = 0.25
"""Seconds between writes of the text so far, all that a crash can lose; also between looks at a turn elsewhere."""

LONGEST_TURN = 300.0
"""Seconds after which a turn has failed, whatever its model still sends."""

DRAIN = 20.0
"""Seconds that running turns get to end when the server stops."""

SETTLE = 30.0
"""Seconds for which the end of a turn is offered to a store that is away."""

Trace = Callable[[UUID, UUID], RunnableConfig | None]
"""Says for a thread and a message how LangSmith hears of the run; None when it does not."""


class TurnEngine:
    """Starts turns, keeps them alive in the store, and lets readers follow them."""

    def __init__(self, graph: TurnGraph, turns: Turns, messages: Messages, trace: Trace) -> None:
        self._graph = graph
        self._turns = turns
        self._messages = messages
        self._trace = trace
        self._worker = f"{os.getpid()}-{new_id().hex[-12:]}"
        self._runs: dict[UUID, Run] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self, session_id: UUID, asked: ChatRequest) -> UUID:
        """Store a question and run its turn; return the turn's id, of the first one when it was sent before.

        Raises Problem when the thread is unknown or busy, or the client's message id was used for another body.
        """
        if self._closing:
            raise failure("interrupted")
        try:
            started = await self._turns.start(
                session_id,
                thread_id=asked.thread_id,
                client_message_id=asked.client_message_id,
                mode=asked.mode,
                request=asked.model_dump(mode="json", exclude_none=True),
                request_hash=hashlib.sha256(asked.model_dump_json(exclude={"session_id"}).encode()).digest(),
                worker=self._worker,
                content=asked.message,
                metadata=asked.user_metadata,
            )
        except ThreadUnknown:
            raise not_found("thread") from None
        except KeyReused:
            detail = "This client_message_id came before with another body."
            raise Problem(409, "client_message_id_reused", detail) from None
        except TurnRunning as running:
            detail = "A turn of this thread is still running."
            raise Problem(409, "turn_running", detail, turn_id=str(running.turn_id)) from None
        if isinstance(started, Started):
            self._launch(session_id, started, asked)
        return started.turn_id

    async def follow(self, session_id: UUID, turn_id: UUID) -> AsyncGenerator[Sent]:
        """Yield a turn's events from its beginning: `turn, status*, (passages | verdict)?, (status | delta)*, verdict?,
        message, end`.

        One that runs here is read from memory. One that ended, or runs elsewhere, is read from the store when it has
        ended. Raises Problem for a turn the session does not have, StoreUnavailable.
        """
        reset = False
        while True:
            if (run := self._runs.get(turn_id)) and run.session_id == session_id:
                async with aclosing(run.transcript.read()) as events:
                    async for sent in events:
                        yield sent
                if run.transcript.end:
                    return
                reset = True  # another attempt took over, or the turn was reaped: what was shown does not count
            turn = await self._turns.get(session_id, turn_id)
            if turn and turn.status == "running":
                await asyncio.sleep(TICK)
                continue
            message = turn and await self._messages.get(session_id, turn.message_id)
            if not turn or not message:
                raise not_found("turn")
            for sent in _replay(turn, message, reset=reset):
                yield sent
            return

    async def result(self, session_id: UUID, turn_id: UUID) -> tuple[TurnOpened, MessageGiven, End]:
        """Wait for a turn to end; return the events that opened and ended it. Raises what `follow` raises."""
        opened = message = end = None
        async with aclosing(self.follow(session_id, turn_id)) as events:
            async for _, event in events:
                match event:
                    case TurnOpened():
                        opened = event
                    case MessageGiven():
                        message = event
                    case End():
                        end = event
                    case _:
                        pass
        assert opened and message and end, "a stream ends in message and end"
        return opened, message, end

    async def drain(self) -> None:
        """Let running turns end, stop those that take too long, and take no new ones."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN)
        for run in self._runs.values():
            run.stop(Ending("interrupted", "interrupted"))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SETTLE + DRAIN)
        if self._ticker:
            self._ticker.cancel()
            await asyncio.wait({self._ticker})

    def _launch(self, session_id: UUID, started: Started, asked: ChatRequest) -> None:
        question = question_of(asked, started)
        told = AssistantMetadata.opening(asked.mode)
        opened = TurnOpened(
            thread_id=started.thread_id,
            turn_id=started.turn_id,
            user_message_id=started.user_message_id,
            message_id=started.message_id,
            mode=told.mode,
            label=told.label,
            attempt=started.attempt,
        )
        transcript = Transcript(opened, Preface(mode=told.mode, label=told.label))
        trace = self._trace(started.thread_id, started.message_id)
        work = asyncio.create_task(run_turn(self._graph, question, transcript.emit, trace))
        run = Run(session_id, started, question, transcript, work, preface=transcript.preface)
        self._runs[started.turn_id] = run
        task = asyncio.create_task(self._see_through(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.create_task(self._keep_alive())

    async def _see_through(self, run: Run) -> None:
        """Wait for the graph, store how the turn ended, and let its readers go, whatever happens."""
        await asyncio.wait({run.work}, timeout=LONGEST_TURN)
        if not run.work.done():
            run.stop(Ending("failed", "timeout"))
            await asyncio.wait({run.work})
        answer, ending = outcome(run)
        run.transcript.reached("end")
        message = last_words(run, answer, ending)
        try:
            await self._settle(run, message)
        except Exception as error:
            code = error.code if isinstance(error, StoreUnavailable) else "internal"
            log.error("turn not stored", turn_id=run.started.turn_id, exc_info=error)
            run.transcript.close(last_words(run, answer, Ending("failed", code)))
        finally:
            del self._runs[run.started.turn_id]  # readers that follow it keep the transcript
        log.info(
            "turn ended",
            turn_id=run.started.turn_id,
            session_id=run.session_id,
            mode=run.transcript.opened.mode,
            status=ending.status,
            code=ending.code,
            length=len(run.transcript.text),
            timings=run.transcript.timings,
        )

    async def _settle(self, run: Run, message: Message) -> None:
        """Offer the end of a turn to the store until it takes it. Raises StoreUnavailable when it stays away."""
        assert isinstance(message.metadata, AssistantMetadata) and message.status not in ("running", "superseded")
        give_up = time.monotonic() + SETTLE
        while True:
            try:
                await self._turns.finish(
                    message.turn_id,
                    message.attempt,
                    self._worker,
                    status=message.status,
                    content=message.content,
                    metadata=message.metadata,
                    tokens=message.tokens,
                    model=message.model,
                    error=message.metadata.error,
                )
                stored = await self._messages.get(run.session_id, message.id)
                break
            except StoreUnavailable:
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(TICK)
        if stored is None:  # the thread was deleted, or the session
            told = message.metadata.model_copy(update={"error": None})
            run.transcript.close(message.model_copy(update={"status": "cancelled", "metadata": told}))
        elif (stored.status, stored.content) == (message.status, message.content):
            run.transcript.close(stored)
        else:  # reaped with less text than was shown, or another attempt took over
            run.transcript.lose()

    async def _keep_alive(self) -> None:
        """Tell the store four times a second what the running turns said, and hear which of them are to stop."""
        while self._runs:
            await asyncio.sleep(TICK)
            runs = list(self._runs.values())
            try:
                replies = await self._turns.renew(self._worker, [run.next_beat() for run in runs])
                for run in runs:
                    run.heard(replies[run.started.turn_id])
                for run in runs:
                    await self._keep_preface(run)
            except Exception as error:  # without this task every lease would run out, so nothing may end it
                log.warning("turns not renewed", turns=len(runs), exc_info=error)

    async def _keep_preface(self, run: Run) -> None:
        preface = run.transcript.preface
        if preface is not run.preface:
            await self._turns.set_preface(run.started.turn_id, run.started.attempt, preface)
            run.preface = preface


@asynccontextmanager
async def open_engine(graph: TurnGraph, turns: Turns, messages: Messages, trace: Trace) -> AsyncIterator[TurnEngine]:
    """Give an engine, and wait at the end for the turns that still run."""
    engine = TurnEngine(graph, turns, messages, trace)
    try:
        yield engine
    finally:
        await engine.drain()


def _replay(turn: Turn, message: Message, *, reset: bool) -> list[Sent]:
    """Return the events of a turn that ended, as if it had run at once."""
    given, end = closing(message)
    opened = TurnOpened(
        thread_id=turn.thread_id,
        turn_id=turn.id,
        user_message_id=turn.user_message_id,
        message_id=turn.message_id,
        mode=given.mode,
        label=given.label,
        attempt=turn.attempt,
        reset=reset,
    )
    events: list[Sent] = [Sent(f"{turn.attempt}:0", opened)]
    if turn.preface and turn.preface.passages:
        events.append(Sent(f"{turn.attempt}:0", Passages(passages=turn.preface.passages)))
    elif given.verdict:
        events.append(Sent(f"{turn.attempt}:0", VerdictGiven(verdict=given.verdict)))
    cursor = f"{turn.attempt}:{end.length}"
    if given.content:
        events.append(Sent(cursor, Delta(text=given.content)))
    return [*events, Sent(cursor, given), Sent(cursor, end)]
