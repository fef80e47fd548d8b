"""How an answer is written for ChatKit: markers cut at exact offsets, citations at sentence ends, signs in the text."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from chatkit.types import ThreadStreamEvent

from graph.citations import MarkerGate
from graph.events import Delta, Status, VerdictGiven
from graph.texts import say
from graph.types import Citation, Grounding, NearestPage, Notice, Outcome, Span, Verdict
from persistence.turns import Preface
from server.chatkit.answer import written
from server.chatkit.frames import Telling, turn_events
from server.transcript import Transcript
from server.wire import End, MessageGiven, TurnOpened
from tests.server.chatkit_oracle import EVENT, names, valid
from tests.server.stand_ins import PASSAGE

ID = UUID("01a222ef-61fa-75fc-95e2-39d2f26063ab")


def given(content: str, *cited: int, **more: Any) -> MessageGiven:
    """Return a stored answer whose markers in `content` are [1], and that cites at the offsets named."""
    of = {"passage_id": "p", "url": "https://d/a#b", "path": "a#b", "title": "T", "heading": "", "quote": "Q"}
    citations = tuple(Citation(marker=1, at=at, start=0, end=1, **of) for at in cited)
    values: dict[str, Any] = {"outcome": "answered", "notices": (), "grounding": Grounding(), "verdict": None}
    values |= {"label": None, "nearest": (), "mode": "grounded", "status": "completed"} | more
    return MessageGiven(
        id=ID,
        turn_id=ID,
        attempt=1,
        role="assistant",
        content=content,
        created_at=datetime.now(UTC),
        model="m",
        tokens=1,
        citations=citations,
        **values,
    )


def end(status: Any = "completed", **more: Any) -> End:
    return End(status=status, length=1, **more)


def cited(content: str) -> tuple[str, list[str | None]]:
    """Return the text of an answer, every [1] in which is a citation, and the text before each annotation."""
    at = [i for i in range(len(content)) if content.startswith("[1]", i)]
    part = written(given(content, *at), end(), "en")
    return part.text, [
        part.text.encode("utf-16-le")[: 2 * (a.index or 0)].decode("utf-16-le") for a in part.annotations
    ]


@pytest.mark.parametrize(
    ("content", "text", "before"),
    [
        ("One. [1]", "One.", ["One."]),
        ("One [1]. Two [1][1].", "One. Two.", ["One.", "One. Two.", "One. Two."]),
        ("One [1] and two. Three.", "One and two. Three.", ["One and two."]),
        ("🙂 One. [1] Two.", "🙂 One. Two.", ["🙂 One."]),
        ("- One [1]\n- Two [1]\n", "- One\n- Two\n", ["- One", "- One\n- Two"]),
        ("| a | b [1] |", "| a | b |", ["| a | b"]),
    ],
)
def test_citations_stand_where_their_sentence_ends(content: str, text: str, before: list[str]) -> None:
    assert cited(content) == (text, before)


def test_a_marker_that_nobody_cites_is_text() -> None:
    part = written(given("Type `a[1]`. [1]", 13), end(), "en")
    assert (part.text, [a.index for a in part.annotations]) == ("Type `a[1]`.", [12])


def test_what_streams_is_what_is_stored_however_it_is_cut() -> None:
    said = "One [1]. `x[1]` Two [1][1].\n\n```\nb [1]\n```\nThree. [1] [1] (a) Four [1, 2]. ``a`[1]`` Five.[1]"
    issuing = MarkerGate([PASSAGE.model_copy(update={"text": said})])
    content = issuing.feed(said) + issuing.flush()
    at = [offset for _, offset in issuing.marks]
    assert len(at) == 7
    whole = written(given(content, *at), end(), "en").text
    assert whole == "One. `x[1]` Two.\n\n```\nb [1]\n```\nThree. (a) Four. ``a`[1]`` Five."
    for size in range(1, 6):
        telling = Telling(opened(), "en")
        pieces = [content[a:b] for a, b in pairwise([*range(0, len(content), size), len(content)])]
        told = [e for piece in pieces for e in telling.tell(Delta(text=piece))]
        told += [e for event in (given(content, *at), end()) for e in telling.tell(event)]
        events = [valid(EVENT, e.model_dump(mode="json", exclude_none=True)) for e in told]
        assert "".join(e["update"].get("delta", "") for e in events if "update" in e) == whole


def test_an_unsupported_sentence_is_marked_and_the_sign_explained() -> None:
    content = "One. [1] Two.\n\n| a | b |"
    spans = (Span(start=9, end=13), Span(start=15, end=24))
    part = written(given(content, 5, grounding=Grounding(unsupported=spans)), end(), "en")
    assert part.text == f"One. Two. ⚠\n\n| a | b ⚠ |\n\n_⚠ {say('unsupported', 'en')}_"
    both = written(given("One. Two. [1]", 10, grounding=Grounding(unsupported=(Span(start=0, end=4),))), end(), "en")
    assert both.text.startswith("One. ⚠ Two.\n")
    assert [a.index for a in both.annotations] == [len("One. ⚠ Two.")]


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (end("cancelled", retry=True), "Stopped."),
        (end("failed", code="timeout", detail="Too long.", retry=True), "Too long."),
        (end(truncated=True), say("cut_short", "en")),
    ],
)
def test_how_an_answer_ended_stands_below_it(ended: End, line: str) -> None:
    assert written(given("One.", status=ended.status), ended, "en").text == f"One.\n\n_{line}_"
    assert written(given("", status=ended.status), ended, "en").text == f"_{line}_"


def test_notices_stand_below_the_answer_and_nearest_pages_among_its_sources() -> None:
    outcome: Outcome = "not_covered"
    page = NearestPage(url="https://d/a", path="a", title="A")
    notice = Notice(code="keywords_only", detail="By keywords alone.")
    part = written(given("Not covered.", outcome=outcome, nearest=(page,), notices=(notice,)), end(), "en")
    assert part.text == "Not covered.\n\n_By keywords alone._"
    ((source, index),) = [(a.source, a.index) for a in part.annotations]
    assert (source.title, index) == ("A", None)
    assert source.type == "entity" and source.data == {"path": "a", "url": "https://d/a", "quote": ""}


def opened(attempt: int = 1, mode: Any = "grounded") -> TurnOpened:
    return TurnOpened(
        thread_id=ID,
        turn_id=ID,
        user_message_id=ID,
        message_id=UUID(int=ID.int + attempt),
        mode=mode,
        label=None,
        attempt=attempt,
    )


def test_another_attempt_takes_the_item_of_the_one_before_away() -> None:
    telling = Telling(opened(1), "en")
    events = (Delta(text="One"), opened(1), opened(2), opened(3), Delta(text="Two."), given("Two."), end())
    told = [e.model_dump(mode="json", exclude_none=True) for event in events for e in telling.tell(event)]
    assert names(told) == [
        *("item.added assistant_message", "added", "text_delta", "item.removed"),
        *("item.added assistant_message", "added", "text_delta", "done", "item.done assistant_message"),
    ]
    assert told[3]["item_id"] == str(opened(1).message_id)
    assert {e["item_id"] for e in told[5:] if "item_id" in e} == {str(opened(3).message_id)}


def test_a_selection_that_looks_like_a_marker_is_left_as_it_is() -> None:
    telling = Telling(opened(mode="constrained"), "en")
    verdict = VerdictGiven(verdict=Verdict(verdict="sufficient"))
    told = [e for event in (verdict, Delta(text="Note [1] says so.")) for e in telling.tell(event)]
    assert told[-1].model_dump(mode="json")["update"]["delta"] == "Note [1] says so."


@pytest.mark.anyio
async def test_text_that_comes_quickly_is_told_in_few_deltas() -> None:
    words = [f"word {n} " for n in range(50)]
    transcript = Transcript(opened(), Preface(mode="grounded"))

    async def write() -> None:
        for word in words:
            transcript.emit(Delta(text=word))
            await asyncio.sleep(0)
        transcript.lose()

    writing = asyncio.create_task(write())
    events = [event async for event in turn_events(opened(), transcript.read(), "en")]
    await writing
    deltas = [e["update"]["delta"] for e in map(_dumped, filter(None, events)) if "delta" in e.get("update", {})]
    assert "".join(deltas) == "".join(words).rstrip()  # the last blank is held back: a marker might follow
    assert len(deltas) < 5


def _dumped(event: ThreadStreamEvent) -> dict[str, Any]:
    return event.model_dump(mode="json", exclude_none=True)


@pytest.mark.parametrize("locale", ["en", "de"])
@pytest.mark.parametrize("step", ["condensing", "retrieving", "reading", "assessing", "answering", "checking"])
def test_every_step_is_told(locale: str, step: Any) -> None:
    (told,) = Telling(opened(), locale).tell(Status(step=step))
    assert told.model_dump(exclude_none=True) == {"type": "progress_update", "text": say(f"step_{step}", locale)}


def test_a_text_without_an_end_is_given_with_a_warning() -> None:
    telling = Telling(opened(), "en")
    *_, told = [e for event in (given("One."), end(truncated=True)) for e in telling.tell(event)]
    assert told.model_dump(exclude_none=True) == {
        "type": "notice",
        "level": "warning",
        "message": say("cut_short", "en"),
    }
