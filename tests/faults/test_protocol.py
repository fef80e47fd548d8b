"""Random sequences of what readers and crashes do, against a model of the protocol that fits on a page.

The model knows what a turn is at, never how far: how much of a text is there at a moment is up to the clock. What it
says of a turn must be what either worker says, and every text must be a beginning of what the language model said.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.faults.conftest import Case
from tests.faults.fleet import LEASE, Fleet, Worker
from tests.faults.gears import MIXED, everywhere
from tests.faults.model import answer, question
from tests.faults.reader import PATIENCE, Reader, client_message_id

T = TypeVar("T")
Status = Literal["running", "completed", "cancelled", "failed", "interrupted"]

LONG, SHORT = {"tokens": 20_000, "pace": 0.01}, {"tokens": 8, "pace": 0.001}
WORKERS = st.sampled_from((0, 1))


@dataclass
class Modelled:
    """What is known of a turn: its question, its attempt, where it runs, and what it is at."""

    asked: str
    worker: int
    status: Status
    reader: Reader
    attempt: int = 1


class Protocol(RuleBasedStateMachine):
    """One session with one thread, two workers, and everything that may happen to them."""

    fleet: ClassVar[Fleet]
    portal: ClassVar[BlockingPortal]
    done: ClassVar[Counter[str]]
    turns = Bundle("turns")

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the event loop of the suite's servers."""
        return self.portal.call(_awaited, work)

    @initialize()
    def begin(self) -> None:
        """Come with a session, to a fleet that is whole."""
        self.fleet.mend()
        self.session = self.do(Reader.arrive(self.fleet))
        created = self.do(self.session.request("POST", "/threads", json={}))
        self.thread = created.raise_for_status().json()["id"]
        self.last: Modelled | None = None
        self.kills = 0

    @rule(target=turns, worker=WORKERS, long=st.booleans())
    def post(self, worker: int, long: bool) -> Any:
        """Ask: accepted unless the thread's turn runs, in which case the answer names it."""
        self.done["post"] += 1
        asked, reader = question(**(LONG if long else SHORT)), self.session.again()
        body = {"thread_id": self.thread, "client_message_id": client_message_id()}
        while not (reader.turn or reader.problem):
            self.do(reader.ask(self.fleet.workers[worker], asked, leave=0.3, **body))
        if self.last and self.last.status == "running":
            told = reader.status, reader.problem["code"], reader.problem["turn_id"]
            assert told == (409, "turn_running", self.last.reader.turn_id)
            return multiple()
        assert (reader.status, reader.attempt) == (200, 1)
        self.last = Modelled(asked, worker, "running", reader)
        self.see_through(self.last)
        return self.last

    @rule(turn=turns, worker=WORKERS, leave=st.floats(0.01, 0.4))
    def rejoin(self, turn: Modelled, worker: int, leave: float) -> None:
        """Read on for a while: what comes fits what was there, on any worker."""
        self.done["rejoin"] += 1
        self.do(turn.reader.rejoin(self.fleet.workers[worker], leave=leave))
        assert turn.reader.status == 200
        self.check(turn)

    @rule(turn=turns, worker=WORKERS)
    def stop(self, turn: Modelled, worker: int) -> None:
        """Stop: the turn is over when the answer comes, on any worker."""
        self.done["stop"] += 1
        stopped = self.do(turn.reader.stop(self.fleet.workers[worker]))
        if turn.status == "running":
            turn.status = "cancelled"
        assert (stopped.status_code, stopped.json()["status"]) == (200, turn.status)

    @rule(turn=turns, worker=WORKERS)
    def retry(self, turn: Modelled, worker: int) -> None:
        """Retry: a further attempt of the thread's last turn when it has ended; refused otherwise."""
        self.done["retry"] += 1
        reader = self.session.again()
        reader.turn = turn.reader.turn
        while not (reader.attempt or reader.problem):
            self.do(reader.retry(self.fleet.workers[worker], turn.attempt, leave=0.3))
        if turn.status == "running":
            assert (reader.status, reader.problem["code"]) == (409, "turn_running")
        elif turn is not self.last:
            assert (reader.status, reader.problem["code"]) == (409, "turn_not_last")
        else:
            assert (reader.status, reader.attempt) == (200, turn.attempt + 1)
            turn.attempt, turn.worker, turn.status, turn.reader = turn.attempt + 1, worker, "running", reader
            self.see_through(turn)

    @precondition(lambda self: self.last is not None and self.kills < 2)
    @rule(worker=WORKERS)
    def kill(self, worker: int) -> None:
        """Kill a worker: its running turn is interrupted within the lease, and nobody else's."""
        self.done["kill"] += 1
        self.kills += 1
        self.fleet.workers[worker].kill()
        if self.last and self.last.status == "running" and self.last.worker == worker:
            self.do(self.last.reader.to_the_end(self.fleet.workers[1 - worker]))
            self.last.status = "interrupted"
            self.check(self.last)
        self.fleet.mend()

    @invariant()
    def both_workers_say_what_the_model_says(self) -> None:
        """Compare the state of the last turn."""
        if getattr(self, "last", None):
            for worker in self.fleet.workers:
                self.agrees(self.last, worker)

    def agrees(self, turn: Modelled, worker: Worker) -> None:
        """Compare a turn with what a worker says of it."""
        told = self.do(turn.reader.request("GET", f"/turns/{turn.reader.turn_id}", worker)).json()
        assert (told["status"], told["attempt"]) == (turn.status, turn.attempt)

    def see_through(self, turn: Modelled) -> None:
        """Read a short answer to its end; a long one runs until it is stopped or its worker killed."""
        if "tokens=8 " in turn.asked:
            self.do(turn.reader.to_the_end())
            turn.status = "completed"
        self.check(turn)

    def check(self, turn: Modelled) -> None:
        """Compare what a reader of a turn holds with what it may hold."""
        reader = turn.reader
        said = answer(turn.asked, max(self.fleet.model.answered[turn.asked], 1))
        assert said.startswith(reader.text)
        if reader.end:
            assert reader.end["status"] == turn.status
            assert (turn.status == "completed") == (reader.text == said)

    def teardown(self) -> None:
        """End what still runs, and read the last turn to its end once more."""
        if last := getattr(self, "last", None):
            self.do(last.reader.stop(self.fleet.workers[0]))
            if last.status == "running":
                last.status = "cancelled"
            self.do(last.reader.to_the_end())
            self.check(last)


async def _awaited(work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(PATIENCE + LEASE):
        return await work


@everywhere
def test_any_sequence_of_events_is_as_the_protocol_says(standing: Fleet, case: Case, portal: BlockingPortal) -> None:
    machine = type("OnThisDatabase", (Protocol,), {"fleet": standing, "portal": portal, "done": Counter()})
    quick = standing.name == MIXED
    with case(48) as note, portal.wrap_async_context_manager(standing.online()):
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=2 if quick else 15,
                stateful_step_count=8 if quick else 15,
                derandomize=quick,
                database=None,
                phases=[Phase.generate],  # each takes seconds, so that making one smaller takes too long
                suppress_health_check=list(HealthCheck),
            ),
        )
        note(", ".join(f"{count} × {what}" for what, count in machine.done.items()))
