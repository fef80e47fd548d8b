"""Readers who come back: at their cursor, on any worker; and who stop a turn, or have it answered again."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from persistence.turns import Turns
from server import turns
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import Event, Reader, in_process, parse
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
PIECES = ("🙂👍🏽 A session ", "expires ", "30 days after it was last seen. [1]")
ANSWER = "".join(PIECES)
SELECTION = "A session expires 30 days after it was last seen."
BEGUN = len("🙂👍🏽 A session expires")
"""What is shown before the model waits: a blank is held back, for a marker may follow."""


@pytest.fixture
def model() -> Scripted:
    model = Scripted(PIECES)
    model.may_go_on.clear()
    return model


@pytest.fixture
async def elsewhere(reader: Reader, settings: Settings, tmp_path: Path) -> AsyncIterator[Reader]:
    """The same reader at another worker."""
    opening = partial(open_service, answerers=answerers(Scripted(PIECES)), retriever=KnownPassages())
    app = create_app(settings.model_copy(update={"data_dir": tmp_path}), opening=opening)
    async with in_process(app) as client:
        yield Reader(client, reader.session, reader.headers)


async def begin(reader: Reader, model: Scripted, **body: Any) -> tuple[asyncio.Task[list[Event]], dict[str, Any]]:
    """Ask; return the stream and the turn once the model waits and the text so far is stored."""
    asking = asyncio.create_task(reader.stream(QUESTION, **body))
    while not model.seen:
        await asyncio.sleep(0.01)
    await asyncio.sleep(2 * turns.TICK)
    threads = (await reader.request("GET", "/threads")).json()["data"]
    turn = await reader.request("GET", f"/turns/{threads[0]['running_turn_id']}")
    return asking, turn.raise_for_status().json()


async def rejoin(reader: Reader, turn_id: str, cursor: str | None = None) -> list[Event]:
    """Read a turn from a cursor to its end."""
    headers = reader.headers | ({"Last-Event-ID": cursor} if cursor is not None else {})
    response = await reader.client.get(f"/turns/{turn_id}/stream", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["citeside-turn-id"] == turn_id
    return parse(response.text)


def text_of(events: list[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.event == "delta")


def beginning(events: list[Event]) -> list[tuple[str, str]]:
    """Return the events before the first text, with their cursors, without steps."""
    names = [event.event for event in events]
    first = names.index("delta") if "delta" in names else names.index("message")
    return [(event.event, event.id) for event in events[:first] if event.event != "status"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_reader_goes_on_where_it_was_cut_off(
    reader: Reader, elsewhere: Reader, model: Scripted, where: str
) -> None:
    there = reader if where == "here" else elsewhere
    asking, turn = await begin(reader, model)
    cursors = [None, "1:0", "1:3", f"1:{BEGUN}", "0:0"]
    rejoining = [asyncio.create_task(rejoin(there, turn["id"], cursor)) for cursor in cursors]
    await asyncio.sleep(2 * turns.TICK)
    assert not any(task.done() for task in rejoining)
    model.may_go_on.set()
    whole = await asking
    for cursor, events in zip(cursors, await asyncio.gather(*rejoining), strict=True):
        known = int(cursor.partition(":")[2]) if cursor else 0
        assert text_of(events) == ANSWER[known:]
        assert beginning(events) == [("turn", f"1:{known}"), ("passages", f"1:{known}")]
        assert events[0].data["reset"] is (cursor == "0:0")
        assert events[-2:] == whole[-2:]
    later = await rejoin(there, turn["id"], "1:3")
    assert (text_of(later), beginning(later), later[-2:]) == (
        ANSWER[3:],
        [("turn", "1:3"), ("passages", "1:3")],
        whole[-2:],
    )


async def test_a_reader_with_more_than_is_there_is_told_where_the_text_ends(reader: Reader, model: Scripted) -> None:
    model.may_go_on.set()
    turn_id = (await reader.stream(QUESTION))[0].data["turn_id"]
    events = await rejoin(reader, turn_id, "1:9999")
    assert [(event.event, event.id) for event in events if event.event != "status"] == [
        ("turn", "1:9999"),
        ("passages", "1:9999"),
        ("message", f"1:{len(ANSWER)}"),
        ("end", f"1:{len(ANSWER)}"),
    ]


@pytest.mark.parametrize(
    "cursor", ["x", "1", "1:", "1:-1", "-1:0", "1:1:1", "1:99999999999", "1: 1", "１:1", "01:1", "' or 1=1 --"]
)
async def test_a_cursor_that_is_none_is_refused(reader: Reader, model: Scripted, cursor: str) -> None:
    model.may_go_on.set()
    turn_id = (await reader.stream(QUESTION))[0].data["turn_id"]
    headers = reader.headers | {"Last-Event-ID": cursor}
    response = await reader.client.get(
        f"/turns/{turn_id}/stream", headers={name: value.encode() for name, value in headers.items()}
    )
    assert (response.status_code, response.json()["code"]) == (400, "bad_last_event_id")
    assert len(cursor) < 3 or cursor not in response.text


@pytest.mark.parametrize("method, action", [("GET", "stream"), ("POST", "stop"), ("POST", "retry")])
async def test_a_turn_of_another_reader_is_as_unknown_as_one_that_never_was(
    reader: Reader, model: Scripted, method: str, action: str
) -> None:
    asking, turn = await begin(reader, model)
    stranger = await Reader.arrive(reader.client)
    answers = []
    for turn_id in (turn["id"], str(uuid4())):
        body = {"attempt": 1} if action == "retry" else {}
        answer = await stranger.request(method, f"/turns/{turn_id}/{action}", **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "turn_unknown")
        answers.append(answer.json() | {"request_id": None})
    assert answers[0] == answers[1]
    model.may_go_on.set()
    assert text_of(await asking) == ANSWER


async def test_asking_what_a_stream_allows_starts_nothing(reader: Reader, model: Scripted) -> None:
    for path in ("/chat", "/chat/stream"):
        for method in ("HEAD", "OPTIONS"):
            answer = await reader.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await reader.request("GET", "/threads")).json()["data"] == []
    assert not model.seen


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_stop_ends_the_turn_with_what_was_shown(
    reader: Reader, elsewhere: Reader, model: Scripted, where: str
) -> None:
    there = reader if where == "here" else elsewhere
    asking, turn = await begin(reader, model)
    stopped = (await there.request("POST", f"/turns/{turn['id']}/stop")).json()
    assert (stopped["status"], stopped["error"]) == ("cancelled", None)
    events = await asking
    assert events[-1].data == {"status": "cancelled", "length": BEGUN, "retry": True}
    assert events[-2].data["content"] == text_of(events) == ANSWER[:BEGUN]
    again = await there.request("POST", f"/turns/{turn['id']}/stop")
    assert (again.status_code, again.json()) == (200, stopped)
    model.may_go_on.set()
    follow_up = await there.request("POST", "/chat", message="And now?", thread_id=turn["thread_id"])
    assert follow_up.status_code == 200
    assert [m["content"] for m in await reader.messages(turn["thread_id"])][:2] == [QUESTION, ANSWER[:BEGUN]]


async def test_a_stop_after_the_end_changes_nothing(reader: Reader, model: Scripted) -> None:
    model.may_go_on.set()
    turn_id = (await reader.stream(QUESTION))[0].data["turn_id"]
    assert (await reader.request("POST", f"/turns/{turn_id}/stop")).json()["status"] == "completed"


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_retry_answers_the_same_question_again(
    reader: Reader, elsewhere: Reader, model: Scripted, where: str
) -> None:
    there = reader if where == "here" else elsewhere
    source = {"version": "2.0", "locale": "de"}
    asking, turn = await begin(reader, model, source=source, selected_text=SELECTION)
    running = await there.request("POST", f"/turns/{turn['id']}/retry", attempt=1)
    assert (running.status_code, running.json()["code"], running.json()["turn_id"]) == (409, "turn_running", turn["id"])
    await reader.request("POST", f"/turns/{turn['id']}/stop")
    former = (await asking)[-2].data
    model.may_go_on.set()
    answer = await there.request("POST", f"/turns/{turn['id']}/retry", attempt=1)
    assert answer.headers["citeside-turn-id"] == turn["id"]
    events = parse(answer.text)
    assert (events[0].id, events[0].data["attempt"], events[0].data["reset"]) == ("2:0", 2, True)
    assert (events[-2].data["mode"], events[-2].data["status"]) == ("constrained", "completed")
    assert events[-2].data["id"] != former["id"]
    question, listed = await reader.messages(turn["thread_id"])
    assert (question["id"], question["source"]["version"]) == (turn["user_message_id"], "2.0")
    assert listed["id"] == events[-2].data["id"]
    joined = parse((await there.request("POST", f"/turns/{turn['id']}/retry", attempt=1)).text)
    assert (joined[0].data["reset"], joined[-2:]) == (True, events[-2:])


async def test_only_the_last_turn_of_a_thread_is_answered_again(reader: Reader, model: Scripted) -> None:
    model.may_go_on.set()
    first = (await reader.stream(QUESTION))[0].data
    unknown = await reader.request("POST", f"/turns/{first['turn_id']}/retry", attempt=7)
    assert (unknown.status_code, unknown.json()["code"]) == (409, "attempt_unknown")
    await reader.stream("And now?", thread_id=first["thread_id"])
    refused = await reader.request("POST", f"/turns/{first['turn_id']}/retry", attempt=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "turn_not_last")


async def test_readers_of_a_worker_whose_turn_was_taken_over_are_moved_to_the_new_attempt(
    reader: Reader, elsewhere: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, turn = await begin(reader, model)
    following = asyncio.create_task(rejoin(elsewhere, turn["id"]))
    asleep = asyncio.Event()
    renew = Turns.renew

    async def renew_when_awake(store: Turns, worker: str, beats: Any) -> Any:
        if any(str(beat.turn_id) == turn["id"] and beat.attempt == 1 for beat in beats):
            await asleep.wait()
        return await renew(store, worker, beats)

    monkeypatch.setattr(Turns, "renew", renew_when_awake)
    service = elsewhere.client._transport.app.state.service  # pyright: ignore
    while not any(mirror.keeping for mirror in service.engine._mirrors._mirrors.values()):
        await asyncio.sleep(0.01)
    await service.turns._db.execute(
        "update turns set lease_until = now() - interval '1 s', worker = 'gone' where id = $1::text::uuid", turn["id"]
    )
    taken = parse((await elsewhere.request("POST", f"/turns/{turn['id']}/retry", attempt=1)).text)
    assert text_of(taken) == ANSWER
    asleep.set()
    for events in await asyncio.gather(asking, following):
        begun = [(event.id, event.data["reset"]) for event in events if event.event == "turn"]
        # Who looks just before the other attempt begins is told once more where it stands.
        assert [event for event in begun if event != (f"1:{BEGUN}", False)] == [("1:0", False), ("2:0", True)]
        assert text_of(events) == ANSWER[:BEGUN] + ANSWER
        assert events[-2:] == taken[-2:]
