"""Answers the requests that no turn comes of: lists, titles, feedback."""

from uuid import UUID

from chatkit.types import (
    ItemFeedbackParams,
    ItemsFeedbackReq,
    ItemsListReq,
    NonStreamingReq,
    Page,
    Thread,
    ThreadItem,
    ThreadsDeleteReq,
    ThreadsGetByIdReq,
    ThreadsListReq,
    ThreadsUpdateReq,
)
from pydantic import BaseModel

from persistence.threads import Order
from server.chatkit.items import item_of, page_of, thread_of
from server.chatkit.sent import checked, id_of
from server.problems import Problem, not_found
from server.requests import FeedbackRequest, ThreadRename
from server.service import Service

PAGE = 20
"""Length of a page that names none, as the element's own server has it."""

LONGEST_PAGE = 100
"""The element was seen asking for 9999."""


async def reply(service: Service, session_id: UUID, asked: NonStreamingReq, locale: str) -> BaseModel | None:
    """Return the answer to a request; None for one that has nothing to say. Raises Problem for unknown ids."""
    match asked:
        case ThreadsListReq(params=params):
            after = id_of(params.after, "thread") if params.after else None
            page = await service.threads.list(session_id, after=after, limit=_limit(params.limit), order=params.order)
            return page_of(page, [thread_of(thread) for thread in page.data])
        case ThreadsGetByIdReq(params=params):
            return await _thread(service, session_id, id_of(params.thread_id, "thread"), locale)
        case ItemsListReq(params=params):
            thread_id = id_of(params.thread_id, "thread")
            after = id_of(params.after, "message") if params.after else None
            return await _items(service, session_id, thread_id, locale, after, _limit(params.limit), params.order)
        case ThreadsUpdateReq(params=params):
            title = checked(ThreadRename, {"title": params.title}).title
            renamed = await service.threads.rename(session_id, id_of(params.thread_id, "thread"), title)
            if renamed is None:
                raise not_found("thread")
            return thread_of(renamed)
        case ThreadsDeleteReq(params=params):
            if not await service.threads.delete(session_id, id_of(params.thread_id, "thread")):
                raise not_found("thread")
        case ItemsFeedbackReq(params=params):
            await _rate(service, session_id, params)
        case _:
            raise AssertionError(f"{asked.type} is not offered")
    return None


async def _thread(service: Service, session_id: UUID, thread_id: UUID, locale: str) -> Thread:
    """Return a thread with its oldest items, as the element's own server does."""
    thread = await service.threads.get(session_id, thread_id)
    if thread is None:
        raise not_found("thread")
    return thread_of(thread, await _items(service, session_id, thread_id, locale, None, PAGE, "asc"))


async def _items(
    service: Service, session_id: UUID, thread_id: UUID, locale: str, after: UUID | None, limit: int, order: Order
) -> Page[ThreadItem]:
    """Return a page of what is written: an answer that still runs comes when it has ended."""
    page = await service.messages.list(session_id, thread_id, after=after, limit=limit, order=order, running=False)
    if page is None:
        raise not_found("thread")
    return page_of(page, [item_of(message, locale) for message in page.data])


async def _rate(service: Service, session_id: UUID, params: ItemFeedbackParams) -> None:
    """Keep the reader's opinion of each answer of the thread that is named; other items are nobody's to rate."""
    if len(params.item_ids) > LONGEST_PAGE:
        raise Problem(422, "invalid_request", f"At most {LONGEST_PAGE} items can be rated at once.")
    thread_id = id_of(params.thread_id, "thread")
    given = FeedbackRequest(rating="up" if params.kind == "positive" else "down")
    rated = False
    for item_id in dict.fromkeys(params.item_ids):
        message = await service.messages.get(session_id, id_of(item_id, "message"))
        if message and message.thread_id == thread_id and message.role == "assistant":
            rated |= await service.take_opinion(session_id, message.id, given)
    if not rated:
        raise not_found("message")


def _limit(asked: int | None) -> int:
    return min(max(asked or PAGE, 1), LONGEST_PAGE)
