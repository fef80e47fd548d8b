"""A reader says what an answer was worth, and may change their mind."""

from uuid import UUID

import pytest

from persistence.feedback import Feedback
from persistence.ids import new_id
from persistence.messages import Messages, ReaderFeedback
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.turns import Started
from tests.persistence.asking import ask

pytestmark = pytest.mark.anyio


@pytest.fixture
async def session_id(database: Database) -> UUID:
    return (await Sessions(database).create())[0].id


@pytest.fixture
async def started(database: Database, session_id: UUID) -> Started:
    return await ask(database, session_id)


async def test_the_last_opinion_holds(database: Database, session_id: UUID, started: Started) -> None:
    feedback = Feedback(database)
    assert await feedback.put(session_id, started.message_id, "up", "clear", "Good\x00")
    assert await feedback.put(session_id, started.message_id, "down", None, "No 🚀")
    message = await Messages(database).get(session_id, started.message_id)
    assert message and message.feedback == ReaderFeedback(rating="down", reason=None, note="No 🚀")


async def test_only_answers_of_ones_own_can_be_rated(database: Database, session_id: UUID, started: Started) -> None:
    feedback = Feedback(database)
    stranger = (await Sessions(database).create())[0].id
    assert not await feedback.put(session_id, started.user_message_id, "up", None, None)
    assert not await feedback.put(stranger, started.message_id, "up", None, None)
    assert not await feedback.put(session_id, new_id(), "up", None, None)
    assert await database.fetchval("select count(*) from feedback where message_id = $1", started.message_id) == 0
