"""`GET /metrics`: what Prometheus is told, who is told, and what a scrape costs the database (nothing)."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from graph.errors import IndexUnavailable, ModelUnavailable, StoreUnavailable
from persistence.ids import new_id
from persistence.postgres import POOL_SIZE, Database, PoolState
from persistence.turns import Turns
from server.app import create_app
from server.mirrors import TICK
from server.service import open_service
from server.settings import Settings
from tests.postgres_fixtures import connection_to
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

QUESTION = "How long does a session last?"
SELECTION = "A session expires 30 days after it was last seen."
TOKEN = "admin-token-of-the-test"
Samples = dict[str, float]


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    """Settings of a server that tells its metrics to whoever holds the token."""
    return settings.model_copy(update={"admin_token": SecretStr(TOKEN)})


@pytest.fixture
async def reader(guarded: Settings, model: Scripted) -> AsyncIterator[Reader]:
    """A reader in front of such a server."""
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(guarded, opening=opening)) as client:
        yield await Reader.arrive(client)


async def scrape(client: httpx.AsyncClient) -> Samples:
    """Ask for the metrics as Prometheus does."""
    answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples_of(answer.text)


def samples_of(text: str) -> Samples:
    """Return every sample by its name and labels, as Prometheus reads them."""
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def named(samples: Samples, name: str) -> Samples:
    """Return what is not zero of a metric, by its labels alone."""
    return {
        key.removeprefix(name): value for key, value in samples.items() if re.match(rf"{name}(\{{|$)", key) and value
    }


async def test_turns_are_counted_by_mode_and_end(reader: Reader, model: Scripted) -> None:
    await reader.stream(QUESTION)
    await reader.stream(QUESTION, selected_text=SELECTION)
    model.error = ValueError("xyzzy")
    await reader.stream(QUESTION)
    model.error = ModelUnavailable("nobody there")
    model.pieces = ("never said",)
    await reader.stream(QUESTION)
    samples = await scrape(reader.client)
    assert named(samples, "citeside_turns_total") == {
        "{code=none}{mode=grounded}{status=completed}": 2,
        "{code=none}{mode=constrained}{status=completed}": 1,
        "{code=internal}{mode=grounded}{status=failed}": 1,
    }
    assert named(samples, "citeside_turn_outcomes_total") == {
        "{mode=grounded}{outcome=answered}": 2,
        "{mode=constrained}{outcome=answered}": 1,
    }
    assert named(samples, "citeside_turn_verdicts_total") == {"{verdict=sufficient}": 1}
    assert samples["citeside_turn_notices_total{code=model_unavailable}"] == 1
    assert named(samples, "citeside_model_tokens_total") == {"{mode=grounded}": 12, "{mode=constrained}": 7}
    for name in ("citeside_turn_seconds", "citeside_turn_first_text_seconds", "citeside_model_seconds"):
        assert named(samples, f"{name}_count") == {"{mode=grounded}": 3, "{mode=constrained}": 1}, name
    assert named(samples, "citeside_turn_store_seconds_count") == {"": 4}
    assert named(samples, "citeside_retrieval_seconds_count") == {"": 3}


async def test_a_retry_counts_as_a_turn_of_its_own(reader: Reader) -> None:
    turn = (await reader.stream(QUESTION))[0].data
    await reader.request("POST", f"/turns/{turn['turn_id']}/retry", attempt=1)
    samples = await scrape(reader.client)
    assert named(samples, "citeside_turns_total") == {"{code=none}{mode=grounded}{status=completed}": 2}


async def test_what_runs_is_shown_while_it_runs(guarded: Settings, model: Scripted) -> None:
    model.may_go_on.clear()
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with on_a_port(create_app(guarded, opening=opening)) as client:
        reader = await Reader.arrive(client)
        async with client.stream("POST", "/chat/stream", headers=reader.headers, json={"message": QUESTION}) as answer:
            turn_id = answer.headers["citeside-turn-id"]
            during = await scrape(client)
            assert (during["citeside_turns_running"], during["citeside_streams_open"]) == (1, 1)
            while not (flushed := named(await scrape(client), "citeside_flush_lag_seconds_count")):
                await asyncio.sleep(0.05)
            assert flushed[""] >= 1
            await reader.request("POST", f"/turns/{turn_id}/stop")
            await answer.aread()
        while (after := await scrape(client))["citeside_streams_open"]:
            await asyncio.sleep(0.01)
    assert after["citeside_turns_running"] == 0
    assert named(after, "citeside_turns_total") == {"{code=none}{mode=grounded}{status=cancelled}": 1}


async def test_text_that_the_store_does_not_take_shows(
    reader: Reader, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as broken:
        broken.setattr(Turns, "renew", away)
        model.may_go_on.clear()
        asking = asyncio.create_task(reader.stream(QUESTION))
        while not named(failed := await scrape(reader.client), "citeside_flush_failures_total"):
            await asyncio.sleep(0.05)
        assert named(failed, "citeside_flush_seconds_count") == {}
    while not named(mended := await scrape(reader.client), "citeside_flush_lag_seconds_count"):
        await asyncio.sleep(0.05)
    # Text was shown two ticks of 0.25 s, or more, before it was stored.
    lag = "citeside_flush_lag_seconds"
    assert mended[f"{lag}_bucket{{le=0.5}}"] < mended[f"{lag}_count"]
    model.may_go_on.set()
    await asking


class Away:
    """A retriever whose index is away."""

    async def search(self, *_: object, **__: object) -> Any:
        raise IndexUnavailable("no reply")


async def test_searches_that_fail_are_counted_by_their_code(guarded: Settings, model: Scripted) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=Away())
    async with in_process(create_app(guarded, opening=opening)) as client:
        reader = await Reader.arrive(client)
        await reader.stream(QUESTION)
        await reader.request("GET", "/search?q=sessions")
        samples = await scrape(client)
    assert named(samples, "citeside_retrieval_failures_total") == {"{code=index_unavailable}": 2}
    assert named(samples, "citeside_turns_total") == {"{code=index_unavailable}{mode=grounded}{status=failed}": 1}


async def test_requests_are_counted_by_route_and_problems_by_code(reader: Reader) -> None:
    turn = (await reader.stream(QUESTION))[0].data
    await reader.messages(turn["thread_id"])
    for path in ("/nowhere/xyzzy", "/another", "/turns/019abf42-2b9c-7b66-8d1e-6f1c0d3e4a55"):
        await reader.request("GET", path)
    await reader.request("XYZZY", "/healthz")
    await reader.client.options(
        "/chat", headers={"Origin": "https://docs.example", "Access-Control-Request-Method": "POST"}
    )
    samples = await scrape(reader.client)
    requests = named(samples, "citeside_requests_total")
    assert requests == {
        "{method=POST}{route=/sessions}{status=201}": 1,
        "{method=POST}{route=/chat/stream}{status=200}": 1,
        "{method=GET}{route=/threads/{thread_id}/messages}{status=200}": 1,
        "{method=GET}{route=none}{status=404}": 2,
        "{method=GET}{route=/turns/{turn_id}}{status=404}": 1,
        "{method=other}{route=/healthz}{status=405}": 1,
        "{method=OPTIONS}{route=none}{status=200}": 1,
    }
    assert named(samples, "citeside_problems_total") == {
        "{code=not_found}{status=404}": 2,
        "{code=turn_unknown}{status=404}": 1,
        "{code=method_not_allowed}{status=405}": 1,
    }
    assert sum(named(samples, "citeside_request_seconds_count").values()) == sum(requests.values())
    assert "xyzzy" not in json.dumps(samples).lower()


async def test_no_label_holds_an_id_or_a_word(reader: Reader) -> None:
    events = await reader.stream("xyzzy asked", selected_text="xyzzy marked")
    told = json.dumps(await scrape(reader.client))
    secret = {"xyzzy", str(reader.session), *(events[0].data[name] for name in ("thread_id", "turn_id", "message_id"))}
    assert [word for word in secret if word in told] == []


async def test_what_may_happen_is_told_before_it_happens(reader: Reader) -> None:
    samples = await scrape(reader.client)
    assert samples["citeside_turns_total{code=model_failed}{mode=grounded}{status=failed}"] == 0
    assert samples["citeside_turn_notices_total{code=model_unavailable}"] == 0


async def test_the_build_and_the_index_are_named(reader: Reader, settings: Settings) -> None:
    samples = await scrape(reader.client)
    assert [key for key in samples if key.startswith("citeside_build_info")] == [
        key for key in samples if re.fullmatch(r"citeside_build_info\{python=3\.\d+\.\d+\}\{version=0\.\d+\.\d+\}", key)
    ]
    assert samples["citeside_index_up"] == 1


async def test_an_index_that_is_away_keeps_no_other_number_from_being_told(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("server.metrics.INDEX_WAIT", 0.05)
    monkeypatch.setattr("persistence.index.PassageIndex.manifest", silent)
    samples = await scrape(reader.client)
    assert (samples["citeside_index_up"], samples["citeside_turns_running"]) == (0, 0)


@pytest.mark.parametrize("sent", [None, "", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ü"])
async def test_only_the_admin_token_opens_the_metrics(reader: Reader, sent: str | None) -> None:
    headers = {} if sent is None else {"Authorization": sent.encode()}
    answer = await reader.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "admin_token_required")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_without_an_admin_token_nobody_is_told(settings: Settings, model: Scripted) -> None:
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(settings, opening=opening)) as client:
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
            answer = await client.get("/metrics", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "metrics_off")


async def test_an_idle_server_is_probed_and_scraped_without_a_statement(
    guarded: Settings, database_url: str, database: Database, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.metrics.PULSE", 0.01)
    name = f"idle_{new_id().hex}"
    named_url = SecretStr(f"{database_url}{'&' if '?' in database_url else '?'}application_name={name}")
    settings = guarded.model_copy(update={"database_url": named_url})
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())

    async def statements() -> list[tuple[Any, ...]]:
        """What each connection of the server last did, and when."""
        rows = await database.fetch(
            "select pid, query_start, state_change from pg_stat_activity where application_name = $1 order by pid", name
        )
        return [tuple(row) for row in rows]

    async with in_process(create_app(settings, opening=opening)) as client:
        reader = await Reader.arrive(client)
        await reader.stream(QUESTION)
        before = []
        while not before or before != await statements():  # until the last beat of the turn is told
            before = await statements()
            await asyncio.sleep(4 * TICK)
        for _ in range(20):
            for path in ("/healthz", "/readyz", "/config"):
                await client.get(path)
            samples = await scrape(client)
            await asyncio.sleep(0.02)
        assert await statements() == before
    assert samples["citeside_database_connections{state=idle}"] == len(before)
    assert samples["citeside_event_loop_lag_seconds_count"] >= 10


async def test_callers_that_wait_for_a_connection_are_counted(database: Database) -> None:
    async with connection_to(database.url) as holder, holder.transaction():
        await holder.execute("lock table chores")
        calls = [asyncio.create_task(database.fetchval("select count(*) from chores")) for _ in range(POOL_SIZE + 2)]
        while database.pool_state().busy < POOL_SIZE:
            await asyncio.sleep(0.01)
        assert database.pool_state() == PoolState(busy=POOL_SIZE, idle=0, limit=POOL_SIZE, waiting=2)
    await asyncio.gather(*calls)
    state = database.pool_state()
    assert (state.busy, state.waiting) == (0, 0)
