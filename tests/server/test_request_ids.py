"""One id for a request: in its answer, in its problem, and in every line that was written for it or for its turn."""

import asyncio
from typing import Any

import pytest

from server.logs import log_for
from tests.server.conftest import Lines
from tests.server.http import Reader
from tests.server.stand_ins import Scripted

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines(lines: Lines) -> Lines:
    """What this server logged, without its clients."""
    return lambda: [line for line in lines() if line["logger"].startswith("server")]


async def test_a_request_without_an_id_is_given_one(reader: Reader, lines: Lines) -> None:
    answers = [await reader.client.get("/healthz") for _ in range(2)]
    given = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(given)) == 2
    assert [line["request_id"] for line in lines()] == given


@pytest.mark.parametrize("id", ["k8s-7.Q_9", "x" * 64])
async def test_the_id_of_a_proxy_is_kept(reader: Reader, lines: Lines, id: str) -> None:
    answer = await reader.client.get("/healthz", headers={"X-Request-Id": id})
    assert answer.headers.get_list("x-request-id") == [id]
    assert [line["request_id"] for line in lines()] == [id]


@pytest.mark.parametrize("id", ["", "x" * 65, "a b", 'a"b', "a\tb", "ü"])
async def test_an_id_that_is_no_id_is_replaced(reader: Reader, lines: Lines, id: str) -> None:
    answer = await reader.client.get("/healthz", headers={"X-Request-Id": id.encode()})
    assert answer.headers["x-request-id"] != id
    assert [line["request_id"] for line in lines()] == [answer.headers["x-request-id"]]


async def test_a_problem_names_its_request_and_the_log_its_code(reader: Reader, lines: Lines) -> None:
    wrong = {
        "unknown": await reader.client.get("/nowhere"),
        "no token": await reader.client.get("/threads"),
        "too large": await reader.client.post("/chat", content=b"x" * 300_000),
        "invalid": await reader.request("POST", "/chat", message=""),
    }
    told = {what: (answer.json()["request_id"], answer.json()["code"]) for what, answer in wrong.items()}
    assert [id for id, _ in told.values()] == [answer.headers["x-request-id"] for answer in wrong.values()]
    assert [(line["request_id"], line["code"]) for line in lines()] == list(told.values())


async def test_what_nobody_foresaw_has_an_id_too(reader: Reader, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("xyzzy")

    monkeypatch.setattr("persistence.threads.Threads.list", fails)
    answer = await reader.request("GET", "/threads")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    (line,) = lines()
    assert line["request_id"] == answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_lines_of_a_turn_carry_the_request_that_began_it(
    reader: Reader, model: Scripted, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = model.answer

    async def answer(*given: Any) -> Any:
        log_for("server.test").info("asked")
        async for piece in said(*given):
            yield piece

    monkeypatch.setattr(model, "answer", answer)
    model.error = ValueError("xyzzy")
    asked = await asyncio.gather(*(reader.request("POST", "/chat/stream", message="How long?") for _ in range(2)))
    whole = {(one.headers["x-request-id"], one.headers["citeside-turn-id"]) for one in asked}
    assert len(whole) == 2
    for event in ("asked", "turn failed", "turn ended", "request"):
        assert {(line["request_id"], line["turn_id"]) for line in lines() if line["event"] == event} == whole, event


async def test_what_is_done_for_all_turns_names_no_request(
    reader: Reader, model: Scripted, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("xyzzy")

    monkeypatch.setattr("persistence.turns.Turns.renew", fails)
    model.may_go_on.clear()
    asking = asyncio.create_task(reader.stream("How long?"))
    while not (failed := [line for line in lines() if line["event"] == "turns not renewed"]):
        await asyncio.sleep(0.01)
    assert not failed[0].keys() & {"request_id", "turn_id"}
    model.may_go_on.set()
    await asking
