"""The same conversation with ChatKit's own server and with ours: where we differ, it is on purpose and listed here."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.store import NotFoundError, Store
from chatkit.types import (
    Annotation,
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    AssistantMessageItem,
    Page,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    URLSource,
    UserMessageItem,
)

from server.settings import Settings
from tests.server.chatkit_oracle import EVENT, Element, names, question, valid
from tests.server.http import Reader

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"chatkit": True})


QUESTION = "How long does a session last?"
SELECTION = "A session expires 30 days after it was last seen."
PIECES = ("A session expires ", "30 days after it was last seen.")


@dataclass
class Memory(Store[None]):
    """Keeps threads and items in order; each access takes `delay` seconds, as a database's does."""

    delay: float = 0
    threads: dict[str, ThreadMetadata] = field(default_factory=dict)
    items: dict[str, list[Any]] = field(default_factory=dict)

    async def load_thread(self, thread_id: str, context: None) -> ThreadMetadata:
        await self._wait()
        if thread_id not in self.threads:
            raise NotFoundError
        return self.threads[thread_id].model_copy()

    async def save_thread(self, thread: ThreadMetadata, context: None) -> None:
        await self._wait()
        self.threads[thread.id] = ThreadMetadata.model_validate(thread.model_dump())

    async def load_thread_items(
        self, thread_id: str, after: str | None, limit: int, order: str, context: None
    ) -> Page[Any]:
        await self._wait()
        return _page(self.items.get(thread_id, []), after, limit, order)

    async def load_threads(self, limit: int, after: str | None, order: str, context: None) -> Page[ThreadMetadata]:
        await self._wait()
        return _page(list(self.threads.values()), after, limit, order)

    async def add_thread_item(self, thread_id: str, item: Any, context: None) -> None:
        await self._wait()
        self.items.setdefault(thread_id, []).append(item)

    async def save_item(self, thread_id: str, item: Any, context: None) -> None:
        raise NotImplementedError

    async def load_item(self, thread_id: str, item_id: str, context: None) -> Any:
        await self._wait()
        return next(item for item in self.items[thread_id] if item.id == item_id)

    async def delete_thread(self, thread_id: str, context: None) -> None:
        await self._wait()
        del self.threads[thread_id]
        del self.items[thread_id]

    async def delete_thread_item(self, thread_id: str, item_id: str, context: None) -> None:
        await self._wait()
        self.items[thread_id] = [item for item in self.items[thread_id] if item.id != item_id]

    async def save_attachment(self, attachment: Any, context: None) -> None:
        raise NotImplementedError

    async def load_attachment(self, attachment_id: str, context: None) -> Any:
        raise NotImplementedError

    async def delete_attachment(self, attachment_id: str, context: None) -> None:
        raise NotImplementedError

    async def _wait(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)


def _page(rows: list[Any], after: str | None, limit: int, order: str) -> Page[Any]:
    rows = rows if order == "asc" else rows[::-1]
    begin = next((i + 1 for i, row in enumerate(rows) if row.id == after), 0)
    data, more = rows[begin : begin + limit], begin + limit < len(rows)
    return Page(data=data, has_more=more, after=data[-1].id if more else None)


class Stock(ChatKitServer[None]):
    """ChatKit's own server with an integration that answers as its documentation shows, and as our model does."""

    may_go_on: asyncio.Event

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: None
    ) -> AsyncIterator[ThreadStreamEvent]:
        quoted = bool(input_user_message and input_user_message.quoted_text)
        thread.title = thread.title or QUESTION
        yield ProgressUpdateEvent(text="Searching")
        item = AssistantMessageItem(
            id=self.store.generate_item_id("message", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(UTC),
            content=[],
        )
        yield ThreadItemAddedEvent(item=item)
        part = AssistantMessageContent(text="")

        def update(of: Any) -> ThreadItemUpdatedEvent:
            return ThreadItemUpdatedEvent(item_id=item.id, update=of)

        yield update(AssistantMessageContentPartAdded(content_index=0, content=part))
        for piece in PIECES:
            yield update(AssistantMessageContentPartTextDelta(content_index=0, delta=piece))
            await self.may_go_on.wait()
        part = AssistantMessageContent(text="".join(PIECES))
        if not quoted:
            cited = Annotation(source=URLSource(title="Sessions", url="https://docs.example/"), index=49)
            yield update(
                AssistantMessageContentPartAnnotationAdded(content_index=0, annotation_index=0, annotation=cited)
            )
            part.annotations.append(cited)
        yield update(AssistantMessageContentPartDone(content_index=0, content=part))
        yield ThreadItemDoneEvent(item=item.model_copy(update={"content": [part]}))


@dataclass
class StockElement:
    """An element in front of ChatKit's own server."""

    server: Stock

    async def stream(self, kind: str, /, **params: Any) -> list[dict[str, Any]]:
        """Send a request and return the events of its stream."""
        result = await self.server.process(json.dumps({"type": kind, "params": params}), None)
        assert isinstance(result, StreamingResult)
        return [valid(EVENT, json.loads(frame.removeprefix(b"data: "))) async for frame in result]

    async def reply(self, kind: str, /, **params: Any) -> Any:
        """Send a request and return its reply."""
        result = await self.server.process(json.dumps({"type": kind, "params": params}), None)
        assert not isinstance(result, StreamingResult)
        return json.loads(result.json)


def stock(delay: float = 0) -> Stock:
    server = Stock(Memory(delay))
    server.may_go_on = asyncio.Event()
    server.may_go_on.set()
    return server


async def conversation(element: Element | StockElement) -> dict[str, list[str]]:
    """Hold a conversation and return what was told in each step, by the names of events, items and fields."""
    told: dict[str, list[str]] = {}
    asked = await element.stream("threads.create", input=question(QUESTION))
    told["create"] = names(asked)
    thread_id = asked[0]["thread"]["id"]
    quoted = await element.stream("threads.add_user_message", thread_id=thread_id, input=question(QUESTION, SELECTION))
    told["quote"] = names(quoted)
    for step, *asks in (
        ("insufficient", "How many seats does the plan include?", "Bananas are yellow."),
        ("follow-up", "And why?", None),
    ):
        followed = await element.stream("threads.add_user_message", thread_id=thread_id, input=question(*asks))
        told[step] = names(followed)
    users = [e["item"] for e in (*asked, *quoted, *followed) if e.get("item", {}).get("type") == "user_message"]
    told["questions"] = [key for user in users for key in (*user, user.get("quoted_text", ""))]
    told["threads"] = _shape(await element.reply("threads.list", limit=5))
    told["thread"] = _shape(await element.reply("threads.get_by_id", thread_id=thread_id))
    page = await element.reply("items.list", thread_id=thread_id, limit=3, order="desc")
    told["items"] = _shape(page)
    told["rest"] = _shape(
        await element.reply("items.list", thread_id=thread_id, limit=3, order="desc", after=page["after"])
    )
    answers = [item["id"] for item in page["data"] if item["type"] == "assistant_message"]
    told["feedback"] = _shape(
        await element.reply("items.feedback", thread_id=thread_id, item_ids=answers, kind="positive")
    )
    told["retry"] = names(
        await element.stream("threads.retry_after_item", thread_id=thread_id, item_id=users[-1]["id"])
    )
    told["after the retry"] = _shape(await element.reply("items.list", thread_id=thread_id, limit=9))
    told["rename"] = _shape(await element.reply("threads.update", thread_id=thread_id, title="Sessions"))
    told["delete"] = _shape(await element.reply("threads.delete", thread_id=thread_id))
    told["threads after it"] = _shape(await element.reply("threads.list"))
    return told


def _shape(reply: dict[str, Any]) -> list[str]:
    """Return the fields of a reply, and of each thing in it with what type it is, but for blank ones."""
    shape = sorted(reply)
    for each in reply.get("items", reply).get("data", []):
        shape.append(f"{each.get('type', 'thread')}: {', '.join(sorted(key for key in each if each[key] != ''))}")
    return shape


# What differs on purpose, by step: what only ChatKit's own server tells, what only ours does, and why.
DIFFERENCES: dict[str, tuple[list[str], list[str]]] = {
    # A thread is stored with its first question, and so created with its title.
    "create": (["updated"], []),
    # "" is no quote: the element sends it with every question, and theirs hands it back as one.
    "questions": (["quoted_text"], []),
    # The answer before is superseded, not deleted, and a client that shows it is told.
    "retry": ([], ["item.removed"]),
}


async def test_a_conversation_is_told_as_by_chatkits_own_server(reader: Reader) -> None:
    theirs = await conversation(StockElement(stock()))
    ours = await conversation(Element(reader))
    assert theirs.keys() == ours.keys()
    for step, (only_theirs, only_ours) in DIFFERENCES.items():
        for told, more in ((theirs[step], only_theirs), (ours[step], only_ours)):
            for name in more:
                told.remove(name)
    assert ours == theirs


async def test_chatkits_own_server_still_loses_what_was_written_when_a_reader_leaves() -> None:
    """The reason why ours is another: a server's cancellation also cancels the store's writes that should keep it."""
    kept = {}
    for delay in (0, 0.02):
        server = stock(delay)
        server.may_go_on.clear()
        result = await server.process(
            json.dumps({"type": "threads.create", "params": {"input": question(QUESTION)}}), None
        )
        assert isinstance(result, StreamingResult)
        with anyio.CancelScope() as request:
            async for frame in result:
                if b"text_delta" in frame:
                    request.cancel()
        (items,) = server.store.items.values()  # pyright: ignore[reportAttributeAccessIssue]
        kept[delay] = [item.type for item in items]
    assert kept == {0: ["user_message", "assistant_message", "sdk_hidden_context"], 0.02: ["user_message"]}
