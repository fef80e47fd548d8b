"""Turns stored threads and messages into ChatKit's threads and items."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

from chatkit.types import (
    AssistantMessageItem,
    InferenceOptions,
    Page,
    Thread,
    ThreadItem,
    UserMessageItem,
    UserMessageTextContent,
)

from persistence import threads
from persistence.messages import Message, UserMetadata
from server.chatkit.answer import written
from server.transcript import closing
from server.wire import End, MessageGiven

Stored = TypeVar("Stored")
Shown = TypeVar("Shown")


def thread_of(thread: threads.Thread, items: Page[ThreadItem] | None = None) -> Thread:
    """Return a thread with a page of its items, or with none; what a client keeps with it stays with that client."""
    return Thread(
        id=str(thread.id), title=thread.title or None, created_at=thread.created_at, items=items or Page[ThreadItem]()
    )


def item_of(message: Message, locale: str) -> ThreadItem:
    """Return a message that is written as an item."""
    if message.role == "user":
        return question_item(message)
    return answer_item(message.thread_id, *closing(message), locale)


def question_item(message: Message) -> UserMessageItem:
    """Return a question as an item, with the selection it is about as its quote."""
    assert isinstance(message.metadata, UserMetadata)
    selection = message.metadata.selection
    return UserMessageItem(
        id=str(message.id),
        thread_id=str(message.thread_id),
        created_at=message.created_at,
        content=[UserMessageTextContent(text=message.content)],
        quoted_text=selection.text if selection else None,
        inference_options=InferenceOptions(),
    )


def answer_item(thread_id: UUID, given: MessageGiven, end: End, locale: str) -> AssistantMessageItem:
    """Return an answer that ended as an item."""
    return opened_item(thread_id, given.id, given.created_at).model_copy(
        update={"content": [written(given, end, locale)]}
    )


def opened_item(thread_id: UUID, message_id: UUID, created_at: datetime) -> AssistantMessageItem:
    """Return an answer as an item that has no text yet."""
    return AssistantMessageItem(id=str(message_id), thread_id=str(thread_id), created_at=created_at, content=[])


def page_of(page: threads.Page[Stored], data: list[Shown]) -> Page[Shown]:
    """Return `data` as the page that `page` is, with a cursor when there is more."""
    return Page(data=data, has_more=page.has_more, after=str(page.after) if page.has_more else None)
