"""Readers find their threads, page by page, and only theirs."""

from typing import Literal
from uuid import UUID

import pytest

from persistence.ids import new_id
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.threads import Thread, Threads

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session_id(database: Database) -> UUID:
    return (await Sessions(database).create())[0].id


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_hold_every_thread_once_in_order(
    database: Database, session_id: UUID, order: Literal["asc", "desc"]
) -> None:
    threads = Threads(database)
    opened = [(await threads.create(session_id)).id for _ in range(5)]
    pages, after = [], None
    while True:
        page = await threads.list(session_id, after=after, limit=2, order=order)
        pages.append([thread.id for thread in page.data])
        after = page.after
        if not page.has_more:
            break
    wanted = opened if order == "asc" else opened[::-1]
    assert pages == [wanted[:2], wanted[2:4], wanted[4:]]


async def test_a_page_goes_on_after_a_thread_that_was_deleted_meanwhile(database: Database, session_id: UUID) -> None:
    threads = Threads(database)
    first, second, third = [await threads.create(session_id) for _ in range(3)]
    assert await threads.delete(session_id, second.id)
    page = await threads.list(session_id, after=second.id)
    assert (page.data, page.has_more, page.after) == ((first,), False, first.id)
    assert (await threads.list(session_id, after=first.id)).after is None
    assert third in (await threads.list(session_id)).data


async def test_a_thread_keeps_its_title_and_metadata(database: Database, session_id: UUID) -> None:
    threads = Threads(database)
    thread = await threads.create(session_id, title="Old\x00", metadata={"tags": ["a", None]})
    renamed = await threads.rename(session_id, thread.id, "New 🚀")
    assert (thread.title, thread.metadata) == ("Old\ufffd", {"tags": ["a", None]})
    assert renamed == thread.model_copy(update={"title": "New 🚀"}) == await threads.get(session_id, thread.id)


async def test_what_belongs_to_another_reader_is_as_unknown_as_what_never_was(
    database: Database, session_id: UUID
) -> None:
    threads = Threads(database)
    stranger = (await Sessions(database).create())[0].id
    foreign = await threads.create(stranger, title="Private")

    async def all_answers(thread_id: UUID) -> list[Thread | bool | None]:
        return [
            await threads.get(session_id, thread_id),
            await threads.rename(session_id, thread_id, "Mine"),
            await threads.delete(session_id, thread_id),
        ]

    assert await all_answers(foreign.id) == await all_answers(new_id()) == [None, None, False]
    assert (await threads.list(session_id)).data == ()
    assert await threads.get(stranger, foreign.id) == foreign
