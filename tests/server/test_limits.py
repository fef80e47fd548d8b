"""Limits over HTTP: races, proxies, budgets, the pause, the admin token; and no address in database or log."""

import asyncio
import json
import os
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from evals.targets import TargetAway, over_http
from graph.errors import ConfigurationError, ModelFailed
from graph.types import GroundedAnswer, Notice
from persistence.limits import Limits
from persistence.postgres import Database
from persistence.turns import Spent
from server.app import create_app
from server.cli.child import CITESIDE, child_server
from server.limits import ANSWER, Asker, Tariff, open_tariff
from server.requests import ChatRequest
from server.run import question_of
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

PARALLEL = 50
ADMIN = {"Citeside-Admin-Token": "an admin's token"}


@pytest.fixture
def model() -> Scripted:
    return Scripted()


@pytest.fixture
def limited(settings: Settings, model: Scripted) -> Any:
    """Serve with these settings: on a port, or where `at_once` is not needed in this process."""

    @asynccontextmanager
    async def serve(*, port: bool = False, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
        opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
        app = create_app(Settings.model_validate(settings.model_dump() | changed), opening=opening)
        async with (on_a_port if port else in_process)(app) as client:
            client.timeout = 60
            yield client

    return serve


def somewhere() -> str:
    """An IPv6 connection that no other test comes from."""
    return ":".join(f"{uuid4().int % 65536:x}" for _ in range(4)) + "::1"


def coming_from(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


BEHIND_A_PROXY = {"trusted_proxies": ("127.0.0.1",)}


async def ask(reader: Reader, *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    body = {"message": "When does a session expire?"} | body
    return await reader.client.post("/chat/stream", json=body, headers=reader.headers | (headers or {}))


def problem(answer: httpx.Response) -> tuple[int, str, bool]:
    told = answer.json()
    assert answer.headers["retry-after"] == str(told["retry_after"])
    return answer.status_code, told["code"], told["retry_after"] > 0


async def rows_of(db: Database, reader: Reader) -> dict[str, int]:
    row = await db.fetchrow(
        """
        select (select count(*) from threads where session_id = $1) as threads,
               (select count(*) from turns where session_id = $1) as turns,
               (select coalesce(sum(used), 0)::int from rate_windows where session_id = $1) as counted
        """,
        reader.session,
    )
    return dict(row or {})


async def test_of_fifty_questions_at_once_a_session_gets_ten_answered(limited: Any, database: Database) -> None:
    async with limited(port=True, turns_per_minute=10) as client:
        reader = await Reader.arrive(client)
        answers = await asyncio.gather(*(ask(reader) for _ in range(PARALLEL)))
    seen = Counter(answer.status_code for answer in answers)
    if seen[200] > 10:  # the minute ended meanwhile
        assert seen[200] <= 20
    else:
        assert seen == {200: 10, 429: 40}
        assert await rows_of(database, reader) == {"threads": 10, "turns": 10, "counted": 10}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {problem(answer) for answer in refused} == {(429, "rate_limited", True)}
    assert all(int(answer.headers["retry-after"]) <= 60 for answer in refused)


async def test_of_fifty_readers_behind_one_address_three_are_answered_at_a_time(limited: Any, model: Scripted) -> None:
    model.may_go_on.clear()
    async with limited(port=True, address_running_turns=3) as client:
        readers = [await Reader.arrive(client) for _ in range(PARALLEL)]
        asking = [asyncio.create_task(ask(reader)) for reader in readers]
        while sum(task.done() for task in asking) < PARALLEL - 3:
            await asyncio.sleep(0.05)
        refused = [task.result() for task in asking if task.done()]
        assert {problem(answer) for answer in refused} == {(429, "too_many_running", True)}
        model.may_go_on.set()
        answers = await asyncio.gather(*asking)
        assert Counter(answer.status_code for answer in answers) == {200: 3, 429: 47}
        assert (await ask(readers[0])).status_code == 200


async def test_the_same_question_twenty_times_at_once_is_charged_once(limited: Any, database: Database) -> None:
    async with limited(port=True, turns_per_minute=10, address_running_turns=1) as client:
        reader = await Reader.arrive(client)
        client_message_id = str(uuid4())
        answers = await asyncio.gather(*(ask(reader, client_message_id=client_message_id) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.headers["citeside-turn-id"] for answer in answers}) == 1
    assert await rows_of(database, reader) == {"threads": 1, "turns": 1, "counted": 1}


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_refused_question_leaves_its_thread_as_it_was(limited: Any, path: str) -> None:
    async with limited(turns_per_hour=1) as client:
        reader = await Reader.arrive(client)
        assert (await reader.request("POST", "/chat", message="How?")).status_code == 200
        threads = (await reader.request("GET", "/threads")).json()["data"]
        refused = await reader.request("POST", path, message="How?", thread_id=threads[0]["id"])
        assert problem(refused) == (429, "rate_limited", True)
        assert (await reader.request("GET", "/threads")).json()["data"] == threads


async def test_a_further_attempt_counts_too(limited: Any) -> None:
    async with limited(turns_per_hour=2) as client:
        reader = await Reader.arrive(client)
        turn_id = (await ask(reader)).headers["citeside-turn-id"]
        assert (await reader.request("POST", f"/turns/{turn_id}/retry", attempt=1)).status_code == 200
        refused = await reader.request("POST", f"/turns/{turn_id}/retry", attempt=2)
        assert problem(refused) == (429, "rate_limited", True)


async def test_a_stranger_cannot_choose_the_address_they_are_counted_under(limited: Any) -> None:
    async with limited(port=True, address_sessions_per_hour=1) as client:
        answers = [await client.post("/sessions", headers=coming_from(somewhere())) for _ in range(4)]
        assert [answer.status_code for answer in answers[2:]] == [429, 429]
        assert problem(answers[-1]) == (429, "rate_limited_address", True)


async def test_behind_a_trusted_proxy_readers_are_told_apart_and_what_they_claim_is_not_heard(limited: Any) -> None:
    async with limited(port=True, address_sessions_per_hour=2, **BEHIND_A_PROXY) as client:
        one, other = somewhere(), somewhere()
        mint = partial(client.post, "/sessions")
        claims = [f"{somewhere()}, {one}" for _ in range(4)]  # what they sent, and what the proxy wrote behind it
        seen = [(await mint(headers=coming_from(claim))).status_code for claim in claims]
        assert seen[3] == 429
        assert (await mint(headers=coming_from(other))).status_code == 201
        assert (await mint(headers=coming_from(one.removesuffix("1") + "beef"))).status_code == 429  # the same /64


async def test_readers_of_an_address_share_a_minute_and_those_of_another_have_their_own(limited: Any) -> None:
    async with limited(address_turns_per_minute=4, **BEHIND_A_PROXY) as client:
        there, elsewhere = coming_from(somewhere()), coming_from(somewhere())
        readers = [await Reader.arrive(client) for _ in range(9)]
        answers = [await ask(reader, headers=there) for reader in readers]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused  # nine are too many even when a minute ends among them
        assert {problem(answer) for answer in refused} == {(429, "rate_limited_address", True)}
        assert (await ask(readers[0], headers=elsewhere)).status_code == 200


async def test_an_address_searches_so_often_in_a_minute_whoever_asks(limited: Any) -> None:
    async with limited(address_searches_per_minute=20, admin_token=ADMIN["Citeside-Admin-Token"]) as client:
        readers = [await Reader.arrive(client) for _ in range(2)]

        async def search(reader: Reader, **headers: str) -> httpx.Response:
            return await client.get("/search?q=expiry", headers=reader.headers | headers)

        seen = await asyncio.gather(*(search(reader) for reader in readers for _ in range(PARALLEL // 2)))
        refused = [each for each in seen if each.status_code != 200]
        assert 10 <= len(refused) <= 30  # a minute may end among them
        assert {problem(each) for each in refused} == {(429, "rate_limited_address", True)}
        assert (await search(readers[0], **ADMIN)).status_code == 200


async def test_the_admin_token_lifts_every_limit(limited: Any, settings: Settings, database: Database) -> None:
    changed = {name: 1 for name in Settings.model_fields if name.endswith(("_minute", "_hour", "_running_turns"))}
    async with limited(admin_token=ADMIN["Citeside-Admin-Token"], session_daily_tokens=1, **changed) as client:
        readers = []
        for _ in range(3):
            given = await client.post("/sessions", headers=ADMIN)
            readers.append(
                Reader(client, given.json()["session_id"], {"Authorization": f"Bearer {given.json()['token']}"})
            )
        answers = [await ask(reader, headers=ADMIN) for reader in readers for _ in range(2)]
        assert {answer.status_code for answer in answers} == {200}
        assert (await rows_of(database, readers[0]))["counted"] == 0
        assert problem(await ask(readers[0]))[:2] == (429, "budget_exhausted")
        await Limits(database).pause()
        try:
            assert problem(await ask(readers[0], headers=ADMIN))[:2] == (503, "paused")
        finally:
            await Limits(database).resume()


async def test_evaluations_send_the_admin_token(limited: Any) -> None:
    asked = ChatRequest(message="When does a session expire?")
    async with limited(port=True, turns_per_hour=1, admin_token="s3cret") as client:
        url = str(client.base_url)
        async with over_http(url, SecretStr("s3cret")) as target:
            assert [(await target.ask(asked)).end.status for _ in range(3)] == ["completed"] * 3
        async with over_http(url) as target:
            await target.ask(asked)
            with pytest.raises(TargetAway, match="gave 429"):
                await target.ask(asked)


@pytest.mark.parametrize("token", [None, "another", "an admin's toke", "ä"])
@pytest.mark.parametrize("known", [None, ADMIN["Citeside-Admin-Token"]])
async def test_a_wrong_admin_token_is_refused(limited: Any, token: str | None, known: str | None) -> None:
    async with limited(admin_token=known) as client:
        headers = {} if token is None else {"Citeside-Admin-Token": token.encode()}
        answer = await client.post("/sessions", headers=headers)
        assert answer.status_code == (201 if token is None else 403)
        if token:
            assert answer.json()["code"] == "admin_refused"


async def test_a_pause_refuses_questions_in_words_and_lets_answers_go_on(
    limited: Any, model: Scripted, database: Database
) -> None:
    model.may_go_on.clear()
    async with limited(port=True) as client:
        reader = await Reader.arrive(client)
        running = asyncio.create_task(ask(reader))
        while not model.seen:
            await asyncio.sleep(0.02)
        await Limits(database).pause("too dear")
        try:
            refused = await ask(reader)
            assert problem(refused) == (503, "paused", True)
            assert "too dear" not in refused.text
            model.may_go_on.set()
            assert (await running).text.count("event: end") == 1
            assert (await reader.request("GET", "/threads")).status_code == 200
        finally:
            await Limits(database).resume()
        assert (await ask(reader)).status_code == 200


async def test_chatkit_says_in_the_conversation_that_a_limit_is_reached(limited: Any) -> None:
    asked = {
        "type": "threads.create",
        "params": {
            "input": {
                "content": [{"type": "input_text", "text": "How?"}],
                "attachments": [],
                "quoted_text": "",
                "inference_options": {},
            }
        },
    }
    async with limited(chatkit=True, turns_per_hour=1) as client:
        reader = await Reader.arrive(client)
        assert (await ask(reader)).status_code == 200
        answer = await client.post("/chatkit", json=asked, headers=reader.headers)
    [frame] = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line.startswith("data")]
    assert (answer.status_code, frame["type"], frame["allow_retry"]) == (200, "error", True)
    assert frame["message"].startswith("Too many questions came in a short time.")


async def spent_by(db: Database, reader: Reader) -> int:
    return await db.fetchval(
        "select coalesce(sum(used), 0)::int from rate_windows where key = $1", f"session-tokens:{reader.session}"
    )


async def test_a_turn_reserves_what_it_may_cost_and_pays_what_it_did(
    limited: Any, model: Scripted, database: Database
) -> None:
    model.may_go_on.clear()
    async with limited(port=True, session_daily_tokens=20_000) as client:
        reader = await Reader.arrive(client)
        running = asyncio.create_task(ask(reader))
        while not model.seen:
            await asyncio.sleep(0.02)
        assert await spent_by(database, reader) > ANSWER
        model.may_go_on.set()
        await running
        assert await spent_by(database, reader) == 12


@pytest.mark.parametrize("end", ["failed", "cancelled"])
async def test_a_turn_that_broke_off_pays_what_it_reserved(
    limited: Any, model: Scripted, database: Database, end: str
) -> None:
    model.may_go_on.clear()
    model.error = ModelFailed("broke off")
    async with limited(port=True, session_daily_tokens=10_000) as client:
        reader = await Reader.arrive(client)
        running = asyncio.create_task(ask(reader))
        while not model.seen:
            await asyncio.sleep(0.02)
        reserved = await spent_by(database, reader)
        if end == "cancelled":
            [thread] = (await reader.request("GET", "/threads")).json()["data"]
            await reader.request("POST", f"/turns/{thread['running_turn_id']}/stop")
        model.may_go_on.set()
        assert f'"status":"{end}"' in (await running).text
        assert await spent_by(database, reader) == reserved
        assert problem(await ask(reader))[:2] == (429, "budget_exhausted")


async def test_fifty_turns_at_once_get_no_more_tokens_than_the_deployment_has(
    limited: Any, model: Scripted, database: Database
) -> None:
    total = "select coalesce(sum(used), 0)::int from rate_windows where starts_with(key, 'tokens')"
    before = await database.fetchval(total)
    each = sum(_tariff(_settings()).estimate(ChatRequest(message="When does a session expire?")))
    model.may_go_on.clear()
    async with limited(port=True, daily_tokens=before + 5 * each, **BEHIND_A_PROXY) as client:
        readers = [await Reader.arrive(client) for _ in range(PARALLEL)]
        asking = [asyncio.create_task(ask(reader, headers=coming_from(somewhere()))) for reader in readers]
        while sum(task.done() for task in asking) < PARALLEL - 5:
            await asyncio.sleep(0.05)
        assert await database.fetchval(total) == before + 5 * each
        model.may_go_on.set()
        answers = await asyncio.gather(*asking)
    assert Counter(answer.status_code for answer in answers) == {200: 5, 429: 45}
    assert await database.fetchval(total) == before + 5 * 12


async def test_one_address_uses_up_half_of_what_all_have_and_others_go_on(limited: Any, database: Database) -> None:
    total = "select coalesce(sum(used), 0)::int from rate_windows where starts_with(key, 'tokens')"
    before = await database.fetchval(total)
    each = sum(_tariff(_settings()).estimate(ChatRequest(message="When does a session expire?")))
    async with limited(daily_tokens=2 * before + 3 * each, **BEHIND_A_PROXY) as client:
        there, elsewhere = coming_from(somewhere()), coming_from(somewhere())
        greedy, other = await Reader.arrive(client), await Reader.arrive(client)
        assert (await ask(greedy, headers=there)).status_code == 200
        await database.execute(
            "update rate_windows set used = used + $1 where starts_with(key, 'address-tokens') and used = 12",
            before + each,
        )
        assert problem(await ask(greedy, headers=there))[:2] == (429, "budget_exhausted")
        assert (await ask(other, headers=elsewhere)).status_code == 200


async def test_no_address_stands_in_the_database(limited: Any, model: Scripted, database: Database) -> None:
    model.may_go_on.clear()
    async with limited(
        port=True, address_turns_per_minute=9, address_sessions_per_hour=9, address_running_turns=9, **BEHIND_A_PROXY
    ) as client:
        reader = await Reader.arrive(client)
        running = asyncio.create_task(ask(reader, headers=coming_from("198.51.100.77")))
        while not model.seen:
            await asyncio.sleep(0.02)
        tables = await database.fetch("select tablename from pg_tables where schemaname = 'public'")
        assert len(tables) > 8
        for table in tables:
            found = f"select count(*) from {table['tablename']} t where t::text ~ '198.51.100.77|c633644d'"
            assert await database.fetchval(found) == 0, table
        assert await database.fetchval("select count(*) from turns where address is not null") >= 1
        model.may_go_on.set()
        await running
    assert await database.fetchval(
        "select count(*) from turns where session_id = $1 and address is null", reader.session
    )


# What a turn costs, by itself.


def _tariff(settings: Settings, model: str = "scripted") -> Tariff:
    return open_tariff(settings, model)


def _settings(**changed: Any) -> Settings:
    return Settings(_env_file=None, **changed)  # pyright: ignore[reportCallIssue]


ANSWERED = GroundedAnswer(text="x" * 300, outcome="answered", model="gpt", tokens=1000, input_tokens=900)
PRICED = {"daily_cost": 5, "input_price": 0.4, "output_price": 1.6}
QUESTION = question_of(ChatRequest(message="How?"), ())


@pytest.mark.parametrize(
    ("answer", "spent"),
    [
        (ANSWERED, Spent(1000, 520)),
        (ANSWERED.model_copy(update={"input_tokens": None}), Spent(1000, 400)),
        (ANSWERED.model_copy(update={"tokens": None, "input_tokens": None}), Spent(902, 481)),
        (ANSWERED.model_copy(update={"tokens": None, "model": "none"}), Spent(0, 0)),
        (
            ANSWERED.model_copy(
                update={
                    "tokens": None,
                    "notices": (Notice(code="model_unavailable", detail=""),),
                    "model": "extractive",
                }
            ),
            Spent(0, 0),
        ),
        (None, None),
    ],
)
def test_an_answer_costs_what_the_model_says_or_what_its_length_tells(
    answer: GroundedAnswer | None, spent: Spent | None
) -> None:
    assert _tariff(_settings(**PRICED)).spent(QUESTION, answer) == spent


def test_without_a_model_nothing_is_reserved() -> None:
    asker, asked = Asker("t", b"a"), ChatRequest(message="How?")
    units = {charge.unit for charge in _tariff(_settings(**PRICED), "extractive").terms(asker, asked).charges}
    assert units == {"turns"}
    units = {charge.unit for charge in _tariff(_settings(**PRICED)).terms(asker, asked).charges}
    assert units == {"turns", "tokens", "cost"}


def test_a_longer_question_reserves_more() -> None:
    tariff = _tariff(_settings())
    bodies = [
        ChatRequest(message="How?"),
        ChatRequest(message="How?" * 100),
        ChatRequest(message="How?", selected_text="語" * 20_000),
    ]
    estimates = [sum(tariff.estimate(body)) for body in bodies]
    assert estimates == sorted(estimates)
    assert estimates[2] > 20_000  # a character may be a token


def test_whatever_is_asked_counts_in_the_same_rows_of_a_budget() -> None:
    tariff = _tariff(_settings(**PRICED))
    bodies = [
        ChatRequest(message="How?"),
        ChatRequest(message="How?", selected_text="An hour."),
        ChatRequest(message="How?", selected_text="語" * 20_000),
        None,
    ]
    shared = [charge for body in bodies for charge in tariff.terms(Asker("t"), body).charges if charge.whose == "all"]
    assert {(charge.key, charge.most, charge.shards) for charge in shared} == {
        ("tokens", 2_000_000, 2),
        ("cost", 5_000_000, 6),
    }
    assert len({(charge.key, charge.amount) for charge in shared}) == 2 * len(bodies)


def test_money_needs_prices() -> None:
    with pytest.raises(ConfigurationError, match="CITESIDE_DAILY_COST needs CITESIDE_INPUT_PRICE"):
        _tariff(_settings(daily_cost=5, input_price=1))


# As it is started.


def _citeside(*words: str, data_dir: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [*CITESIDE, *words, "--data-dir", str(data_dir)]
    return subprocess.run(command, env=os.environ | env, capture_output=True, text=True, timeout=120)


def test_a_server_on_its_own_postgres_is_paused_beside_it_and_believes_no_header(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    for folder in tmp_path.parents[:3]:
        folder.chmod(0o711)
    env = {"CITESIDE_ADDRESS_SESSIONS_PER_HOUR": "3", "CITESIDE_ADMIN_TOKEN": "not-to-be-told"}
    citeside = partial(_citeside, data_dir=tmp_path / "data", env=env)
    with (
        child_server(tmp_path / "data", "--port", "0", env=env) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        given = [client.post("/sessions", headers=coming_from(somewhere())) for _ in range(8)]
        assert given[-1].json()["code"] == "rate_limited_address"
        session = given[0].json()
        headers = {"Authorization": f"Bearer {session['token']}"}
        asked = {"message": "What is kept?", "selected_text": "Messages are kept."}
        assert client.post("/chat", json=asked, headers=headers).status_code == 200

        paused = citeside("pause", "--reason", "too dear")
        assert (paused.returncode, paused.stdout.startswith("Paused since 20")) == (0, True), paused.stderr
        assert paused.stdout.endswith("UTC: too dear\n")
        assert problem(client.post("/chat", json=asked, headers=headers)) == (503, "paused", True)
        assert citeside("pause").stdout.startswith("Still paused since")
        assert citeside("resume").stdout.startswith("Resumed; it was paused since")
        assert citeside("resume").stdout == "Nothing was paused.\n"
        assert client.post("/chat", json=asked, headers=headers).status_code == 200

        revoked = citeside("sessions", "revoke", session["session_id"])
        assert revoked.stdout == f"revoked: {session['session_id']}\n"
        assert client.get("/threads", headers=headers).status_code == 401
        assert client.post("/chat", json=asked, headers=headers).status_code == 401
        again = citeside("sessions", "revoke", session["session_id"])
        assert again.stdout == f"was closed before: {session['session_id']}\n"
        client.post("/sessions", headers={"Citeside-Admin-Token": "not-to-be-told"})
    log = (tmp_path / "data" / "server.log").read_text()
    assert "127.0.0.1" not in log.replace(url, "") and "not-to-be-told" not in log
