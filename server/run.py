"""A turn that runs in this worker: what it was asked, how it is stopped, and what it leaves behind."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from graph.build import ConstrainedQuestion, GroundedQuestion
from graph.errors import CitesideError
from graph.types import Answer, Selection
from persistence.messages import Failure, Message
from persistence.turns import Beat, Ended, Preface, Reply, Started
from server.history import grounded_history, selection_history
from server.logs import log_for
from server.problems import FAILURES
from server.requests import ChatRequest
from server.transcript import Transcript

log = log_for(__name__)

Question = GroundedQuestion | ConstrainedQuestion


class Ending(NamedTuple):
    """How a turn ended; `code` names a failure."""

    status: Ended
    code: str | None = None


@dataclass(slots=True, eq=False)
class Run:
    """A turn that runs in this worker, and what the store is known to have: `stored` code points and `preface`."""

    started: Started
    question: Question
    transcript: Transcript
    work: asyncio.Task[Answer]
    preface: Preface
    stored: int = 0
    stopped: Ending | None = None
    ending: bool = False
    began: float = field(default_factory=time.monotonic)
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def stop(self, ending: Ending) -> None:
        """End the turn as soon as its graph lets go; the first reason given holds."""
        if self.stopped is None:  # once: another cancellation could interrupt what the graph does to let go
            self.stopped = ending
            self.work.cancel()

    def beat(self) -> Beat:
        """Return what to tell the store: all that it is not known to have."""
        preface = self.transcript.preface
        return Beat(
            self.started.turn_id,
            self.started.attempt,
            self.stored,
            self.transcript.text[self.stored :],
            None if preface is self.preface else preface,
        )

    def heard(self, beat: Beat, reply: Reply) -> None:
        """Take the store's reply to a beat."""
        match reply.order:
            case "go on":
                self.stored = reply.stored
                self.preface = beat.preface or self.preface
            case "stop":
                self.stop(Ending("cancelled"))
            case "lost":
                self.stop(Ending("interrupted", "interrupted"))


def question_of(asked: ChatRequest, earlier: Sequence[Message]) -> Question:
    """Return what the graph is asked: the question with its scope or selection, and the turns before it."""
    locale = asked.scope.locale or "en"
    if asked.selected_text is None:
        return GroundedQuestion(
            question=asked.question,
            scope=asked.scope,
            locale=locale,
            history=grounded_history(earlier),
        )
    return ConstrainedQuestion(
        question=asked.question,
        selection=Selection(text=asked.selected_text),
        locale=locale,
        earlier=selection_history(earlier, asked.selected_text),
    )


def outcome(run: Run) -> tuple[Answer | None, Ending]:
    """Return what a graph that ended left behind: its answer, or why there is none."""
    error = None if run.work.cancelled() else run.work.exception()
    if not run.work.cancelled() and error is None:
        return run.work.result(), Ending("completed")
    if run.stopped:
        return None, run.stopped
    code = error.code if isinstance(error, CitesideError) and error.code in FAILURES else "internal"
    log.error("turn failed", turn_id=run.started.turn_id, code=code, exc_info=error)
    return None, Ending("failed", code)


def told(run: Run, ending: Ending) -> Ending:
    """Return how the turn ended for its readers: where the store said otherwise, or another attempt took over, not as
    its graph ended."""
    if run.transcript.end is None:
        return Ending("interrupted", "interrupted") if run.transcript.lost else ending
    _, end = run.transcript.end
    return Ending(end.status, end.code)


def last_words(run: Run, answer: Answer | None, ending: Ending) -> Message:
    """Return the message of a turn that ended, complete or not; the store knows better when it was created."""
    metadata = run.transcript.preface.metadata()
    common = type(answer).model_fields.keys() & type(metadata).model_fields.keys() if answer else ()
    update = {name: getattr(answer, name) for name in common}
    update["notices"] = metadata.notices + (answer.notices if answer else ())
    update["scope"] = run.question.scope if isinstance(run.question, GroundedQuestion) else None
    update["timings"] = run.transcript.timings
    update["error"] = Failure(code=ending.code, detail=FAILURES[ending.code]) if ending.code else None
    return Message(
        id=run.started.message_id,
        thread_id=run.started.thread_id,
        turn_id=run.started.turn_id,
        attempt=run.started.attempt,
        seq=0,
        role="assistant",
        content=run.transcript.text,
        status=ending.status,
        created_at=datetime.now(UTC),
        tokens=answer.tokens if answer else None,
        model=answer.model if answer else None,
        metadata=metadata.model_copy(update=update),
    )
