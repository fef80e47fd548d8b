"""ChatKit's protocol over HTTP: every frame and reply read by the protocol's own types."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import httpx
import pytest

from graph.errors import ModelFailed, StoreUnavailable
from graph.texts import say
from server.app import create_app
from server.problems import FAILURES
from server.service import open_service
from server.settings import Settings
from server.turns import TurnEngine
from tests.server.chatkit_oracle import Element, answer_of, frames, names, question, text_of
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import PASSAGE, KnownPassages, Scripted, Trap, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
ANSWER = "A session expires 30 days after it was last seen."
SELECTION = ANSWER
UNRELATED = "Bananas are yellow."
LABEL = "Answer constrained to provided text.\n\n"
ANSWERED = [
    "stream_options",
    "item.added assistant_message",
    "added",
    "text_delta",
    "annotation_added",
    "done",
    "item.done assistant_message",
]


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"chatkit": True})


@pytest.fixture
def element(reader: Reader) -> Element:
    return Element(reader)


@pytest.fixture
async def served(settings: Settings, model: Scripted) -> AsyncIterator[Element]:
    """An element in front of a server on a port, where streams can be read as they come and broken off."""
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(settings, opening=opening)) as client:
        yield Element(await Reader.arrive(client))


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def test_a_conversation_from_its_first_question_to_its_deletion(element: Element) -> None:
    asked = await element.create(QUESTION)
    assert names(asked) == ["created", "item.done user_message", *ANSWERED]
    thread, first = asked[0]["thread"], answer_of(asked)
    assert thread["title"] == QUESTION
    assert thread["created_at"].endswith("Z") and first["created_at"].endswith("Z")
    assert thread["items"] == {"data": [], "has_more": False}
    assert {e["item_id"] for e in asked if "item_id" in e} == {first["id"]}
    assert text_of(first) == ANSWER
    assert "".join(e["update"].get("delta", "") for e in asked if "update" in e) == ANSWER

    quoted = await element.add(thread["id"], QUESTION, SELECTION)
    assert names(quoted) == ["item.done user_message", *(name for name in ANSWERED if name != "annotation_added")]
    assert quoted[0]["item"]["quoted_text"] == SELECTION
    assert text_of(answer_of(quoted)) == LABEL + SELECTION

    lacking = text_of(answer_of(await element.add(thread["id"], "How many seats does the plan include?", UNRELATED)))
    assert lacking.startswith(LABEL + say("insufficient", "en"))
    assert "The least text that would help:" in lacking
    assert lacking.endswith(say("widen", "en"))

    followed = await element.add(thread["id"], "And why?")
    last = answer_of(followed)

    listed = await element.reply("threads.list", limit=9999)
    assert [t["id"] for t in listed["data"]] == [thread["id"]]
    whole = await element.reply("threads.get_by_id", thread_id=thread["id"])
    items = whole["items"]["data"]
    assert [item["type"] for item in items] == ["user_message", "assistant_message"] * 4
    assert items[1] == first and items[3] == answer_of(quoted) and items[7] == last
    assert items[0] == asked[1]["item"] and items[2] == quoted[0]["item"]

    again = await element.stream("threads.retry_after_item", thread_id=thread["id"], item_id=items[6]["id"])
    assert names(again) == ["item.removed", *ANSWERED]
    assert again[0]["item_id"] == last["id"]
    assert answer_of(again)["id"] != last["id"]
    newest = await element.reply("items.list", thread_id=thread["id"], limit=2)
    assert newest["data"] == [answer_of(again), items[6]]
    assert newest["has_more"] and newest["after"] == items[6]["id"]

    rated = await element.reply(
        "items.feedback", thread_id=thread["id"], item_ids=[items[6]["id"], answer_of(again)["id"]], kind="negative"
    )
    assert rated == {}
    messages = await element.reader.messages(thread["id"])
    assert messages[-1]["feedback"] == {"rating": "down", "reason": None, "note": None}

    renamed = await element.reply("threads.update", thread_id=thread["id"], title="Sessions")
    assert renamed == thread | {"title": "Sessions"}
    assert await element.reply("threads.delete", thread_id=thread["id"]) == {}
    assert (await element.reply("threads.list"))["data"] == []


async def test_a_citation_is_an_annotation_that_the_page_can_open(element: Element) -> None:
    (part,) = answer_of(await element.create(QUESTION))["content"]
    assert part["annotations"] == [
        {
            "type": "annotation",
            "index": len(ANSWER),
            "source": {
                "type": "entity",
                "id": f"{PASSAGE.id}:0-49",
                "title": "Sessions",
                "description": ANSWER,
                "icon": "document",
                "label": "Expiry",
                "inline_label": "1",
                "interactive": True,
                "data": {"path": PASSAGE.path, "url": PASSAGE.url, "quote": ANSWER},
            },
        }
    ]


async def test_a_quote_of_nothing_is_no_quote(element: Element) -> None:
    for quote in ("", " \n", None):
        assert text_of(answer_of(await element.create(QUESTION, quote))) == ANSWER


async def test_a_quote_is_all_that_an_answer_rests_on(settings: Settings, model: Scripted) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=Trap())
    async with in_process(create_app(settings, opening=opening)) as client:
        element = Element(await Reader.arrive(client))
        assert text_of(answer_of(await element.create(QUESTION, SELECTION))) == LABEL + SELECTION


async def test_a_tag_is_part_of_the_question(element: Element) -> None:
    tag = {"type": "input_tag", "id": "t", "text": "sessions", "data": {}}
    asked = question(
        "", content=[{"type": "input_text", "text": "How long do "}, tag, {"type": "input_text", "text": " last?"}]
    )
    told = await element.stream("threads.create", input=asked)
    assert told[1]["item"]["content"] == [{"type": "input_text", "text": "How long do @sessions last?"}]


async def test_the_page_says_where_the_reader_is(element: Element) -> None:
    where = {"source": {"path": "docs/", "locale": "de"}, "selector": {"prefix": "a"}, "theirs": 1}
    told = frames((await element.post("threads.create", {"input": question(QUESTION)}, metadata=where)).text)
    (asked, _) = await element.reader.messages(told[0]["thread"]["id"])
    assert {k: v for k, v in asked["source"].items() if v} == where["source"]
    assert asked["selector"]["prefix"] == "a"
    for wrong in ({"source": {"path": 1}}, {"source": {"paht": "docs/"}}, {"selector": "a"}):
        answer = await element.post("threads.create", {"input": question(QUESTION)}, metadata=wrong)
        assert code(answer) == (422, "invalid_request")


async def test_the_first_question_names_a_thread_that_was_opened_empty(element: Element) -> None:
    thread = (await element.reader.request("POST", "/threads")).json()
    assert "title" not in (await element.reply("threads.get_by_id", thread_id=thread["id"]))
    told = await element.add(thread["id"], QUESTION)
    assert names(told)[:2] == ["updated", "item.done user_message"]
    assert told[0]["thread"]["title"] == QUESTION


@pytest.mark.parametrize(("language", "spoken"), [("de-AT", "de"), ("de;q=0.9, en", "de"), ("fr", "en")])
async def test_fixed_words_are_in_the_language_of_the_element(element: Element, language: str, spoken: str) -> None:
    element.headers["accept-language"] = language
    told = await element.create("How many seats does the plan include?", UNRELATED)
    assert text_of(answer_of(told)).endswith(say("widen", spoken))


async def test_a_model_that_breaks_off_is_told_in_the_stream(element: Element, model: Scripted) -> None:
    model.error = ModelFailed("gone")
    told = await element.create(QUESTION)
    assert names(told)[-2:] == ["item.done assistant_message", "error"]
    detail = FAILURES["model_failed"]
    assert told[-1] == {"type": "error", "code": "custom", "message": detail, "allow_retry": True}
    assert text_of(answer_of(told)) == f"A session expires\n\n_{detail}_"
    thread_id = told[0]["thread"]["id"]
    (_, item) = (await element.reply("items.list", thread_id=thread_id, order="asc"))["data"]
    assert item == answer_of(told)
    model.error = None
    again = await element.add(thread_id, QUESTION)  # its stream was read to the end: the same words ask anew
    assert text_of(answer_of(again)) == ANSWER


@dataclass
class Asking:
    """A question on an open connection, read as far as its first text."""

    events: AsyncGenerator[dict[str, Any]]
    told: list[dict[str, Any]]
    turn_id: str
    thread_id: str

    @classmethod
    async def begin(cls, element: Element, model: Scripted) -> "Asking":
        """Ask in a new thread; the model waits behind the first text."""
        model.may_go_on.clear()
        turn_id = ""

        async def events() -> AsyncGenerator[dict[str, Any]]:
            nonlocal turn_id
            body = {"type": "threads.create", "params": {"input": question(QUESTION)}}
            headers = element.reader.headers | element.headers
            async with element.reader.client.stream("POST", "/chatkit", headers=headers, json=body) as answer:
                turn_id = answer.headers["citeside-turn-id"]
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line.removeprefix("data: "))

        reading = events()
        told: list[dict[str, Any]] = []
        async for event in reading:
            told.append(event)
            if "delta" in event.get("update", {}):
                break
        return cls(reading, told, turn_id, told[0]["thread"]["id"])

    async def rest(self) -> list[dict[str, Any]]:
        """Read to the end; return all events."""
        return self.told + [event async for event in self.events]

    async def leave(self) -> None:
        """Break the connection off."""
        await self.events.aclose()


async def test_a_silent_stream_is_kept_open_by_comments(
    served: Element, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.chatkit.asking.PING", 0.05)
    model.may_go_on.clear()
    body = {"type": "threads.create", "params": {"input": question(QUESTION)}}
    headers = served.reader.headers | served.headers
    lines: list[str] = []
    async with served.reader.client.stream("POST", "/chatkit", headers=headers, json=body) as answer:
        async for line in answer.aiter_lines():
            lines.append(line)
            if lines.count(": ping") == 2:
                model.may_go_on.set()
    pings = [at for at, line in enumerate(lines) if line == ": ping"]
    assert len(pings) >= 2 and all(lines[at + 1] == "" for at in pings)
    assert all(line.startswith("data: ") or line in {"", ": ping"} for line in lines)


async def test_a_closed_tab_lets_the_turn_complete(served: Element, model: Scripted) -> None:
    asking = await Asking.begin(served, model)
    await asking.leave()
    while_running = await served.reply("threads.get_by_id", thread_id=asking.thread_id)
    assert [item["type"] for item in while_running["items"]["data"]] == ["user_message"]
    model.may_go_on.set()
    while (await served.reader.request("GET", f"/turns/{asking.turn_id}")).json()["status"] == "running":
        await asyncio.sleep(0.01)
    (_, item) = (await served.reply("items.list", thread_id=asking.thread_id, order="asc"))["data"]
    assert text_of(item) == ANSWER


async def test_a_reader_stops_an_answer_and_asks_the_same_again(served: Element, model: Scripted) -> None:
    asking = await Asking.begin(served, model)
    await asking.leave()
    stopped = await served.reader.request("POST", f"/turns/{asking.turn_id}/stop")
    assert stopped.json()["status"] == "cancelled"
    (_, item) = (await served.reply("items.list", thread_id=asking.thread_id, order="asc"))["data"]
    assert text_of(item) == "A session expires\n\n_Stopped._"
    model.may_go_on.set()
    again = await served.create(QUESTION)
    assert again[0]["thread"]["id"] != asking.thread_id
    assert text_of(answer_of(again)) == ANSWER


async def test_a_stream_whose_turn_is_stopped_elsewhere_ends_with_what_was_written(
    served: Element, model: Scripted
) -> None:
    asking = await Asking.begin(served, model)
    await served.reader.request("POST", f"/turns/{asking.turn_id}/stop")
    told = await asking.rest()
    assert told[-1]["type"] == "thread.item.done"
    assert text_of(answer_of(told)) == "A session expires\n\n_Stopped._"


async def test_a_body_that_is_sent_again_joins_its_turn(served: Element, model: Scripted) -> None:
    asking = await Asking.begin(served, model)
    await asking.leave()
    joining = asyncio.create_task(served.post("threads.create", {"input": question(QUESTION)}))
    await asyncio.sleep(0.1)
    model.may_go_on.set()
    joined = await joining
    assert joined.headers["citeside-turn-id"] == asking.turn_id
    assert [e for e in frames(joined.text) if "update" not in e][:3] == [e for e in asking.told if "update" not in e][
        :3
    ]
    assert len(model.seen) == 1


async def test_a_body_that_is_sent_again_to_another_worker_joins_too(
    served: Element, model: Scripted, settings: Settings, tmp_path: Path
) -> None:
    asking = await Asking.begin(served, model)
    await asking.leave()
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    app = create_app(settings.model_copy(update={"data_dir": tmp_path}), opening=opening)
    async with in_process(app) as client:
        elsewhere = Element(Reader(client, served.reader.session, served.reader.headers), served.headers)
        joining = asyncio.create_task(elsewhere.create(QUESTION))
        await asyncio.sleep(0.3)
        model.may_go_on.set()
        joined = await joining
    assert joined[:3] == asking.told[:3]
    assert text_of(answer_of(joined)) == ANSWER


async def test_a_body_joins_in_the_next_minute_too_but_from_no_other_frame(
    served: Element, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.chatkit import sent

    asking = await Asking.begin(served, model)
    await asking.leave()
    model.may_go_on.set()
    another = await Element(served.reader).create(QUESTION)
    assert len(model.seen) == 2 and text_of(answer_of(another)) == ANSWER
    later = time.time() + sent.RESENT
    monkeypatch.setattr(sent.time, "time", lambda: later)
    joined = await served.post("threads.create", {"input": question(QUESTION)})
    assert joined.headers["citeside-turn-id"] == asking.turn_id
    assert len(model.seen) == 2


async def test_the_same_question_after_its_answer_is_a_new_one(element: Element, model: Scripted) -> None:
    thread_id = (await element.create(QUESTION))[0]["thread"]["id"]
    first, second = await element.add(thread_id, "Why?"), await element.add(thread_id, "Why?")
    assert answer_of(first)["id"] != answer_of(second)["id"]
    assert len(model.seen) == 3


async def test_a_retry_that_is_sent_again_joins_the_one_under_way(served: Element, model: Scripted) -> None:
    asked = await served.create(QUESTION)
    params = {"thread_id": asked[0]["thread"]["id"], "item_id": asked[1]["item"]["id"]}
    model.may_go_on.clear()
    twice = [asyncio.create_task(served.post("threads.retry_after_item", params)) for _ in range(2)]
    while len(model.seen) < 2:
        await asyncio.sleep(0.01)
    again = asyncio.create_task(served.post("threads.retry_after_item", params))
    await asyncio.sleep(0.1)
    model.may_go_on.set()
    answers = [await each for each in (*twice, again)]
    streams = [frames(each.text) for each in answers if each.status_code == 200]
    assert answers[-1].status_code == 200 and len(model.seen) == 2
    assert all(each.status_code == 200 or code(each) == (409, "turn_running") for each in answers)
    for told in streams:
        assert told[0] == {"type": "thread.item.removed", "item_id": answer_of(asked)["id"]}
        assert answer_of(told) == answer_of(streams[0])


async def test_what_belongs_to_another_session_does_not_exist(element: Element) -> None:
    asked = await element.create(QUESTION)
    thread_id, item_id, answer_id = asked[0]["thread"]["id"], asked[1]["item"]["id"], answer_of(asked)["id"]
    stranger = Element(await Reader.arrive(element.reader.client))
    requests: list[tuple[str, dict[str, Any], str]] = [
        ("threads.add_user_message", {"input": question(QUESTION)}, "thread_unknown"),
        ("threads.retry_after_item", {"item_id": item_id}, "message_unknown"),
        ("threads.get_by_id", {}, "thread_unknown"),
        ("threads.update", {"title": "Mine"}, "thread_unknown"),
        ("threads.delete", {}, "thread_unknown"),
        ("items.list", {}, "thread_unknown"),
        ("items.feedback", {"item_ids": [answer_id], "kind": "positive"}, "message_unknown"),
    ]
    for kind, params, unknown in requests:
        theirs = await stranger.post(kind, {"thread_id": thread_id} | params)
        assert code(theirs) == (404, unknown), kind
        nobodys = await stranger.post(kind, {"thread_id": str(uuid4())} | params)
        assert nobodys.json() | {"request_id": None} == theirs.json() | {"request_id": None}
        no_id = await stranger.post(kind, {"thread_id": "thr_1"} | params)
        assert code(no_id) == (404, "thread_unknown")
    assert (await stranger.reply("threads.list"))["data"] == []
    anonymous = await element.reader.client.post("/chatkit", json={"type": "threads.list", "params": {}})
    assert code(anonymous) == (401, "session_required")


async def test_only_the_last_question_is_answered_again_and_only_answers_are_rated(element: Element) -> None:
    asked = await element.create(QUESTION)
    thread_id, question_id = asked[0]["thread"]["id"], asked[1]["item"]["id"]
    await element.add(thread_id, "Why?")
    retried = await element.post("threads.retry_after_item", {"thread_id": thread_id, "item_id": question_id})
    assert code(retried) == (409, "turn_not_last")
    rated = {"thread_id": thread_id, "item_ids": [question_id], "kind": "positive"}
    assert code(await element.post("items.feedback", rated)) == (404, "message_unknown")
    elsewhere = await element.create("Where?")
    params = {"thread_id": thread_id, "item_id": elsewhere[1]["item"]["id"]}
    assert code(await element.post("threads.retry_after_item", params)) == (404, "message_unknown")
    rated["item_ids"] = [answer_of(elsewhere)["id"]]
    assert code(await element.post("items.feedback", rated)) == (404, "message_unknown")
    rated["item_ids"] *= 101
    assert code(await element.post("items.feedback", rated)) == (422, "invalid_request")


async def test_a_thread_that_is_being_answered_takes_no_other_question(served: Element, model: Scripted) -> None:
    asking = await Asking.begin(served, model)
    params = {"thread_id": asking.thread_id, "input": question("Why?")}
    refused = await served.post("threads.add_user_message", params)
    assert code(refused) == (409, "turn_running")
    assert refused.json()["turn_id"] == asking.turn_id
    model.may_go_on.set()
    await asking.leave()


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.add_client_tool_output", {"thread_id": "t", "result": 1}),
        (
            "threads.add_structured_input",
            {"thread_id": "t", "item_id": "i", "input": {"answers": {"q": {"values": []}}}},
        ),
        ("threads.custom_action", {"thread_id": "t", "action": {"type": "a", "payload": {}}}),
        ("threads.create", {"input": question(QUESTION, attachments=["atc_1"])}),
    ],
)
async def test_what_is_not_offered_is_told_in_the_stream_it_asks_for(
    element: Element, kind: str, params: dict[str, Any]
) -> None:
    (told,) = await element.stream(kind, **params)
    assert told["type"] == "error" and told["message"].startswith("This server")
    assert (await element.reply("threads.list"))["data"] == []


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("threads.sync_custom_action", {"thread_id": "t", "action": {"type": "a", "payload": {}}}),
        ("attachments.create", {"name": "a", "size": 1, "mime_type": "text/plain"}),
        ("attachments.delete", {"attachment_id": "a"}),
        ("input.transcribe", {"audio_base64": "", "mime_type": "audio/webm"}),
    ],
)
async def test_what_is_not_offered_and_has_no_stream_is_refused(
    element: Element, kind: str, params: dict[str, Any]
) -> None:
    assert code(await element.post(kind, params)) == (422, "not_offered")


WORDS = "zyzzyva"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ("", (400, "invalid_json")),
        ("{", (400, "invalid_json")),
        ('{"type": "\\ud800"}', (400, "invalid_json")),
        ("[" * 100_000, (400, "invalid_json")),
        ("null", (422, "invalid_request")),
        (f'"{WORDS}"', (422, "invalid_request")),
        ("[]", (422, "invalid_request")),
        ("{}", (422, "invalid_request")),
        ('{"type": null}', (422, "invalid_request")),
        ('{"type": {"a": 1}, "params": {}}', (422, "invalid_request")),
        (f'{{"type": "threads.{WORDS}", "params": {{}}}}', (422, "invalid_request")),
        ('{"type": "threads.list"}', (422, "invalid_request")),
        (f'{{"type": "threads.list", "params": {{"order": "{WORDS}"}}}}', (422, "invalid_request")),
        ('{"type": "threads.list", "params": {"after": "thr_1"}}', (404, "thread_unknown")),
        ('{"type": "threads.create", "params": {"input": {}}}', (422, "invalid_request")),
        (json.dumps({"type": "threads.create", "params": {"input": question(" ")}}), (422, "invalid_request")),
        (json.dumps({"type": "threads.create", "params": {"input": question(WORDS * 600)}}), (422, "invalid_request")),
        (json.dumps({"type": "threads.create", "params": {"input": question("a\0")}}), (422, "invalid_request")),
        (
            json.dumps({"type": "threads.create", "params": {"input": question(QUESTION, WORDS * 3000)}}),
            (422, "invalid_request"),
        ),
        ('{"type": "threads.create", "params": {"input": 1}, "metadata": []}', (422, "invalid_request")),
    ],
)
async def test_a_malformed_body_is_refused_and_never_repeated(
    element: Element, body: str, refusal: tuple[int, str]
) -> None:
    headers = element.reader.headers | {"content-type": "application/json"}
    answer = await element.reader.client.post("/chatkit", headers=headers, content=body)
    assert code(answer) == refusal
    assert WORDS not in answer.text


async def test_a_blank_title_is_refused(element: Element) -> None:
    thread_id = (await element.create(QUESTION))[0]["thread"]["id"]
    for title in (" ", "x" * 201):
        answer = await element.post("threads.update", {"thread_id": thread_id, "title": title})
        assert code(answer) == (422, "invalid_request")


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_threads_and_items_come_in_pages(element: Element, order: str) -> None:
    thread_id = (await element.create("One?"))[0]["thread"]["id"]
    await element.add(thread_id, "Two?")
    await element.create("Three?")
    for kind, more, limit, lengths in [
        ("threads.list", {}, 1, [1, 1]),
        ("items.list", {"thread_id": thread_id}, 3, [3, 1]),
        ("items.list", {"thread_id": thread_id}, -1, [1, 1, 1, 1]),
    ]:
        found: list[list[str]] = []
        after: dict[str, str] = {}
        while True:
            page = await element.reply(kind, order=order, limit=limit, **more, **after)
            found.append([each["id"] for each in page["data"]])
            if not page["has_more"]:
                assert "after" not in page
                break
            after = {"after": page["after"]}
        assert [len(ids) for ids in found] == lengths
        ids = [each for page in found for each in page]
        assert ids == sorted(ids, reverse=order == "desc") and len(set(ids)) == len(ids)


async def test_a_page_is_never_longer_than_a_hundred(element: Element) -> None:
    await asyncio.gather(*(element.reader.request("POST", "/threads") for _ in range(101)))
    page = await element.reply("threads.list", limit=9999)
    assert (len(page["data"]), page["has_more"]) == (100, True)


@pytest.mark.parametrize(
    ("error", "code"), [(StoreUnavailable("gone"), "store_unavailable"), (RuntimeError("a bug"), "internal")]
)
async def test_what_goes_wrong_late_is_told_in_the_stream(
    element: Element, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    follow = TurnEngine.follow

    async def broken(self: TurnEngine, *args: Any, **more: Any) -> AsyncIterator[Any]:
        events = follow(self, *args, **more)
        yield await anext(events)
        await events.aclose()
        raise error

    monkeypatch.setattr(TurnEngine, "follow", broken)
    told = await element.create(QUESTION)
    assert told[-1] == {"type": "error", "code": "custom", "message": FAILURES[code], "allow_retry": True}


async def test_a_browser_may_send_the_headers_of_the_element(element: Element, settings: Settings) -> None:
    asks = {
        "Origin": "https://docs.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,chatkit-frame-instance-id,content-type",
    }
    assert (await element.reader.client.options("/chatkit", headers=asks)).status_code == 200
    answer = await element.reader.client.post("/chatkit", headers={"Origin": "https://docs.example"}, json={})
    assert answer.status_code == 401
    assert "Citeside-Turn-Id" in answer.headers["access-control-expose-headers"]
    assert "chatkit" in (await element.reader.client.get("/config")).json()["features"]


async def test_off_it_is_not_there(settings: Settings) -> None:
    off = settings.model_copy(update={"chatkit": False})
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(off, opening=opening)) as client:
        assert code(await client.post("/chatkit", json={})) == (404, "not_found")
        asks = {
            "Origin": "https://docs.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "chatkit-frame-instance-id",
        }
        assert (await client.options("/chatkit", headers=asks)).status_code == 400
        assert "chatkit" not in (await client.get("/config")).json()["features"]


def test_off_its_package_is_not_loaded_and_on_only_its_types_are() -> None:
    program = """
        import sys
        from server.app import create_app
        from server.settings import Settings
        for on in (False, True):
            create_app(Settings(_env_file=None, chatkit=on))
            print([name for name in ("chatkit", "chatkit.types", "chatkit.server", "agents") if name in sys.modules])
    """
    ran = subprocess.run([sys.executable, "-c", dedent(program)], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n['chatkit', 'chatkit.types']\n"
