"""Limits hold under races, refuse without a trace, charge a question once, and take nothing they do not give back."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from persistence.ids import new_id
from persistence.limits import DAY, Charge, Limited, Limits, Paused, Terms, TooManyRunning
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.turns import Joined, Spent, Started
from tests.persistence.test_turns import ANSWERED, Reader, lose_the_first_reply

pytestmark = pytest.mark.anyio

PARALLEL = 50


@pytest.fixture
async def reader(database: Database) -> Reader:
    return await arrive(database)


async def arrive(database: Database) -> Reader:
    session, token = await Sessions(database).create()
    return Reader(database, session.id, token)


def a_day(*, whose: Any = "session", amount: int = 1, most: int = 10, shards: int = 1, unit: Any = "turns") -> Charge:
    return Charge(f"test-{uuid4()}", whose, unit, DAY, amount, most, shards)


def somewhere() -> bytes:
    return uuid4().bytes


async def used(db: Database, charge: Charge) -> int:
    return await db.fetchval(
        "select coalesce(sum(used), 0)::int from rate_windows where starts_with(key, $1)", charge.key
    )


async def rows_of(reader: Reader) -> dict[str, int]:
    row = await reader.db.fetchrow(
        """
        select (select count(*) from threads where session_id = $1) as threads,
               (select count(*) from turns where session_id = $1) as turns,
               (select count(*) from messages m join threads t on t.id = m.thread_id where session_id = $1) as messages
        """,
        reader.session_id,
    )
    return dict(row or {})


async def outcomes(asking: list[Any]) -> Counter[str]:
    told = await asyncio.gather(*asking, return_exceptions=True)
    return Counter(type(each).__name__ for each in told)


async def test_of_fifty_questions_at_once_no_more_get_through_than_a_window_holds(reader: Reader) -> None:
    charge = a_day(most=10)
    seen = await outcomes([reader.ask(terms=Terms((charge,))) for _ in range(PARALLEL)])
    assert seen == {"Started": 10, "Limited": 40}
    assert await used(reader.db, charge) == 10
    assert await rows_of(reader) == {"threads": 10, "turns": 10, "messages": 20}


async def test_of_many_readers_at_once_no_more_get_through_than_their_address_may(database: Database) -> None:
    readers = [await arrive(database) for _ in range(PARALLEL)]
    own, shared = a_day(most=10), a_day(whose="address", most=7)
    seen = await outcomes([reader.ask(terms=Terms((own, shared))) for reader in readers])
    assert seen == {"Started": 7, "Limited": 43}
    assert (await used(database, own), await used(database, shared)) == (7, 7)  # whoever was refused was not charged


async def test_what_all_share_is_spread_over_rows_that_together_hold_no_more(database: Database) -> None:
    readers = [await arrive(database) for _ in range(PARALLEL)]
    shared = a_day(whose="all", unit="tokens", amount=10, most=320, shards=8)
    seen = await outcomes([reader.ask(terms=Terms((shared,))) for reader in readers])
    assert seen == {"Started": 32, "Limited": 18}
    rows = await database.fetch("select used from rate_windows where starts_with(key, $1)", shared.key)
    assert [row["used"] for row in rows] == [40] * 8


async def test_an_address_runs_as_many_turns_as_it_may_and_gets_the_next_when_one_ends(database: Database) -> None:
    readers = [await arrive(database) for _ in range(PARALLEL)]
    terms = Terms(address=somewhere(), running=3)
    told = await asyncio.gather(*(reader.ask(terms=terms) for reader in readers), return_exceptions=True)
    started = [(reader, each) for reader, each in zip(readers, told, strict=True) if isinstance(each, Started)]
    assert len(started) == 3
    assert all(isinstance(each, Started | TooManyRunning) for each in told)
    assert sum([(await rows_of(reader))["threads"] for reader in readers]) == 3

    asker, first = started[0]
    await asker.answer(first)
    late = readers[-1]
    assert isinstance(await late.ask(terms=terms), Started)
    with pytest.raises(TooManyRunning):
        await late.ask(terms=terms)
    assert isinstance(await late.ask(terms=Terms(address=somewhere(), running=3)), Started)


async def test_a_turn_whose_worker_went_away_holds_no_slot(reader: Reader) -> None:
    terms = Terms(address=somewhere(), running=1)
    started = await reader.start(terms=terms)
    with pytest.raises(TooManyRunning):
        await reader.ask(terms=terms)
    await reader.lose_worker(started)
    assert isinstance(await reader.ask(terms=terms), Started)


@pytest.mark.parametrize("end", ["finish", "reap", "erase"])
async def test_no_address_is_kept_of_a_turn_that_ended(reader: Reader, end: str) -> None:
    address = somewhere()
    budget = Charge(f"tokens-{address.hex()}", "address", "tokens", DAY, 1, 10)
    started = await reader.start(terms=Terms((budget,), address, running=1))
    named = "select count(*) from turns t where t::text like '%' || $1 || '%'"
    assert await reader.db.fetchval(named, address.hex()) == 1
    if end == "finish":
        await reader.answer(started)
    elif end == "reap":
        await reader.lose_worker(started)
        await reader.turns.get(reader.session_id, started.turn_id)
    else:
        await Sessions(reader.db).erase(reader.session_id)
    assert await reader.db.fetchval(named, address.hex()) == 0


async def test_the_same_question_again_joins_its_turn_and_is_not_charged(reader: Reader) -> None:
    charge, terms = a_day(most=1), Terms(address=somewhere(), running=1)
    terms = terms._replace(charges=(charge,))
    sent = {"client_message_id": new_id(), "terms": terms}
    told = await asyncio.gather(*(reader.ask(**sent) for _ in range(20)))
    assert Counter(type(each) for each in told) == {Started: 1, Joined: 19}
    assert len({each.turn_id for each in told}) == 1
    assert await used(reader.db, charge) == 1
    await Limits(reader.db).pause()
    try:
        assert isinstance(await reader.ask(**sent), Joined)
    finally:
        await Limits(reader.db).resume()


async def test_a_full_window_tells_when_it_begins_anew(reader: Reader) -> None:
    charge = a_day(most=0)._replace(seconds=3600)
    before = datetime.now(UTC).timestamp()
    with pytest.raises(Limited) as refused:
        await reader.ask(terms=Terms((a_day(), charge)))
    assert refused.value.charge == charge
    left = 3600 - before % 3600
    assert left - 60 < refused.value.retry_after <= left + 1 or left < 60  # the hour ended meanwhile


async def test_a_question_sent_twice_because_its_reply_got_lost_is_charged_once(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = a_day()
    lose_the_first_reply(reader, monkeypatch)
    await reader.start(terms=Terms((charge,), somewhere(), 1))
    assert await used(reader.db, charge) == 1


async def test_a_further_attempt_is_charged_like_a_question(reader: Reader) -> None:
    charge = a_day(most=2)
    terms = Terms((charge,), somewhere(), 1)
    started = await reader.start(terms=terms)
    await reader.answer(started)
    assert (await reader.retry(started, terms=terms)) and await used(reader.db, charge) == 2
    assert isinstance(await reader.retry(started, terms=terms), Joined)
    await reader.turns.finish(started.turn_id, 2, reader.worker, status="failed", content="", metadata=ANSWERED)
    with pytest.raises(Limited):
        await reader.retry(started, 2, terms=terms)
    assert await used(reader.db, charge) == 2


async def test_of_many_further_attempts_no_more_run_than_their_address_may(database: Database) -> None:
    terms, pairs = Terms(address=somewhere(), running=2), []
    for _ in range(12):
        reader = await arrive(database)
        started = await reader.start()
        await reader.answer(started)
        pairs.append((reader, started))
    seen = await outcomes([reader.retry(started, terms=terms) for reader, started in pairs])
    assert seen == {"Retried": 2, "TooManyRunning": 10}


def reserving(amount: int = 500, most: int = 1000) -> tuple[Terms, Charge, Charge]:
    tokens = a_day(whose="all", unit="tokens", amount=amount, most=most)
    cost = a_day(whose="all", unit="cost", amount=amount * 2, most=most * 2)
    return Terms((a_day(), tokens, cost)), tokens, cost


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_a_turn_that_ends_gives_back_what_it_did_not_spend(reader: Reader, status: str) -> None:
    terms, tokens, cost = reserving()
    started = await reader.start(terms=terms)
    assert (await used(reader.db, tokens), await used(reader.db, cost)) == (500, 1000)
    await reader.answer(started, status=status, spent=Spent(120, 33))
    assert (await used(reader.db, tokens), await used(reader.db, cost)) == (120, 33)
    await reader.answer(started, status=status, spent=Spent(0, 0))  # sent twice
    assert (await used(reader.db, tokens), await used(reader.db, cost)) == (120, 33)
    assert await used(reader.db, terms.charges[0]) == 1  # it was asked, however it ended


async def test_a_turn_may_spend_more_than_it_reserved_and_then_others_have_less(reader: Reader) -> None:
    terms, tokens, _ = reserving()
    await reader.answer(await reader.start(terms=terms), spent=Spent(1200, 0))
    assert await used(reader.db, tokens) == 1200
    with pytest.raises(Limited) as refused:
        await reader.ask(terms=terms)
    assert refused.value.charge == tokens


async def test_what_nobody_knows_the_cost_of_stays_taken(reader: Reader) -> None:
    terms, tokens, _ = reserving()
    await reader.answer(await reader.start(terms=terms), status="failed")
    lost = await reader.start(terms=terms)
    await reader.lose_worker(lost)
    await reader.turns.get(reader.session_id, lost.turn_id)
    assert await used(reader.db, tokens) == 1000


async def test_many_turns_of_one_budget_start_and_end_at_once(database: Database) -> None:
    readers = [await arrive(database) for _ in range(PARALLEL)]
    terms, tokens, cost = reserving(amount=10, most=100_000)

    async def through(reader: Reader) -> None:
        for _ in range(3):
            await reader.answer(await reader.start(terms=terms), spent=Spent(7, 2))

    await asyncio.gather(*map(through, readers))
    assert (await used(database, tokens), await used(database, cost)) == (PARALLEL * 3 * 7, PARALLEL * 3 * 2)


async def test_a_pause_refuses_new_turns_and_further_attempts_and_lets_running_ones_end(database: Database) -> None:
    reader, limits = await arrive(database), Limits(database)
    running, ended = await reader.start(), await reader.start()
    await reader.answer(ended)
    paused = await limits.pause("The bill is too high 🚀")
    try:
        assert await limits.paused() == paused
        with pytest.raises(Paused):
            await reader.ask()
        with pytest.raises(Paused):
            await reader.retry(ended)
        assert await reader.answer(running)
        assert (await limits.pause("Still")).since == paused.since
    finally:
        assert await limits.resume()
    assert await limits.resume() is None and await limits.paused() is None
    assert isinstance(await reader.ask(), Started)


async def test_a_session_whose_reply_got_lost_takes_the_last_room_once(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, charge = Sessions(reader.db), a_day(whose="address", unit="sessions", most=1)
    lose_the_first_reply(reader, monkeypatch)
    session, token = await sessions.create(charges=(charge,))
    assert await sessions.authenticate(token) == session
    assert await used(reader.db, charge) == 1
    with pytest.raises(Limited):
        await sessions.create(charges=(charge,))


async def test_erasing_a_session_takes_its_windows_along(reader: Reader) -> None:
    charge = a_day()
    await reader.start(terms=Terms((charge,)))
    await Sessions(reader.db).erase(reader.session_id)
    assert await used(reader.db, charge) == 0
