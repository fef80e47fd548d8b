"""A thread's messages come in order, page by page, with everything known about each."""

from typing import Literal
from uuid import UUID

import pytest

from graph.types import Citation, Grounding, NearestPage, Notice, PassageRef, Scope, Span
from persistence.feedback import Feedback
from persistence.ids import new_id
from persistence.messages import AssistantMetadata, Failure, Messages, ReaderFeedback
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.threads import Threads
from persistence.turns import Started, Turns
from tests.persistence.asking import ask

pytestmark = pytest.mark.anyio

FULL = AssistantMetadata(
    mode="grounded",
    outcome="partial",
    notices=(Notice(code="model_unavailable", detail="Shown are the passages themselves."),),
    citations=(
        Citation(
            marker=1, at=3, passage_id="p", url="/a#b", path="a", title="A", heading="B", quote="q", start=0, end=1
        ),
    ),
    grounding=Grounding(passages=(PassageRef(id="p", url="/a#b", score=0.25),), unsupported=(Span(start=0, end=2),)),
    nearest=(NearestPage(url="/c", path="c", title="C"),),
    scope=Scope(version="1.0", locale="de", path="docs/a"),
    truncated=True,
    timings={"retrieve": 0.012},
    error=Failure(code="model_failed", detail="It broke off."),
)


@pytest.fixture
async def session_id(database: Database) -> UUID:
    return (await Sessions(database).create())[0].id


async def answered(db: Database, session_id: UUID, thread_id: UUID | None = None) -> Started:
    started = await ask(db, session_id, thread_id=thread_id)
    assert await Turns(db).finish(started.turn_id, 1, "w", status="completed", content="So.", metadata=FULL, tokens=3)
    return started


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_hold_every_message_once_in_order(
    database: Database, session_id: UUID, order: Literal["asc", "desc"]
) -> None:
    first = await answered(database, session_id)
    turns = [first, *[await answered(database, session_id, first.thread_id) for _ in range(2)]]
    wanted = [id for turn in turns for id in (turn.user_message_id, turn.message_id)][:: 1 if order == "asc" else -1]
    pages, after = [], None
    while True:
        page = await Messages(database).list(session_id, first.thread_id, after=after, limit=4, order=order)
        assert page
        pages.append([message.id for message in page.data])
        after = page.after
        if not page.has_more:
            break
    assert pages == [wanted[:4], wanted[4:]]


async def test_a_message_comes_back_with_all_that_was_stored(database: Database, session_id: UUID) -> None:
    started = await answered(database, session_id)
    await Feedback(database).put(session_id, started.message_id, "down", "wrong", None)
    message = await Messages(database).get(session_id, started.message_id)
    page = await Messages(database).list(session_id, started.thread_id)
    assert message and page
    assert page.data[1] == message
    assert message.metadata == FULL
    assert (message.role, message.seq, message.attempt, message.tokens, message.content) == (
        "assistant",
        2,
        1,
        3,
        "So.",
    )
    assert message.feedback == ReaderFeedback(rating="down", reason="wrong", note=None)


async def test_a_superseded_attempt_is_kept_but_not_listed(database: Database, session_id: UUID) -> None:
    started = await answered(database, session_id)
    await database.execute("update messages set status = 'superseded' where id = $1", started.message_id)
    page = await Messages(database).list(session_id, started.thread_id)
    assert page and [message.id for message in page.data] == [started.user_message_id]
    assert await Messages(database).get(session_id, started.message_id)


async def test_an_empty_thread_has_no_messages_and_an_unknown_one_is_unknown(
    database: Database, session_id: UUID
) -> None:
    messages = Messages(database)
    empty = await Threads(database).create(session_id)
    stranger = (await Sessions(database).create())[0].id
    foreign = await answered(database, stranger)
    page = await messages.list(session_id, empty.id)
    assert page and (page.data, page.has_more, page.after) == ((), False, None)
    assert await messages.list(session_id, new_id()) is None
    assert await messages.list(session_id, foreign.thread_id) is None
    assert await messages.list(session_id, empty.id, after=foreign.message_id) is None
    assert await messages.get(session_id, foreign.message_id) is None
