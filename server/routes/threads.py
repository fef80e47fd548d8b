"""A reader's threads and the messages in them."""

from uuid import UUID

from fastapi import APIRouter

from persistence.threads import Order, Page, Thread
from server.document import problems
from server.problems import not_found
from server.requests import ThreadRename, ThreadRequest
from server.routes.deps import After, Limit, ServiceDep, SessionDep
from server.wire import ListedAnswer, MessagePage, ShownQuestion, shown

router = APIRouter(prefix="/threads", tags=["threads"])


@router.post("", status_code=201)
async def create_thread(service: ServiceDep, session: SessionDep, asked: ThreadRequest | None = None) -> Thread:
    """Open an empty thread; asking without a `thread_id` opens one as well."""
    asked = asked or ThreadRequest()
    return await service.threads.create(session.id, title=asked.title, metadata=asked.metadata)


@router.get("")
async def list_threads(
    service: ServiceDep, session: SessionDep, after: After = None, limit: Limit = 20, order: Order = "desc"
) -> Page[Thread]:
    """Return a page of the reader's threads, the newest first unless asked otherwise."""
    return await service.threads.list(session.id, after=after, limit=limit, order=order)


@router.get("/{thread_id}", responses=problems(404))
async def get_thread(service: ServiceDep, session: SessionDep, thread_id: UUID) -> Thread:
    """Return a thread; `running_turn_id` tells whether it is being answered."""
    thread = await service.threads.get(session.id, thread_id)
    if thread is None:
        raise not_found("thread")
    return thread


@router.patch("/{thread_id}", responses=problems(404))
async def rename_thread(service: ServiceDep, session: SessionDep, thread_id: UUID, asked: ThreadRename) -> Thread:
    """Give a thread another title."""
    thread = await service.threads.rename(session.id, thread_id, asked.title)
    if thread is None:
        raise not_found("thread")
    return thread


@router.delete("/{thread_id}", status_code=204, responses=problems(404))
async def delete_thread(service: ServiceDep, session: SessionDep, thread_id: UUID) -> None:
    """Delete a thread with all its messages; a turn that runs in it is stopped."""
    if not await service.threads.delete(session.id, thread_id):
        raise not_found("thread")


@router.get("/{thread_id}/messages", responses=problems(404))
async def list_messages(
    service: ServiceDep,
    session: SessionDep,
    thread_id: UUID,
    after: After = None,
    limit: Limit = 50,
    order: Order = "asc",
) -> MessagePage:
    """Return a page of a thread's messages, the oldest first unless asked otherwise."""
    page = await service.messages.list(session.id, thread_id, after=after, limit=limit, order=order)
    if page is None:
        raise not_found("thread")
    data = tuple(shown(ShownQuestion if message.role == "user" else ListedAnswer, message) for message in page.data)
    return MessagePage(data=data, has_more=page.has_more, after=page.after)
