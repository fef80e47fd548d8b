"""Untrusted input: refused with a code, nothing of it echoed or stored, and readable across origins."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.logs import JsonLines
from tests.server.http import Reader

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reader(client: httpx.AsyncClient) -> Reader:
    """A reader with a session of their own."""
    return await Reader.arrive(client)


ORIGIN = "https://docs.example"
SECRET = "xyzzy"

BODIES: dict[str, tuple[bytes, int, str]] = {
    "no JSON": (b"{xyzzy", 400, "invalid_json"),
    "invalid UTF-8": (b'{"message":"xyzzy\xff"}', 400, "invalid_json"),
    "deep": (b'{"message":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json"),
    "a number of 5,000 digits": (b'{"message":' + b"9" * 5_000 + b"}", 400, "invalid_json"),
    "no object": (b'["xyzzy"]', 422, "invalid_request"),
    "null": (b"null", 422, "invalid_request"),
    "NaN": (b'{"message":NaN}', 422, "invalid_request"),
    "NaN in metadata": (b'{"message":"xyzzy","metadata":{"a":NaN}}', 422, "invalid_request"),
    "Infinity in metadata": (b'{"message":"xyzzy","metadata":{"a":[1e999]}}', 422, "invalid_request"),
    "NUL": (b'{"message":"xyzzy\\u0000"}', 422, "invalid_request"),
    "NUL in metadata": (b'{"message":"xyzzy","metadata":{"a\\u0000":1}}', 422, "invalid_request"),
    "lone surrogate": (b'{"message":"xyzzy\\ud800"}', 422, "invalid_request"),
    "lone surrogate in the selection": (b'{"message":"a","selected_text":"xyzzy\\udfff"}', 422, "invalid_request"),
    "lone surrogate in UTF-8": (b'{"message":"xyzzy\xed\xa0\x80"}', 422, "invalid_request"),
}

VALUES: dict[str, tuple[dict[str, Any], str]] = {
    "no message": ({"message": None}, "invalid_request"),
    "empty message": ({"message": ""}, "invalid_request"),
    "blank message": ({"message": " \n\u00a0"}, "invalid_request"),
    "long message": ({"message": SECRET * 801}, "invalid_request"),
    "message of another type": ({"message": 7}, "invalid_request"),
    "empty selection": ({"selected_text": ""}, "selection_blank"),
    "blank selection": ({"selected_text": " \t\u2003"}, "selection_blank"),
    "blank selection in selected-text mode": (
        {"selected_text": " ", "selected_text_mode": True},
        "selection_blank",
    ),
    "selected-text mode without text": ({"selected_text_mode": True}, "selection_missing"),
    "long selection": ({"selected_text": SECRET * 4_001}, "invalid_request"),
    "selected-text mode of another type": ({"selected_text": "a", "selected_text_mode": "yes"}, "invalid_request"),
    "unknown field": ({SECRET: 1}, "invalid_request"),
    "unknown field of the source": ({"source": {SECRET: 1}}, "invalid_request"),
    "no UUID": ({"thread_id": SECRET}, "invalid_request"),
    "negative offset": ({"selector": {"start": -1}}, "invalid_request"),
    "offset as text": ({"selector": {"start": "1"}}, "invalid_request"),
    "large metadata": ({"metadata": {"a": SECRET * 820}}, "invalid_request"),
    "deep metadata": ({"metadata": json.loads('{"a":' * 20 + "1" + "}" * 20)}, "invalid_request"),
    "metadata of another type": ({"metadata": [SECRET]}, "invalid_request"),
}


async def refuse(reader: Reader, content: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    """Send a body as it is; return the problem, after checking what holds for every problem."""
    sent = {"Content-Type": "application/json", "Origin": ORIGIN, **reader.headers, **headers}
    answer = await reader.client.post("/chat/stream", content=content, headers=sent)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert SECRET not in answer.text
    problem = answer.json()
    assert {"type", "title", "status", "code", "detail"} <= problem.keys()
    assert problem["status"] == answer.status_code
    assert (await reader.request("GET", "/threads")).json()["data"] == []
    return answer.status_code, problem


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_cannot_be_read_is_refused(reader: Reader, case: str) -> None:
    content, status, code = BODIES[case]
    refused, problem = await refuse(reader, content)
    assert (refused, problem["code"]) == (status, code)


@pytest.mark.parametrize("case", VALUES)
async def test_a_wrong_field_is_refused(reader: Reader, case: str) -> None:
    fields, code = VALUES[case]
    refused, problem = await refuse(reader, json.dumps({"message": SECRET, **fields}))
    assert (refused, problem["code"]) == (422, code)


async def test_a_problem_names_the_field_and_the_reason(reader: Reader) -> None:
    fields = {"message": " ", SECRET: 1, "source": {SECRET: 1}, "thread_id": SECRET, "selected_text": "a" * 20_001}
    _, problem = await refuse(reader, json.dumps(fields))
    assert problem["errors"] == [
        {"loc": ["body", "message"], "code": "blank", "detail": "This text is blank."},
        {"loc": ["body", "thread_id"], "code": "uuid_parsing", "detail": "This value cannot be read."},
        {
            "loc": ["body", "selected_text"],
            "code": "string_too_long",
            "detail": "String should have at most 20000 characters",
        },
        {"loc": ["body", "source"], "code": "extra_forbidden", "detail": "Extra inputs are not permitted"},
        {"loc": ["body"], "code": "extra_forbidden", "detail": "Extra inputs are not permitted"},
    ]


async def test_the_longest_question_and_selection_are_taken_as_they_are(reader: Reader) -> None:
    message, selection = "🙂" * 4_000, " " + "🙂 e\u0301\r\n" * 3_333
    answer = await reader.request("POST", "/chat", message=message, selected_text=selection)
    assert answer.status_code == 200
    question, _ = await reader.messages(answer.json()["thread_id"])
    assert (question["content"], question["selection"]["text"]) == (message, selection)


async def test_a_large_body_is_refused_before_it_is_read(reader: Reader) -> None:
    refused, problem = await refuse(reader, b" " * (256 * 1024 + 1))
    assert (refused, problem["code"]) == (413, "body_too_large")


async def test_a_large_body_that_does_not_tell_its_size_is_refused_while_it_is_read(reader: Reader) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * (64 * 1024)

    refused, problem = await refuse(reader, chunks())
    assert (refused, problem["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/problem+json"]
)
async def test_a_body_of_another_type_is_refused(reader: Reader, content_type: str) -> None:
    refused, problem = await refuse(reader, b'{"message":"xyzzy"}', **{"Content-Type": content_type})
    assert (refused, problem["code"]) == (415, "not_json")


async def test_a_body_without_a_type_is_refused(reader: Reader) -> None:
    refused, problem = await refuse(reader, b'{"message":"xyzzy"}', **{"Content-Type": ""})
    assert (refused, problem["code"]) == (415, "not_json")


async def test_a_fault_of_ours_is_readable_across_origins_and_its_words_reach_no_log(
    reader: Reader, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr("persistence.turns.Turns.start", broken)
    with caplog.at_level(logging.INFO):
        refused, problem = await refuse(reader, json.dumps({"message": "a"}))
    assert (refused, problem["code"]) == (500, "internal")
    written = [JsonLines().format(record) for record in caplog.records]
    assert "ValueError" in "".join(written)
    assert SECRET not in "".join(written)


@pytest.mark.parametrize(
    "path",
    [
        "/threads?limit=0",
        "/threads?limit=101",
        "/threads?order=xyzzy",
        "/threads?after=xyzzy",
        "/threads/xyzzy",
        f"/threads/{uuid4()}/messages?limit=xyzzy",
        "/search",
        "/search?q=",
        "/search?q=%00",
        "/search?q=a&limit=21",
        "/turns/xyzzy",
    ],
)
async def test_a_wrong_address_or_parameter_is_refused(reader: Reader, path: str) -> None:
    answer = await reader.request("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert SECRET not in answer.text
