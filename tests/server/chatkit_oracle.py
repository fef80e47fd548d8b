"""A ChatKit element for tests: speaks raw HTTP, and has every frame and reply read by the protocol's own types."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from chatkit.types import ChatKitReq, Page, Thread, ThreadItem, ThreadStreamEvent
from pydantic import TypeAdapter

from tests.server.http import Reader

REQUEST: TypeAdapter[Any] = TypeAdapter(ChatKitReq)
EVENT: TypeAdapter[Any] = TypeAdapter(ThreadStreamEvent)
REPLIES: dict[str, TypeAdapter[Any]] = {
    "threads.list": TypeAdapter(Page[Thread]),
    "threads.get_by_id": TypeAdapter(Thread),
    "threads.update": TypeAdapter(Thread),
    "items.list": TypeAdapter(Page[ThreadItem]),
}


def valid(kind: TypeAdapter[Any], told: Any) -> Any:
    """Return what was told when `kind` reads it and would write the very same: a misspelt key would get lost."""
    read = kind.validate_python(told)
    assert kind.dump_python(read, mode="json", exclude_none=True) == told
    return told


def question(text: str, quote: str | None = "", **more: Any) -> dict[str, Any]:
    """Return a user's message as the element was seen sending it."""
    content = [{"type": "input_text", "text": text}]
    return {"content": content, "quoted_text": quote, "attachments": [], "inference_options": {}} | more


def frames(text: str) -> list[dict[str, Any]]:
    """Read a whole stream: frames have nothing but data."""
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks), text
    return [valid(EVENT, json.loads(block.removeprefix("data: "))) for block in blocks]


@dataclass
class Element:
    """The element in a reader's page."""

    reader: Reader
    headers: dict[str, str] = field(default_factory=lambda: {"chatkit-frame-instance-id": str(uuid4())})

    async def post(self, kind: str, params: Any, /, **more: Any) -> httpx.Response:
        """Send a request."""
        body = {"type": kind, "params": params} | more
        return await self.reader.client.post("/chatkit", headers=self.reader.headers | self.headers, json=body)

    async def stream(self, kind: str, /, **params: Any) -> list[dict[str, Any]]:
        """Send a valid request and return the events of its stream."""
        REQUEST.validate_python({"type": kind, "params": params})
        answer = await self.post(kind, params)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        return frames(answer.text)

    async def reply(self, kind: str, /, **params: Any) -> Any:
        """Send a valid request and return its reply."""
        REQUEST.validate_python({"type": kind, "params": params})
        answer = await self.post(kind, params)
        assert answer.status_code == 200, answer.text
        return valid(REPLIES[kind], answer.json()) if kind in REPLIES else answer.json()

    async def create(self, text: str, quote: str | None = "") -> list[dict[str, Any]]:
        """Ask in a new thread."""
        return await self.stream("threads.create", input=question(text, quote))

    async def add(self, thread_id: str, text: str, quote: str | None = "") -> list[dict[str, Any]]:
        """Ask in a thread."""
        return await self.stream("threads.add_user_message", thread_id=thread_id, input=question(text, quote))


def names(events: Sequence[dict[str, Any]]) -> list[str]:
    """Return the events by name, updates and items by kind, deltas that follow each other as one, without progress."""
    return list(_names(events))


def _names(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    last = ""
    for event in events:
        name = event["type"].removeprefix("thread.")
        if "update" in event:
            name = event["update"]["type"].removeprefix("assistant_message.content_part.")
        if "item" in event:
            name += f" {event['item']['type']}"
        if name not in ("progress_update", last if name == "text_delta" else None):
            yield name
        last = name


def answer_of(events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that a stream ended in."""
    (item,) = [
        e["item"]
        for e in events
        if e["type"] == "thread.item.done"
        and "quoted_text" not in e["item"]
        and e["item"]["type"] == "assistant_message"
    ]
    return item


def text_of(item: dict[str, Any]) -> str:
    """Return the text of an answer."""
    (part,) = item["content"]
    return part["text"]
