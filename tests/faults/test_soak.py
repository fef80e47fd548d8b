"""A thousand turns with everything that readers do, after which nothing is left over."""

import asyncio
import random
from collections import Counter

import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import Fleet
from tests.faults.gears import only_whole
from tests.faults.model import answer, question
from tests.faults.reader import PATIENCE, Reader, client_message_id

pytestmark = pytest.mark.anyio

TURNS = 1_000
AT_ONCE = 20


@only_whole
async def test_a_thousand_turns_leave_nothing_behind(fleet: Fleet, case: Case) -> None:
    with case(49) as note:
        await _turns(fleet, 40)  # what is loaded and cached on first use is no leak
        await _quiet(fleet)
        tasks = [await worker.tasks() for worker in fleet.workers]
        resident = [worker.resident for worker in fleet.workers]
        ends = await _turns(fleet, TURNS)
        await _quiet(fleet)
        assert sum(ends.values()) == TURNS and set(ends) <= {"completed", "cancelled", "failed"}
        tasks_after = [await worker.tasks() for worker in fleet.workers]
        assert all(after <= before + 5 for before, after in zip(tasks, tasks_after, strict=True)), (tasks, tasks_after)
        grown = max(worker.resident / before for worker, before in zip(fleet.workers, resident, strict=True))
        assert grown < 1.5
        assert not await fleet.sql("select from turns where status = 'running'")
        assert not await fleet.sql("select from turn_deltas")
        told = ", ".join(f"{count} {status}" for status, count in sorted(ends.items()))
        note(f"{told}; {sum(tasks_after)} tasks after {sum(tasks)}, memory × {grown:.2f}")


async def _turns(fleet: Fleet, count: int) -> Counter[str]:
    """Have readers ask `count` questions, some at once, and return how their turns ended."""
    ends: Counter[str] = Counter()
    left = iter(range(count))

    async def readers() -> None:
        for _ in left:
            ends[await _a_turn(fleet)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(readers())
    return ends


async def _a_turn(fleet: Fleet) -> str:
    """Ask, leave and return, perhaps stop, perhaps retry; return how the turn ended in the end."""
    reader = await Reader.arrive(fleet)
    fault = random.choice(("", "", "", "cut@7", "malformed@7"))
    asked = question(tokens=random.choice((10, 40, 100)), pace=0.005, **({"fault": fault} if fault else {}))
    key = client_message_id()
    while not reader.turn:
        await reader.ask(fleet.any, asked, leave=random.choice((None, 0.02, 0.2)), client_message_id=key)
    if random.random() < 0.2:
        assert (await reader.stop(fleet.any)).status_code == 200
    await reader.to_the_end(leave=0.5)
    assert reader.end and reader.attempt == 1
    if reader.end["status"] != "completed" and random.random() < 0.5:
        await reader.retry(fleet.any, 1, leave=0.2)
        await reader.to_the_end(leave=0.5)
        assert reader.end and reader.attempt == 2
    # The model counts the answers that it began, which a turn that was stopped early did not come to.
    began = fleet.model.answered[asked]
    assert reader.end["status"] != "failed" or (fault and began == 1)
    whole = answer(asked, max(began, 1))
    assert reader.text == whole if reader.end["status"] == "completed" else whole.startswith(reader.text)
    return reader.end["status"]


async def _quiet(fleet: Fleet) -> None:
    """Wait until no connection to the database is busy, and none is left of those that did the work."""
    async with asyncio.timeout(PATIENCE):
        while True:
            (row,) = await fleet.sql(
                "select count(*) filter (where state <> 'idle') as busy, count(*) as all from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            if row["busy"] == 0 and row["all"] <= 20:
                break
            await asyncio.sleep(0.5)
    await asyncio.sleep(2)
