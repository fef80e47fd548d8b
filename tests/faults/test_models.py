"""Language models that refuse, stall, break off, and end without having ended."""

import asyncio

import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import Fleet, Worker
from tests.faults.gears import everywhere, only_whole, together
from tests.faults.model import answer, question
from tests.faults.reader import Reader

pytestmark = pytest.mark.anyio

SELECTION = "A session lasts 30 days after it was last seen. Its key is secret."


@everywhere
async def test_a_model_that_misbehaves_costs_no_reader_the_truth(fleet: Fleet, case: Case) -> None:
    await together(
        _before_the_first_token(fleet, case),
        _stalls(fleet, case),
        _breaks_off(fleet, case),
        _ends_without_a_reason(fleet, case),
        _ends_for_another_reason(fleet, case),
    )


async def _before_the_first_token(fleet: Fleet, case: Case) -> None:
    with case(37):
        await together(
            *(
                _is_replaced_each_time(fleet, worker, body)
                for worker, body in zip(fleet.workers, ({}, {"selected_text": SELECTION}), strict=True)
            )
        )


async def _is_replaced_each_time(fleet: Fleet, worker: Worker, body: dict[str, str]) -> None:
    """Meet each failure once, with a good answer in between, so that the worker does not give the model up."""
    for fault in ("429", "500", "refused", "silent", "empty"):
        asked = question(fault=fault)
        await _is_replaced(fleet, worker, asked, body)
        assert 1 <= fleet.model.asked[asked] <= 2, asked
        good = await (await Reader.arrive(fleet)).ask(worker, fine := question())
        assert good.text == answer(fine)


async def _is_replaced(fleet: Fleet, worker: Worker, asked: str, body: dict[str, str]) -> None:
    reader = await Reader.arrive(fleet)
    await reader.ask(worker, asked, **body)
    assert reader.end == {"status": "completed", "length": len(reader.text)}, (asked, reader.end)
    assert reader.message and reader.message["model"] == "extractive" and reader.text
    assert [notice["code"] for notice in reader.message["notices"]] == ["model_unavailable"], (asked, reader.message)
    assert await fleet.stored(reader.turn_id) == ("completed", reader.text)


async def _stalls(fleet: Fleet, case: Case) -> None:
    with case(38):
        await _fails(fleet, question(fault="stall@10"), "timeout", tokens=10)


async def _breaks_off(fleet: Fleet, case: Case) -> None:
    with case(39):
        await together(
            *(
                _fails(fleet, question(fault=f"{fault}@10"), "model_failed", tokens=10)
                for fault in ("cut", "malformed", "error")
            )
        )


async def _ends_without_a_reason(fleet: Fleet, case: Case) -> None:
    with case(40):
        await _fails(fleet, question(finish="none"), "truncated", tokens=20)


async def _fails(fleet: Fleet, asked: str, code: str, tokens: int) -> None:
    reader = await Reader.arrive(fleet)
    await reader.ask(fleet.any, asked)
    assert reader.end and (reader.end["status"], reader.end.get("code")) == ("failed", code), (asked, reader.end)
    assert reader.end["retry"] is True and "secret-of-the-provider" not in str(reader.end)
    assert reader.text.rstrip() == answer(asked, tokens=tokens).rstrip()  # a blank at the end may have been held back
    assert await fleet.stored(reader.turn_id) == ("failed", reader.text)


async def _ends_for_another_reason(fleet: Fleet, case: Case) -> None:
    with case(41):
        reader = await Reader.arrive(fleet)
        await reader.ask(fleet.any, asked := question(finish="length"))
        assert reader.end == {"status": "completed", "length": len(answer(asked)), "truncated": True}
        assert await fleet.stored(reader.turn_id) == ("completed", answer(asked))
        await _fails(fleet, question(finish="content_filter"), "filtered", tokens=20)


@only_whole
async def test_a_model_that_stays_away_is_spared_and_so_is_the_wait(fleet: Fleet, case: Case) -> None:
    worker = fleet.workers[0]
    with case(50):
        try:
            for _ in range(3):
                await _is_replaced(fleet, worker, question(fault="500"), {})
            await _is_replaced(fleet, worker, asked := question(), {})
            assert fleet.model.asked[asked] == 0
        finally:
            await asyncio.to_thread(worker.stop)  # it would spare the model for half a minute
