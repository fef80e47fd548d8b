"""Old conversations go while the server is used, at most once an hour, and never because of time alone."""

import asyncio
import json
from functools import partial

import pytest
from pydantic import SecretStr

from persistence.postgres import Database
from persistence.retention import Retention
from server import pruning
from server.app import create_app
from server.logs import JsonLines
from server.service import open_service
from server.settings import Settings
from tests.postgres_fixtures import own_database as db
from tests.server.http import Reader, in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

__all__ = ["db"]

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "PAUSE", 0)


async def leave_an_old_thread(reader: Reader, db: Database) -> str:
    thread = (await reader.request("POST", "/threads", title="Long ago")).json()["id"]
    await db.execute("update threads set created_at = '2020-01-01', updated_at = '2020-01-01' where id = $1", thread)
    return thread


async def leave_an_old_window(db: Database) -> None:
    await db.execute("insert into rate_windows (key, starts_at) values ('over', now() - interval '26 hours')")


async def until_gone(reader: Reader, thread: str) -> None:
    async with asyncio.timeout(20):
        while (await reader.request("GET", f"/threads/{thread}")).status_code != 404:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("days", [90, 0])
async def test_a_turn_that_ended_has_what_is_old_deleted_and_of_conversations_only_what_is_not_kept(
    settings: Settings, db: Database, days: int
) -> None:
    changed = {"database_url": SecretStr(db.url), "retention_days": days}
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(settings.model_copy(update=changed), opening=opening)) as client:
        reader = await Reader.arrive(client)
        old = await leave_an_old_thread(reader, db)
        await leave_an_old_window(db)
        new = (await reader.request("POST", "/chat", message="Why?")).json()["thread_id"]
        async with asyncio.timeout(20):  # what is over goes last
            while await db.fetchval("select count(*) from rate_windows where key = 'over'"):
                await asyncio.sleep(0.02)
        threads = (await reader.request("GET", "/threads")).json()["data"]
    assert {thread["id"] for thread in threads} == ({new} if days else {old, new})


async def test_the_next_look_is_an_hour_away_in_this_worker_and_in_all_others(
    settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, claims = Retention.claim, []

    async def seen(self: Retention) -> bool:
        claims.append(await claim(self))
        return claims[-1]

    monkeypatch.setattr(Retention, "claim", seen)
    changed = settings.model_copy(update={"database_url": SecretStr(db.url)})
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(changed, opening=opening)) as client:
        reader = await Reader.arrive(client)
        pruned = await leave_an_old_thread(reader, db)
        await reader.request("POST", "/chat", message="Why?")
        await until_gone(reader, pruned)
        begun = await db.fetchval("select begun_at from chores")
        kept = await leave_an_old_thread(reader, db)
        await reader.request("POST", "/chat", message="Why?")
    async with in_process(create_app(changed, opening=opening)) as client:
        another = await Reader.arrive(client)
        await another.request("POST", "/chat", message="Why?")
        async with asyncio.timeout(20):
            while len(claims) < 2:
                await asyncio.sleep(0.02)
    assert claims == [True, False]  # one of each worker
    assert await db.fetchval("select begun_at from chores") == begun
    assert await db.fetchval("select array_agg(id::text) from threads where title = 'Long ago'") == [kept]


async def test_pruning_is_logged_without_the_request_that_was_answered_before(
    settings: Settings, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "server")
    caplog.handler.setFormatter(JsonLines())
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    changed = settings.model_copy(update={"database_url": SecretStr(db.url)})
    async with in_process(create_app(changed, opening=opening)) as client:
        reader = await Reader.arrive(client)
        old = await leave_an_old_thread(reader, db)
        await reader.request("POST", "/chat", message="Why?")
        await until_gone(reader, old)
        async with asyncio.timeout(20):
            while "pruned" not in caplog.text:
                await asyncio.sleep(0.02)
    lines = {line["event"]: line for line in map(json.loads, caplog.text.splitlines())}
    assert "request_id" in lines["turn ended"]
    assert not {"request_id", "turn_id"} & lines["pruned"].keys()


async def test_what_runs_is_stopped_before_its_session_is_erased(reader: Reader, model: Scripted) -> None:
    model.may_go_on.clear()
    answer = asyncio.create_task(reader.request("POST", "/chat", message="Why?"))
    async with asyncio.timeout(20):
        while (
            not (threads := (await reader.request("GET", "/threads")).json()["data"])
            or not threads[0]["running_turn_id"]
        ):
            await asyncio.sleep(0.02)
    assert (await reader.request("DELETE", "/sessions/me")).status_code == 204
    assert (await answer).json()["message"]["status"] == "cancelled"
    assert (await reader.request("GET", "/threads")).status_code == 401
