"""A session ends when it was not seen for 30 days or was revoked, on every route alike, and use keeps it open."""

import pytest

from persistence.postgres import Database
from persistence.sessions import Sessions
from tests.server.http import Reader

pytestmark = pytest.mark.anyio

ROUTES = (
    ("GET", "/threads"),
    ("POST", "/threads"),
    ("POST", "/chat"),
    ("POST", "/chat/stream"),
    ("GET", "/search?q=expiry"),
    ("GET", "/sessions/me/export"),
    ("DELETE", "/sessions/me"),
)


async def seen_days_ago(db: Database, reader: Reader, days: int) -> None:
    await db.execute(
        "update sessions set last_seen_at = now() - make_interval(days => $2) where id = $1", reader.session, days
    )


@pytest.mark.parametrize("end", ["expired", "revoked"])
async def test_a_session_that_ended_opens_no_route_and_is_not_revived(
    reader: Reader, database: Database, end: str
) -> None:
    await reader.stream("When does a session expire?")
    if end == "expired":
        await seen_days_ago(database, reader, 30)
    else:
        assert await Sessions(database).revoke(reader.session)
    for _ in range(2):
        for method, path in ROUTES:
            answer = await reader.request(method, path, **({"message": "How?"} if "chat" in path else {}))
            assert (answer.status_code, answer.json()["code"]) == (401, "session_required"), path
    assert await database.fetchval("select count(*) from threads where session_id = $1", reader.session) == 1
    assert not await Sessions(database).revoke(reader.session)


@pytest.mark.parametrize(("method", "path"), [("GET", "/threads"), ("POST", "/chat")])
async def test_a_session_that_is_used_stays_open(reader: Reader, database: Database, method: str, path: str) -> None:
    await seen_days_ago(database, reader, 29)
    body = {"message": "How?"} if "chat" in path else {}
    assert (await reader.request(method, path, **body)).status_code == 200
    seen = "select last_seen_at > now() - interval '1 minute' from sessions where id = $1"
    assert await database.fetchval(seen, reader.session)
