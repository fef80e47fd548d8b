"""What the operator sees: ids, counts and codes, and nothing that a reader, a page or a model said."""

import json
import logging

import pytest

from graph.errors import IndexUnavailable, ModelFailed
from server.logs import JsonLines
from tests.server.conftest import Lines
from tests.server.http import Reader
from tests.server.stand_ins import Scripted

pytestmark = pytest.mark.anyio


async def test_each_request_is_one_line_with_its_route_and_its_turn(reader: Reader, lines: Lines) -> None:
    answer = (await reader.request("POST", "/chat", message="How long does a session last?")).json()
    await reader.request("GET", f"/threads/{answer['thread_id']}/messages?limit=1")
    await reader.client.get("/nothing/xyzzy")
    shown = ("method", "route", "status", "turn_id")
    requests = [line for line in lines() if line["event"] == "request"]
    assert [{name: line[name] for name in shown if name in line} for line in requests] == [
        {"method": "POST", "route": "/chat", "status": 200, "turn_id": answer["turn_id"]},
        {"method": "GET", "route": "/threads/{thread_id}/messages", "status": 200},
        {"method": "GET", "route": None, "status": 404},
    ]


async def test_no_words_of_a_turn_are_logged(reader: Reader, model: Scripted, lines: Lines) -> None:
    model.pieces = ("xyzzy said ", "the model")
    await reader.stream("xyzzy asked", selected_text="xyzzy marked")
    model.error = ValueError("xyzzy in an exception")
    events = await reader.stream("xyzzy asked again")
    model.error = ModelFailed("the model broke off after 2 s")
    await reader.stream("xyzzy asked a third time")
    written = lines()
    assert "xyzzy" not in json.dumps(written)
    (fault,) = [line for line in written if line["event"] == "turn failed" and line["code"] == "internal"]
    assert fault["turn_id"] == events[0].data["turn_id"]
    assert fault["error"] == "ValueError"
    assert fault["at"][-1].startswith("tests/server/stand_ins.py:")
    (cut,) = [line for line in written if line["event"] == "turn failed" and line["code"] == "model_failed"]
    assert cut["detail"] == "the model broke off after 2 s"
    ended = [line for line in written if line["event"] == "turn ended"]
    assert [(line["mode"], line["status"], line["code"]) for line in ended] == [
        ("constrained", "completed", None),
        ("grounded", "failed", "internal"),
        ("grounded", "failed", "model_failed"),
    ]


def test_an_error_names_its_causes_by_type_alone() -> None:
    try:
        try:
            raise ConnectionRefusedError("password=xyzzy")
        except ConnectionRefusedError as error:
            raise IndexUnavailable("no reply in 5 s") from error
    except IndexUnavailable as error:
        record = logging.LogRecord("server", logging.ERROR, __file__, 1, "away", None, (type(error), error, None))
    line = json.loads(JsonLines().format(record))
    assert (line["error"], line["detail"]) == ("IndexUnavailable < ConnectionRefusedError", "no reply in 5 s")
    assert "xyzzy" not in json.dumps(line)
