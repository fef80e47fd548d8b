"""A token opens one reader's session and nothing else, and erasing it leaves nothing behind."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from graph.types import Selection
from persistence.feedback import Feedback
from persistence.ids import new_id
from persistence.messages import AssistantMetadata, UserMetadata
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.turns import Beat, Started, Turns
from tests.persistence.asking import ask

pytestmark = pytest.mark.anyio


async def converse(db: Database, session_id: UUID) -> Started:
    """Leave rows in every table: a finished turn with feedback, which is returned, a running one, and a limit."""

    async def begin(question: str) -> Started:
        metadata = UserMetadata(selection=Selection(text="marked"))
        started = await ask(db, session_id, question, client_message_id=new_id(), metadata=metadata)
        await Turns(db).renew("w", [Beat(started.turn_id, 1, 0, "An ")])
        return started

    first = await begin("First?")
    answered = AssistantMetadata(mode="grounded", outcome="answered")
    await Turns(db).finish(first.turn_id, 1, "w", status="completed", content="An answer.", metadata=answered)
    await Feedback(db).put(session_id, first.message_id, "up", "clear", "Thanks 🚀")
    await begin("Second?")
    await db.execute(
        "insert into rate_windows (key, starts_at, session_id, used) values ($1, now(), $2, 1)",
        f"turns:{session_id}",
        session_id,
    )
    return first


async def exported(db: Database, session_id: UUID) -> dict[str, Any]:
    """Return a whole export."""
    return json.loads("".join([piece async for piece in Sessions(db).export(session_id)]))


async def test_the_token_opens_its_session_and_is_not_stored(database: Database) -> None:
    sessions = Sessions(database)
    session, token = await sessions.create(user_key="u-1")
    assert await sessions.authenticate(token) == session
    assert session.user_key == "u-1"
    assert session.expires_at - session.created_at == timedelta(days=30)
    row = await database.fetchval("select to_jsonb(s)::text from sessions s where id = $1", session.id)
    assert token not in row


@pytest.mark.parametrize("token", ["", "guess", "\x00\ud800", "x" * 10_000])
async def test_a_guessed_token_opens_nothing(database: Database, token: str) -> None:
    assert await Sessions(database).authenticate(token) is None


@pytest.mark.parametrize("change", ["revoked_at = now()", "last_seen_at = now() - interval '30 days'"])
async def test_a_revoked_or_forgotten_session_is_closed(database: Database, change: str) -> None:
    session, token = await Sessions(database).create()
    await database.execute(f"update sessions set {change} where id = $1", session.id)
    assert await Sessions(database).authenticate(token) is None


async def test_being_seen_keeps_a_session_open_and_is_written_at_most_hourly(database: Database) -> None:
    sessions = Sessions(database)
    session, token = await sessions.create()
    version = "select xmin::text from sessions where id = $1"
    before = await database.fetchval(version, session.id)
    await sessions.authenticate(token)
    assert await database.fetchval(version, session.id) == before

    await database.execute("update sessions set last_seen_at = now() - interval '29 days' where id = $1", session.id)
    seen = await sessions.authenticate(token)
    assert seen and seen.expires_at > session.expires_at
    assert await sessions.authenticate(token) == seen


async def test_an_export_holds_everything_said_and_nobody_elses(database: Database) -> None:
    session, _ = await Sessions(database).create(user_key="u-1")
    other, _ = await Sessions(database).create()
    first = await converse(database, session.id)
    await converse(database, other.id)
    export = await exported(database, session.id)
    assert export["session"]["id"] == str(session.id)
    assert [thread["title"] for thread in export["threads"]] == ["First?", "Second?"]
    question, answer = export["threads"][0]["messages"]
    assert (question["content"], question["metadata"]["selection"]) == ("First?", {"text": "marked"})
    assert (answer["id"], answer["content"], answer["metadata"]["outcome"]) == (
        str(first.message_id),
        "An answer.",
        "answered",
    )
    assert (answer["feedback"]["rating"], answer["feedback"]["note"]) == ("up", "Thanks 🚀")
    assert "token_hash" not in json.dumps(export)


async def test_nobody_is_exported_and_erased_without_ado(database: Database) -> None:
    nobody = new_id()
    assert await exported(database, nobody) == {}
    assert not await Sessions(database).erase(nobody)


async def test_an_erased_session_is_closed(database: Database) -> None:
    session, token = await Sessions(database).create(user_key=f"user of {new_id()}")
    assert await Sessions(database).of_user(session.user_key or "") == [session.id]
    assert await Sessions(database).erase(session.id)
    assert await Sessions(database).authenticate(token) is None
    assert await Sessions(database).of_user(session.user_key or "") == []
