"""Turns survive what can happen to them: repeats, races, crashes of their worker, and text nobody expects."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from graph.events import OfferedPassage
from graph.types import CONSTRAINED_LABEL, Notice, Selection, Verdict
from persistence.ids import new_id
from persistence.messages import AssistantMetadata, Message, Messages, Source, UserMetadata
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.threads import Threads
from persistence.turns import (
    AttemptUnknown,
    Beat,
    Joined,
    KeyReused,
    Preface,
    Reply,
    Retried,
    SessionForeign,
    SessionUnknown,
    Started,
    ThreadUnknown,
    TurnIds,
    TurnNotLast,
    TurnRunning,
    Turns,
)
from tests.postgres_fixtures import connection_to, own_database, somebody_waits_for_a_lock

__all__ = ["own_database"]

pytestmark = pytest.mark.anyio

ANSWERED = AssistantMetadata(mode="grounded", outcome="answered")


@dataclass(slots=True)
class Reader:
    """A session that asks, and what it needs to look at what was stored."""

    db: Database
    session_id: UUID
    token: str
    worker: str = field(default_factory=lambda: uuid4().hex)

    @property
    def turns(self) -> Turns:
        return Turns(self.db)

    async def ask(
        self, question: str = "How do I install it?", *, thread_id: UUID | None = None, **changed: Any
    ) -> Started | Joined:
        arguments: dict[str, Any] = {
            "session_id": None,
            "client_message_id": None,
            "mode": "grounded",
            "request": {"message": question},
            "request_hash": hashlib.sha256(question.encode(errors="replace")).digest(),
            "worker": self.worker,
            "content": question,
            "metadata": UserMetadata(),
        }
        return await self.turns.start(self.token, TurnIds.new(thread_id), **(arguments | changed))

    async def start(self, question: str = "How do I install it?", **changed: Any) -> Started:
        started = await self.ask(question, **changed)
        assert isinstance(started, Started)
        return started

    async def answer(self, started: Started, content: str = "Run npm install.", **changed: Any) -> Message | None:
        arguments: dict[str, Any] = {"status": "completed", "content": content, "metadata": ANSWERED}
        return await self.turns.finish(started.turn_id, started.attempt, self.worker, **(arguments | changed))

    async def tell(self, *beats: Beat) -> list[Reply]:
        replies = await self.turns.renew(self.worker, beats)
        return [replies[beat.turn_id] for beat in beats]

    async def retry(self, started: Started, attempt: int = 1, **changed: Any) -> Retried | Joined | None:
        return await self.turns.retry(self.session_id, started.turn_id, attempt, **({"worker": self.worker} | changed))

    async def messages(self, thread_id: UUID) -> list[Message]:
        page = await Messages(self.db).list(self.session_id, thread_id)
        assert page
        return list(page.data)

    async def shown(self, thread_id: UUID) -> list[tuple[str, str, str]]:
        return [(each.role, each.status, each.content) for each in await self.messages(thread_id)]

    async def lose_worker(self, started: Started) -> None:
        """What is left when a worker was killed and its lease ran out."""
        await self.db.execute(
            "update turns set lease_until = now() - interval '1 second' where id = $1", started.turn_id
        )


def lose_the_first_reply(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next statement be carried out while its reply gets lost."""
    send = reader.db._send

    async def send_and_lose(*arguments: Any) -> Any:
        await send(*arguments)
        monkeypatch.setattr(reader.db, "_send", send)
        raise ConnectionResetError

    monkeypatch.setattr(reader.db, "_send", send_and_lose)


@pytest.fixture
async def reader(database: Database) -> Reader:
    session, token = await Sessions(database).create()
    return Reader(database, session.id, token)


async def test_a_question_without_a_thread_opens_one_with_its_beginning_as_title(reader: Reader) -> None:
    question = "How do I 🚀 deploy? " * 10
    started = await reader.start(question)
    thread = await Threads(reader.db).get(reader.session_id, started.thread_id)
    assert thread
    assert (thread.title, thread.running_turn_id) == (question[:60], started.turn_id)
    assert await reader.shown(started.thread_id) == [("user", "completed", question), ("assistant", "running", "")]


async def test_what_came_with_the_question_is_kept_with_it(reader: Reader) -> None:
    metadata = UserMetadata(
        selection=Selection(text=" marked "), source=Source(path="docs/intro"), client={"plan": ["free", 1, None]}
    )
    started = await reader.start(metadata=metadata, mode="constrained")
    question, answer = await reader.messages(started.thread_id)
    assert question.metadata == metadata
    assert answer.metadata == AssistantMetadata(mode="constrained", label=CONSTRAINED_LABEL)


async def test_the_next_question_sees_the_completed_messages_before_it(reader: Reader) -> None:
    first = await reader.start("First?")
    await reader.answer(first, "One.", tokens=7, model="m")
    second = await reader.start("Second?", thread_id=first.thread_id)
    await reader.answer(second, "Two", status="cancelled")
    third = await reader.start("Third?", thread_id=first.thread_id)
    assert first.earlier == ()
    assert [(each.role, each.content) for each in third.earlier] == [
        ("user", "First?"),
        ("assistant", "One."),
        ("user", "Second?"),
    ]
    assert (third.earlier[1].tokens, third.earlier[1].model, third.earlier[1].metadata) == (7, "m", ANSWERED)
    thread = await Threads(reader.db).get(reader.session_id, first.thread_id)
    assert thread and thread.title == "First?"


async def test_the_first_question_names_an_empty_thread_and_a_rename_stays(reader: Reader) -> None:
    threads = Threads(reader.db)
    unnamed = await threads.create(reader.session_id)
    named = await threads.create(reader.session_id, title="Mine")
    for thread in (unnamed, named):
        await reader.start("What is it?", thread_id=thread.id)
    titles = [(await threads.get(reader.session_id, thread.id)).title for thread in (unnamed, named)]  # pyright: ignore
    assert titles == ["What is it?", "Mine"]


async def test_the_same_question_sent_twenty_times_at_once_is_asked_once(reader: Reader) -> None:
    key = uuid4()
    results = await asyncio.gather(*(reader.ask(client_message_id=key) for _ in range(20)))
    (started,) = [each for each in results if isinstance(each, Started)]
    assert [each for each in results if each != started] == [Joined(reader.session_id, started.turn_id)] * 19
    threads = await Threads(reader.db).list(reader.session_id)
    assert [thread.id for thread in threads.data] == [started.thread_id]
    assert len(await reader.messages(started.thread_id)) == 2


async def test_twenty_questions_in_one_thread_run_one_at_a_time(reader: Reader) -> None:
    thread = await Threads(reader.db).create(reader.session_id)
    results = await asyncio.gather(
        *(reader.ask(f"Number {n}?", thread_id=thread.id) for n in range(20)), return_exceptions=True
    )
    (started,) = [each for each in results if isinstance(each, Started)]
    refused = [each.turn_id for each in results if isinstance(each, TurnRunning)]
    assert refused == [started.turn_id] * 19


async def test_a_key_used_for_another_question_is_refused(reader: Reader) -> None:
    key = uuid4()
    await reader.start("One?", client_message_id=key)
    with pytest.raises(KeyReused):
        await reader.ask("Two?", client_message_id=key)


async def test_a_start_whose_reply_was_lost_goes_on_when_sent_again(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await reader.start("First?")
    await reader.answer(first, "One.")
    lose_the_first_reply(reader, monkeypatch)
    second = await reader.start("Second?", thread_id=first.thread_id)
    assert [each.content for each in second.earlier] == ["First?", "One."]
    assert len(await reader.messages(first.thread_id)) == 4


async def test_a_question_needs_a_session_that_its_token_opens(reader: Reader) -> None:
    for token in ("", "unknown"):
        with pytest.raises(SessionUnknown):
            await Reader(reader.db, reader.session_id, token).ask()
    stranger, _ = await Sessions(reader.db).create()
    with pytest.raises(SessionForeign):
        await reader.ask(session_id=stranger.id)
    assert (await reader.start(session_id=reader.session_id)).session_id == reader.session_id
    for change in ("revoked_at = now()", "revoked_at = null, last_seen_at = now() - interval '31 days'"):
        await reader.db.execute(f"update sessions set {change} where id = $1", reader.session_id)
        with pytest.raises(SessionUnknown):
            await reader.ask()


async def test_asking_notes_once_an_hour_that_the_session_was_seen(reader: Reader) -> None:
    old = await reader.db.fetchval(
        "update sessions set last_seen_at = now() - interval '2 hours' where id = $1 returning last_seen_at",
        reader.session_id,
    )
    seen = []
    for _ in range(2):
        await reader.start()
        seen.append(await reader.db.fetchval("select last_seen_at from sessions where id = $1", reader.session_id))
    assert seen[0] == seen[1] > old


@pytest.mark.parametrize("whose", ["nobody's", "another reader's"])
async def test_a_thread_of_another_reader_is_as_unknown_as_one_that_never_was(reader: Reader, whose: str) -> None:
    stranger, _ = await Sessions(reader.db).create()
    foreign = await Threads(reader.db).create(stranger.id)
    with pytest.raises(ThreadUnknown):
        await reader.ask(thread_id=foreign.id if whose == "another reader's" else new_id())
    page = await Messages(reader.db).list(stranger.id, foreign.id)
    assert page and page.data == ()


async def test_text_released_so_far_is_listed_and_the_answer_replaces_it(reader: Reader) -> None:
    started = await reader.start()
    beat = Beat(started.turn_id, 1, 0, "Run ")
    assert await reader.tell(beat) == [Reply("go on", 4)]
    assert await reader.tell(beat) == [Reply("go on", 4)]  # the reply was lost
    assert await reader.tell(Beat(started.turn_id, 1, 4, "npm")) == [Reply("go on", 7)]
    assert await reader.shown(started.thread_id) == [
        ("user", "completed", "How do I install it?"),
        ("assistant", "running", "Run npm"),
    ]
    assert await reader.answer(started, "Run npm install.")
    assert (await reader.shown(started.thread_id))[1] == ("assistant", "completed", "Run npm install.")
    assert await reader.db.fetchval("select count(*) from turn_deltas where turn_id = $1", started.turn_id) == 0


async def test_text_that_the_database_lost_is_written_again_without_a_gap(reader: Reader) -> None:
    started = await reader.start()
    await reader.tell(Beat(started.turn_id, 1, 0, "Run "))
    await reader.tell(Beat(started.turn_id, 1, 4, "npm "))
    # What a crash of Postgres does to commits that nobody waited for.
    await reader.db.execute('delete from turn_deltas where turn_id = $1 and "offset" = 4', started.turn_id)
    assert await reader.tell(Beat(started.turn_id, 1, 8, "install")) == [Reply("go on", 4)]
    assert await reader.tell(Beat(started.turn_id, 1, 4, "npm install")) == [Reply("go on", 15)]
    assert (await reader.shown(started.thread_id))[1] == ("assistant", "running", "Run npm install")


async def test_where_a_text_ends_is_looked_up_by_key_though_the_table_was_empty_when_it_was_planned(
    own_database: Database,
) -> None:
    session, token = await Sessions(own_database).create()
    reader = Reader(own_database, session.id, token)
    started = await reader.start()
    async with connection_to(own_database.url) as connection:
        await connection.execute("vacuum (analyze) turns, turn_deltas")
        async with connection.transaction():
            stands = await connection.fetch(
                "select stored from append_deltas($1, array[$2::uuid], '{1}', '{0}', '{Run}')",
                reader.worker,
                started.turn_id,
            )
            scans = await connection.fetchrow(
                "select seq_scan, idx_scan from pg_stat_xact_user_tables where relname = 'turn_deltas'"
            )
    assert [each["stored"] for each in stands] == [3]
    assert tuple(scans or ()) == (0, 1)


async def test_a_reader_elsewhere_is_told_the_text_beyond_what_it_has(reader: Reader) -> None:
    started = await reader.start()
    await reader.tell(Beat(started.turn_id, 1, 0, "🙂 Run "))
    await reader.tell(Beat(started.turn_id, 1, 6, "npm"))

    async def beyond(known: int, attempt: int = 1) -> str:
        glance = await reader.turns.glance(reader.session_id, started.turn_id, attempt=attempt, known=known)
        assert glance
        return glance.text

    assert [await beyond(known) for known in (0, 1, 6, 8, 9, 99)] == ["🙂 Run npm", " Run npm", "npm", "m", "", ""]
    assert await beyond(6, attempt=2) == "🙂 Run npm"


async def test_a_silent_turn_renews_its_lease_seldom_and_still_hears_the_stop(reader: Reader) -> None:
    started = await reader.start()

    async def lease() -> Any:
        return await reader.db.fetchval("select lease_until from turns where id = $1", started.turn_id)

    fresh = await lease()
    assert await reader.tell(Beat(started.turn_id, 1, 0)) == [Reply("go on", 0)]
    assert await lease() == fresh
    await reader.db.execute("update turns set lease_until = now() + interval '11 s' where id = $1", started.turn_id)
    await reader.tell(Beat(started.turn_id, 1, 0))
    assert await lease() > fresh
    await reader.turns.cancel(reader.session_id, started.turn_id)
    assert await reader.tell(Beat(started.turn_id, 1, 0)) == [Reply("stop", 0)]


async def test_when_one_lease_is_due_all_are_renewed_so_that_they_are_due_together(reader: Reader) -> None:
    turns = [await reader.start(), await reader.start("And how do I update it?")]

    async def leases() -> list[Any]:
        rows = await reader.db.fetch(
            "select lease_until from turns where session_id = $1 order by id", reader.session_id
        )
        return [row["lease_until"] for row in rows]

    await reader.db.execute("update turns set lease_until = now() + interval '11 s' where id = $1", turns[0].turn_id)
    due, fresh = await leases()
    told = await reader.tell(*(Beat(turn.turn_id, 1, 0, "Run ") for turn in turns))
    assert told == [Reply("go on", 4), Reply("go on", 4)]
    renewed = await leases()
    assert renewed[0] == renewed[1] > fresh > due


async def test_a_retry_replaces_the_answer_and_keeps_the_former_one(reader: Reader) -> None:
    first = await reader.start("First?")
    await reader.answer(first, "One.")
    second = await reader.start("Second?", thread_id=first.thread_id)
    await reader.answer(second, "Tw", status="failed")
    retried = await reader.retry(second)
    assert isinstance(retried, Retried)
    again = retried.started
    assert (again.turn_id, again.thread_id, again.user_message_id, again.attempt) == (
        second.turn_id,
        second.thread_id,
        second.user_message_id,
        2,
    )
    assert [each.content for each in again.earlier] == ["First?", "One."]
    assert retried.request == {"message": "Second?"}
    assert await reader.answer(again, "Two.")
    shown = [("user", "completed", "Second?"), ("assistant", "completed", "Two.")]
    assert (await reader.shown(first.thread_id))[2:] == shown
    kept = await Messages(reader.db).get(reader.session_id, second.message_id)
    assert kept and (kept.status, kept.content) == ("superseded", "Tw")


async def test_a_retry_takes_a_killed_workers_turn_over_and_keeps_its_text(reader: Reader) -> None:
    started = await reader.start(mode="constrained")
    await reader.tell(Beat(started.turn_id, 1, 0, "Half an ans", Preface(mode="constrained")))
    with pytest.raises(TurnRunning):
        await reader.retry(started)
    await reader.lose_worker(started)
    retried = await reader.retry(started, worker="another")
    assert isinstance(retried, Retried)
    kept = await Messages(reader.db).get(reader.session_id, started.message_id)
    assert kept and (kept.status, kept.content) == ("superseded", "Half an ans")
    assert await reader.tell(Beat(started.turn_id, 1, 11, "wer")) == [Reply("lost", 0)]
    assert not await reader.answer(started, "Half an answer")
    (_, answer) = await reader.messages(started.thread_id)
    assert (answer.status, answer.content, answer.attempt) == ("running", "", 2)
    assert answer.metadata == AssistantMetadata(mode="constrained", label=CONSTRAINED_LABEL)


async def test_retries_sent_at_once_are_one_attempt(reader: Reader) -> None:
    started = await reader.start()
    await reader.answer(started, status="failed")
    results = await asyncio.gather(*(reader.retry(started) for _ in range(10)), return_exceptions=True)
    assert len([each for each in results if isinstance(each, Retried)]) == 1
    assert [each for each in results if not isinstance(each, Retried)] == [
        Joined(reader.session_id, started.turn_id)
    ] * 9


async def test_a_retry_whose_reply_was_lost_goes_on_when_sent_again(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await reader.start()
    await reader.answer(started, status="failed")
    lose_the_first_reply(reader, monkeypatch)
    retried = await reader.retry(started)
    assert isinstance(retried, Retried)
    assert await reader.answer(retried.started, "Two.")


async def test_only_the_last_turn_and_its_last_attempt_are_retried(reader: Reader) -> None:
    first = await reader.start("First?")
    await reader.answer(first)
    second = await reader.start("Second?", thread_id=first.thread_id)
    await reader.answer(second)
    with pytest.raises(TurnNotLast):
        await reader.retry(first)
    with pytest.raises(AttemptUnknown):
        await reader.retry(second, 2)
    assert await reader.turns.retry(reader.session_id, new_id(), 1, worker="w") is None


async def test_an_answer_can_be_stored_twice_but_not_changed(reader: Reader) -> None:
    started = await reader.start()
    answered = await reader.answer(started, "One.")
    assert not await reader.answer(started, "One.")
    assert not await reader.answer(started, "Two.", status="failed")
    assert (await reader.messages(started.thread_id))[1] == answered
    assert answered and (answered.status, answered.content) == ("completed", "One.")


async def test_one_write_tells_each_of_a_workers_turns_what_to_do(reader: Reader) -> None:
    going, stopped, finished, foreign = [await reader.start(f"{n}?") for n in range(4)]
    assert await reader.turns.cancel(reader.session_id, stopped.turn_id) == "running"
    await reader.answer(finished)
    await reader.db.execute("update turns set worker = 'other' where id = $1", foreign.turn_id)
    erased = new_id()
    beats = [Beat(each.turn_id, 1, 0, "text") for each in (going, stopped, finished, foreign)]
    replies = await reader.tell(*beats, Beat(erased, 1, 0))
    assert replies == [Reply("go on", 4), Reply("stop", 4), Reply("lost", 0), Reply("lost", 0), Reply("lost", 0)]
    kept = await reader.db.fetch(
        "select turn_id from turn_deltas join turns t on t.id = turn_id where session_id = $1", reader.session_id
    )
    assert {row["turn_id"] for row in kept} == {going.turn_id, stopped.turn_id}


async def _deltas(reader: Reader, started: Started) -> int:
    return await reader.db.fetchval("select count(*) from turn_deltas where turn_id = $1", started.turn_id)


async def test_a_thread_that_is_deleted_takes_the_text_of_its_running_turn_along(reader: Reader) -> None:
    gone, kept = await reader.start("One?"), await reader.start("Two?")
    await reader.tell(Beat(gone.turn_id, 1, 0, "text"), Beat(kept.turn_id, 1, 0, "text"))
    assert await Threads(reader.db).delete(reader.session_id, gone.thread_id)
    assert (await _deltas(reader, gone), await _deltas(reader, kept)) == (0, 1)


@pytest.mark.parametrize("erased", ["session", "thread"])
async def test_text_that_is_written_while_its_turn_is_erased_is_erased_too(reader: Reader, erased: str) -> None:
    started = await reader.start()
    await reader.tell(Beat(started.turn_id, 1, 0, "text"))
    async with connection_to(reader.db.url) as writer, writer.transaction():
        # A write that has its turn, and has not ended.
        await writer.execute("select from turns where id = $1 for no key update", started.turn_id)
        if erased == "session":
            erasing = asyncio.create_task(Sessions(reader.db).erase(reader.session_id))
        else:
            erasing = asyncio.create_task(Threads(reader.db).delete(reader.session_id, started.thread_id))
        await somebody_waits_for_a_lock(reader.db)
        await writer.execute("insert into turn_deltas values ($1, 1, 4, 'more')", started.turn_id)
    await erasing
    assert await _deltas(reader, started) == 0
    assert await reader.tell(Beat(started.turn_id, 1, 8, "late")) == [Reply("lost", 0)]
    assert await _deltas(reader, started) == 0


async def test_a_write_renews_the_lease(reader: Reader) -> None:
    started = await reader.start()
    await reader.lose_worker(started)
    await reader.turns.renew(reader.worker, [Beat(started.turn_id, 1, 0)])
    turn = await reader.turns.get(reader.session_id, started.turn_id)
    assert turn and turn.status == "running"


@pytest.mark.parametrize("noticed_by", ["asking for the turn", "the next question", "listing"])
async def test_a_killed_workers_answer_is_interrupted_and_keeps_its_text(reader: Reader, noticed_by: str) -> None:
    started = await reader.start(mode="constrained")
    preface = Preface(
        mode="constrained",
        label=CONSTRAINED_LABEL,
        verdict=Verdict(verdict="sufficient"),
        notices=(Notice(code="slow", detail="It took long."),),
    )
    await reader.tell(Beat(started.turn_id, 1, 0, "Half an ", preface))
    await reader.tell(Beat(started.turn_id, 1, 8, "ans"))
    await reader.lose_worker(started)
    match noticed_by:
        case "asking for the turn":
            turn = await reader.turns.get(reader.session_id, started.turn_id)
            assert turn and (turn.status, turn.preface, turn.message_id) == ("interrupted", preface, started.message_id)
        case "the next question":
            await reader.start("And then?", thread_id=started.thread_id)
        case _:
            pass
    answer = (await reader.messages(started.thread_id))[1]
    assert isinstance(answer.metadata, AssistantMetadata)
    assert (answer.status, answer.content) == ("interrupted", "Half an ans")
    assert (answer.metadata.verdict, answer.metadata.notices) == (preface.verdict, preface.notices)


async def test_a_worker_that_slept_through_its_lease_can_write_nothing(reader: Reader) -> None:
    started = await reader.start()
    await reader.lose_worker(started)
    await reader.turns.get(reader.session_id, started.turn_id)
    assert await reader.tell(Beat(started.turn_id, 1, 0, "late", Preface(mode="grounded"))) == [Reply("lost", 0)]
    assert not await reader.answer(started, "late")
    assert (await reader.shown(started.thread_id))[1] == ("assistant", "interrupted", "")


async def test_the_passages_of_a_running_answer_are_known_before_it_ends(reader: Reader) -> None:
    started = await reader.start()
    passage = OfferedPassage(marker=1, id="p", url="/docs/a#b", path="docs/a", title="A", heading="B", score=0.5)
    await reader.tell(Beat(started.turn_id, 1, 0, preface=Preface(mode="grounded", passages=(passage,))))
    turn = await reader.turns.get(reader.session_id, started.turn_id)
    answer = (await reader.messages(started.thread_id))[1]
    assert turn and turn.preface and turn.preface.passages == (passage,)
    assert isinstance(answer.metadata, AssistantMetadata)
    assert [each.url for each in answer.metadata.grounding.passages] == ["/docs/a#b"]


async def test_text_that_postgres_cannot_hold_is_stored_without_moving_an_offset(reader: Reader) -> None:
    nasty, clean = "a\x00b\ud83dc🚀", "a\ufffdb\ufffdc🚀"
    started = await reader.start(nasty, metadata=UserMetadata(client={nasty: [nasty]}), request={"message": nasty})
    await reader.turns.renew(reader.worker, [Beat(started.turn_id, 1, 0, nasty)])
    assert [content for _, _, content in await reader.shown(started.thread_id)] == [clean, clean]
    notices = (Notice(code="odd", detail=nasty),)
    await reader.answer(started, nasty, metadata=AssistantMetadata(mode="grounded", notices=notices), model=nasty)
    question, answer = await reader.messages(started.thread_id)
    assert question.metadata == UserMetadata(client={clean: [clean]})
    assert (answer.content, answer.model) == (clean, clean)
    assert answer.metadata == AssistantMetadata(mode="grounded", notices=(Notice(code="odd", detail=clean),))


async def test_another_readers_turn_can_be_neither_seen_nor_stopped(reader: Reader) -> None:
    started = await reader.start()
    stranger, _ = await Sessions(reader.db).create()
    assert await reader.turns.get(stranger.id, started.turn_id) is None
    assert await reader.turns.cancel(stranger.id, started.turn_id) is None
    assert await reader.turns.retry(stranger.id, started.turn_id, 1, worker="theirs") is None
    assert await reader.tell(Beat(started.turn_id, 1, 0)) == [Reply("go on", 0)]


async def test_erasing_a_thread_ends_its_turn(reader: Reader) -> None:
    started = await reader.start()
    assert await Threads(reader.db).delete(reader.session_id, started.thread_id)
    assert await reader.tell(Beat(started.turn_id, 1, 0, "x")) == [Reply("lost", 0)]
    assert not await reader.answer(started)
