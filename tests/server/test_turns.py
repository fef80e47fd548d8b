"""Turns over HTTP: what streams, what is stored, and what happens when somebody leaves."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from sse_starlette.sse import AppStatus

from graph.errors import IndexUnavailable, ModelFailed
from graph.types import Exchange, Passage, Scope
from persistence.postgres import Database
from persistence.turns import TurnIds, Turns
from server import sse, turns
from server.app import create_app
from server.problems import Problem
from server.routes import chat
from server.service import open_service
from server.settings import Settings
from tests.server.http import Event, Reader, in_process, on_a_port, parse
from tests.server.stand_ins import PASSAGE, KnownPassages, Scripted, Trap, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
ANSWER = "A session expires 30 days after it was last seen. [1]"
SELECTION = "A session expires 30 days after it was last seen."
CONSTRAINED = f"Answer constrained to provided text.\n\n{SELECTION}"


def told(events: list[Event]) -> list[tuple[str, str, Any]]:
    """Return events without what no test can know: ids, times, how text is cut, and which steps lasted long enough."""
    unknown = ("thread_id", "turn_id", "user_message_id", "message_id", "id", "created_at")
    known: list[tuple[str, str, Any]] = []
    for event in events:
        if event.event == "delta" and known[-1][0] == "delta":
            known[-1] = ("delta", event.id, {"text": known[-1][2]["text"] + event.data["text"]})
        elif event.event != "status":
            data = {name: value for name, value in event.data.items() if name not in unknown}
            known.append((event.event, event.id, data))
    return known


async def test_a_grounded_answer_streams_in_the_agreed_order(reader: Reader) -> None:
    events = await reader.stream(QUESTION)
    named = {"url": PASSAGE.url, "path": PASSAGE.path, "title": "Sessions", "heading": "Expiry"}
    cited = {"marker": 1, "at": 50, "passage_id": PASSAGE.id, **named, "quote": SELECTION, "start": 0, "end": 49}
    assert told(events) == [
        ("turn", "1:0", {"mode": "grounded", "label": None, "attempt": 1, "reset": False}),
        ("passages", "1:0", {"passages": [{"marker": 1, "id": PASSAGE.id, **named, "score": 0.9}]}),
        ("delta", "1:53", {"text": ANSWER}),
        (
            "message",
            "1:53",
            {
                "attempt": 1,
                "role": "assistant",
                "content": ANSWER,
                "status": "completed",
                "mode": "grounded",
                "label": None,
                "outcome": "answered",
                "notices": [],
                "model": "scripted",
                "tokens": 12,
                "citations": [cited],
                "grounding": {"passages": [{"id": PASSAGE.id, "url": PASSAGE.url, "score": 0.9}], "unsupported": []},
                "verdict": None,
                "nearest": [],
            },
        ),
        ("end", "1:53", {"status": "completed", "length": 53}),
    ]


async def test_an_answer_about_a_selection_streams_its_label_first_and_its_verdict(
    reader: Reader, model: Scripted
) -> None:
    events = await reader.stream(QUESTION, selected_text=SELECTION)
    first = next(event for event in events if event.event == "delta")
    assert first.data["text"].startswith("Answer constrained to provided text.\n\n")
    verdict = {"verdict": "sufficient", "used": [{"start": 0, "end": 49}], "missing": [], "widen": []}
    assert told(events) == [
        (
            "turn",
            "1:0",
            {"mode": "constrained", "label": "Answer constrained to provided text.", "attempt": 1, "reset": False},
        ),
        ("verdict", "1:0", {"verdict": verdict}),
        ("delta", "1:87", {"text": CONSTRAINED}),
        (
            "message",
            "1:87",
            {
                "attempt": 1,
                "role": "assistant",
                "content": CONSTRAINED,
                "status": "completed",
                "mode": "constrained",
                "label": "Answer constrained to provided text.",
                "outcome": "answered",
                "notices": [],
                "model": "scripted",
                "tokens": 7,
                "citations": [],
                "grounding": {"passages": [], "unsupported": []},
                "verdict": verdict,
                "nearest": [],
            },
        ),
        ("end", "1:87", {"status": "completed", "length": 87}),
    ]


class SlowToFind(KnownPassages):
    """Takes its time."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return the passage after a while."""
        await asyncio.sleep(0.3)
        return await super().search(query, scope=scope, limit=limit)


async def test_steps_that_last_are_told(settings: Settings, model: Scripted) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=SlowToFind())
    model.pieces = (ANSWER,)  # nothing comes before the test agrees
    model.may_go_on.clear()
    async with in_process(create_app(settings, opening=opening)) as client:
        asking = asyncio.create_task((await Reader.arrive(client)).stream(QUESTION))
        while not model.seen:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        model.may_go_on.set()
        events = await asking
    kinds = [event.data["step"] if event.event == "status" else event.event for event in events]
    in_between = ("reading", "checking")  # may take long on a busy machine
    assert [kind for kind in kinds if kind not in in_between] == [
        "turn", "retrieving", "passages", "answering", "delta", "message", "end"
    ]  # fmt: skip


async def test_a_step_that_is_over_sooner_is_not_told(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.transcript.STATUS_AFTER", 60)
    assert "status" not in {event.event for event in await reader.stream(QUESTION)}


@pytest.mark.parametrize("mode", [{}, {"selected_text_mode": True}, {"selected_text_mode": False}])
async def test_a_turn_with_a_selection_never_searches(
    settings: Settings, model: Scripted, mode: dict[str, Any]
) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=Trap())
    async with in_process(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = await reader.request("POST", "/chat", message=QUESTION, selected_text=SELECTION, **mode)
        assert answer.json()["message"]["content"] == CONSTRAINED
        turn = await reader.request("GET", f"/turns/{answer.json()['turn_id']}")
        assert turn.json()["mode"] == "constrained"
        trapped = await reader.request("POST", "/chat", message=QUESTION)
        assert (trapped.status_code, trapped.json()["code"]) == (503, "internal")


async def test_the_plain_answer_is_the_message_of_the_stream_and_of_the_list(reader: Reader) -> None:
    answer = (await reader.request("POST", "/chat", message=QUESTION)).json()
    question, listed = await reader.messages(answer["thread_id"])
    assert listed == answer["message"] | {"feedback": None}
    joined = await reader.request("GET", f"/turns/{answer['turn_id']}")
    assert joined.json() == {
        "id": answer["turn_id"],
        "thread_id": answer["thread_id"],
        "user_message_id": question["id"],
        "message_id": listed["id"],
        "mode": "grounded",
        "status": "completed",
        "attempt": 1,
        "error": None,
        "created_at": joined.json()["created_at"],
        "finished_at": joined.json()["finished_at"],
    }


async def test_a_question_is_listed_with_its_selection_and_page(reader: Reader) -> None:
    source = {"path": "sessions/", "version": "current", "locale": "en"}
    selector = {"prefix": "🙂 ", "start": 3, "end": 52}
    events = await reader.stream(QUESTION, selected_text=SELECTION, source=source, selector=selector)
    question, _ = await reader.messages(events[0].data["thread_id"])
    assert question == {
        "id": events[0].data["user_message_id"],
        "turn_id": events[0].data["turn_id"],
        "attempt": 1,
        "role": "user",
        "content": QUESTION,
        "status": "completed",
        "created_at": question["created_at"],
        "selection": {"text": SELECTION},
        "source": {"url": None, "title": None, "heading_id": None, **source},
        "selector": {"suffix": None, **selector},
    }


async def test_what_a_turn_knew_is_kept_in_the_database(reader: Reader, database: Database) -> None:
    events = await reader.stream(QUESTION, source={"version": "1.0", "locale": "de", "path": "a/"}, metadata={"k": 1})
    rows = await database.fetch(
        "select role, metadata from messages where turn_id = $1 order by seq", events[0].data["turn_id"]
    )
    asked, answered = (row["metadata"] for row in rows)
    assert asked["client"] == {"k": 1}
    assert answered["scope"] == {"version": "1.0", "locale": "de", "path": "a/"}
    steps = ["condensing?", "retrieving", "reading", "passages", "answering", "first_text", "checking", "end"]
    assert sorted(answered["timings"], key=answered["timings"].get) == steps[1:]
    assert [citation["passage_id"] for citation in answered["citations"]] == [PASSAGE.id]


async def test_offsets_count_code_points(reader: Reader, model: Scripted) -> None:
    model.pieces = ("🙂👍🏽", " é")
    events = await reader.stream(QUESTION)
    assert [(event.id, event.data["text"]) for event in events if event.event == "delta"] == [("1:5", "🙂👍🏽 é")]
    assert events[-1].data["length"] == 5


async def test_text_that_cannot_be_stored_is_shown_as_it_is_stored(reader: Reader, model: Scripted) -> None:
    model.pieces = ("A\x00B", "C\ud800")
    events = await reader.stream(QUESTION)
    shown = "".join(event.data["text"] for event in events if event.event == "delta")
    assert shown == events[-2].data["content"] == "A\ufffdBC\ufffd"


async def test_the_first_words_are_shown_while_the_model_still_writes(settings: Settings, model: Scripted) -> None:
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        body = {"message": QUESTION}
        async with client.stream("POST", "/chat/stream", json=body, headers=reader.headers) as response:
            assert response.headers["x-accel-buffering"] == "no"
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            async for line in lines:
                if line == "event: delta":
                    break
            model.may_go_on.set()
            assert "event: end" in [line async for line in lines]


async def test_a_silent_stream_is_pinged_and_loses_nothing(
    settings: Settings, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "PING", 0.05)
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        body, seen, pings = {"message": QUESTION}, "", 0
        async with client.stream("POST", "/chat/stream", json=body, headers=reader.headers) as response:
            async for line in response.aiter_lines():
                pings += line == ": ping"
                if pings == 3:
                    model.may_go_on.set()
                seen += "" if line.startswith(":") else f"{line}\r\n"
        assert pings >= 3
        events = parse(seen)
        assert "".join(event.data["text"] for event in events if event.event == "delta") == ANSWER
        assert [event.event for event in events][-2:] == ["message", "end"]


async def test_a_stream_is_read_to_its_end_while_the_server_stops(
    settings: Settings, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        body = {"message": QUESTION}
        async with client.stream("POST", "/chat/stream", json=body, headers=reader.headers) as response:
            lines = response.aiter_lines()
            async for line in lines:
                if line == "event: delta":
                    break
            monkeypatch.setattr(AppStatus, "should_exit", True)  # as SIGTERM does; looked at twice a second
            await asyncio.sleep(1)
            model.may_go_on.set()
            assert "event: end" in [line async for line in lines]


async def test_a_reader_who_leaves_stops_nothing(settings: Settings, model: Scripted) -> None:
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        body = {"message": QUESTION}
        async with client.stream("POST", "/chat/stream", json=body, headers=reader.headers) as response:
            turn_id = response.headers["citeside-turn-id"]
            async for line in response.aiter_lines():
                if line == "event: delta":
                    break
        state = (await reader.request("GET", f"/turns/{turn_id}")).json()
        assert state["status"] == "running"
        while not (running := (await reader.messages(state["thread_id"]))[1])["content"]:
            await asyncio.sleep(0.01)
        assert (running["status"], running["content"]) == ("running", "A session expires")
        model.may_go_on.set()
        while (await reader.request("GET", f"/turns/{turn_id}")).json()["status"] == "running":
            await asyncio.sleep(0.01)
        _, answer = await reader.messages(state["thread_id"])
        assert (answer["status"], answer["content"]) == ("completed", ANSWER)


async def test_a_running_turn_is_followed_by_its_own_session_alone(settings: Settings, model: Scripted) -> None:
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    app = create_app(settings, opening=opening)
    async with in_process(app) as client:
        reader, stranger = await Reader.arrive(client), await Reader.arrive(client)
        asking = asyncio.create_task(reader.stream(QUESTION))
        turn_id = UUID(await running_turn(reader))
        async with aclosing(app.state.service.engine.follow(stranger.session, turn_id)) as events:
            with pytest.raises(Problem, match="There is no such turn"):
                await anext(events)
        model.may_go_on.set()
        await asking


async def test_the_same_question_sent_again_joins_its_turn(reader: Reader, model: Scripted) -> None:
    sent = {"message": QUESTION, "client_message_id": str(uuid4())}
    model.may_go_on.clear()
    asking = [asyncio.create_task(reader.request("POST", "/chat/stream", **sent)) for _ in range(5)]
    await asyncio.sleep(2 * turns.TICK)
    model.may_go_on.set()
    streams = [parse(response.text) for response in await asyncio.gather(*asking)]
    assert len({events[0].data["turn_id"] for events in streams}) == 1
    assert len(model.seen) == 1
    later = await reader.stream(**sent)
    for events in (*streams, later):
        assert "".join(event.data["text"] for event in events if event.event == "delta") == ANSWER
        assert events[-2:] == later[-2:]


async def test_a_client_message_id_does_not_stand_for_two_questions(reader: Reader) -> None:
    key = str(uuid4())
    await reader.stream(QUESTION, client_message_id=key)
    refused = await reader.request("POST", "/chat", message="Another one?", client_message_id=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "client_message_id_reused")


async def test_a_thread_answers_one_question_at_a_time(reader: Reader, model: Scripted) -> None:
    thread_id = (await reader.request("POST", "/threads")).json()["id"]
    model.may_go_on.clear()
    first = asyncio.create_task(reader.stream(QUESTION, thread_id=thread_id))
    while not (running := (await reader.request("GET", f"/threads/{thread_id}")).json()["running_turn_id"]):
        await asyncio.sleep(0.01)
    refused = await reader.request("POST", "/chat", message="Another one?", thread_id=thread_id)
    assert (refused.status_code, refused.json()["code"], refused.json()["turn_id"]) == (409, "turn_running", running)
    model.may_go_on.set()
    await first
    assert (await reader.request("POST", "/chat", message="And now?", thread_id=thread_id)).status_code == 200


async def test_a_plain_question_that_takes_long_is_accepted(
    reader: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "PATIENCE", 0.05)
    model.may_go_on.clear()
    accepted = await reader.request("POST", "/chat", message=QUESTION)
    assert (accepted.status_code, accepted.json()) == (202, {"turn_id": accepted.headers["citeside-turn-id"]})
    model.may_go_on.set()


async def test_a_model_that_breaks_off_leaves_what_it_said(reader: Reader, model: Scripted) -> None:
    model.error = ModelFailed("the stream was cut")
    events = await reader.stream(QUESTION)
    assert (events[-2].event, events[-2].data["content"], events[-2].data["status"]) == (
        "message",
        "A session expires",
        "failed",
    )
    assert events[-1].data == {
        "status": "failed",
        "length": 17,
        "code": "model_failed",
        "detail": "The language model broke off. What it had written is kept; try again.",
        "retry": True,
    }
    plain = await reader.request("POST", "/chat", message=QUESTION)
    assert (plain.status_code, plain.json()["message"]["status"]) == (200, "failed")


async def test_a_fault_of_ours_ends_the_turn_and_tells_nothing(reader: Reader, model: Scripted) -> None:
    model.error = ValueError("secret words")
    events = await reader.stream(QUESTION)
    assert events[-1].data == {
        "status": "failed",
        "length": 17,
        "code": "internal",
        "detail": "Something went wrong on the server.",
        "retry": True,
    }


class Away:
    """A retriever whose index is away."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        raise IndexUnavailable("no reply from http://10.0.0.7:6333 in 5 s")


async def test_without_its_index_the_server_says_so_and_not_where_it_is(settings: Settings, model: Scripted) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=Away())
    async with in_process(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = await reader.request("POST", "/chat", message=QUESTION)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json() == {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "code": "index_unavailable",
            "detail": "The documentation cannot be searched. Try again in a moment.",
            "retry_after": 5,
            "turn_id": answer.headers["citeside-turn-id"],
            "request_id": answer.headers["x-request-id"],
        }
        search = await reader.request("GET", "/search?q=sessions")
        assert (search.status_code, search.json()["code"]) == (503, "index_unavailable")


async def test_a_turn_stopped_elsewhere_keeps_what_was_written(
    reader: Reader, model: Scripted, database: Database
) -> None:
    model.may_go_on.clear()
    asking = asyncio.create_task(reader.stream(QUESTION))
    turn_id = await running_turn(reader)
    await Turns(database).cancel(reader.session, turn_id)
    events = await asking
    assert events[-2].data["content"] == "A session expires"
    assert events[-1].data == {"status": "cancelled", "length": 17, "retry": True}


async def test_deleting_a_thread_stops_the_turn_in_it(reader: Reader, model: Scripted) -> None:
    model.may_go_on.clear()
    asking = asyncio.create_task(reader.stream(QUESTION))
    turn_id = await running_turn(reader)
    thread_id = (await reader.request("GET", f"/turns/{turn_id}")).json()["thread_id"]
    assert (await reader.request("DELETE", f"/threads/{thread_id}")).status_code == 204
    events = await asking
    assert events[-1].data == {"status": "cancelled", "length": 17, "retry": True}


async def test_a_server_that_stops_keeps_what_was_written(
    settings: Settings, model: Scripted, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "DRAIN", 0.05)
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        asking = asyncio.create_task(reader.stream(QUESTION))
        turn_id = await running_turn(reader)
        await asyncio.sleep(0.05)
    assert (await asking)[-1].data["status"] == "interrupted"
    turn = await Turns(database).get(reader.session, turn_id)
    assert turn and turn.status == "interrupted"


async def test_a_turn_that_takes_too_long_fails(
    reader: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LONGEST_TURN", 0.1)
    model.may_go_on.clear()
    events = await reader.stream(QUESTION)
    assert (events[-1].data["status"], events[-1].data["code"]) == ("failed", "timeout")


@dataclass
class Noting(KnownPassages):
    """Finds a passage and notes what it was asked; it answers when it may."""

    asked: list[str] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        self.asked.append(query)
        await self.may_answer.wait()
        return await super().search(query, scope=scope, limit=limit)


async def test_the_docs_are_searched_while_the_question_is_stored(
    settings: Settings, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    retriever = Noting()
    store = Turns.start

    async def store_once_searched(store_of: Turns, token: str, ids: TurnIds, **named: Any) -> Any:
        if named["mode"] == "grounded" and ids.opens_thread:
            while not retriever.asked:
                await asyncio.sleep(0.01)
            retriever.may_answer.set()
        return await store(store_of, token, ids, **named)

    monkeypatch.setattr(Turns, "start", store_once_searched)
    opening = partial(open_service, answerers=answerers(model), retriever=retriever)
    async with in_process(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        thread_id = (await reader.stream(QUESTION))[0].data["thread_id"]
        assert retriever.asked == [QUESTION]  # once, ahead
        await reader.stream(QUESTION, selected_text=SELECTION)
        assert retriever.asked == [QUESTION]
        await reader.stream("And what about it?", thread_id=thread_id)
        assert len(retriever.asked) == 2  # once, after the history is known
        refused = await reader.request("POST", "/chat", message=QUESTION, thread_id=str(uuid4()))
        assert refused.status_code == 404


async def test_no_model_is_asked_before_the_question_is_stored(
    reader: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Turns.start

    async def store_slowly(*args: Any, **named: Any) -> Any:
        before = len(model.seen)
        await asyncio.sleep(0.2)
        assert len(model.seen) == before
        return await store(*args, **named)

    monkeypatch.setattr(Turns, "start", store_slowly)
    same = str(uuid4())
    for _ in range(2):
        events = await reader.stream(QUESTION, client_message_id=same)
        assert (events[-1].data["status"], len(model.seen)) == ("completed", 1)
    stranger = Reader(reader.client, reader.session, {"Authorization": "Bearer nobody's"})
    assert (await stranger.request("POST", "/chat", message=QUESTION)).status_code == 401
    await asyncio.sleep(0.1)
    assert len(model.seen) == 1


async def test_a_follow_up_sees_the_turns_of_its_kind_before_it(reader: Reader, model: Scripted) -> None:
    thread_id = (await reader.stream(QUESTION))[0].data["thread_id"]
    await reader.stream(QUESTION, thread_id=thread_id, selected_text=SELECTION)
    await reader.stream("What else is told about it?", thread_id=thread_id)
    again = "When does a session expire?"
    await reader.stream(again, thread_id=thread_id, selected_text=SELECTION)
    await reader.stream(again, thread_id=thread_id, selected_text=f"{SELECTION} That is long.")
    before = (Exchange(question=QUESTION, answer=SELECTION),)
    assert model.seen == [
        (QUESTION, ()),
        (QUESTION, ()),
        ("What else is told about it?", before),
        (again, before),
        (again, ()),
    ]


async def running_turn(reader: Reader) -> Any:
    """Wait until the reader's only thread is being answered and return the turn's id."""
    while True:
        threads = (await reader.request("GET", "/threads")).json()["data"]
        if threads and threads[0]["running_turn_id"]:
            return threads[0]["running_turn_id"]
        await asyncio.sleep(0.01)
