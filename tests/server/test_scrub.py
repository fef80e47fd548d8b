"""With CITESIDE_SCRUB set, no path leads around it: neither to the database, nor to the model, nor to a trace."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import httpx
import pytest

from evals.from_turn import case_of_turn
from graph.errors import ConfigurationError
from graph.ports import Claim, Finish, Lack
from graph.types import Exchange, Passage, Scope
from server.app import create_app
from server.hooks import load_hook
from server.requests import ChatRequest
from server.scrub import Scrub, ScrubFailed
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process
from tests.server.stand_ins import PASSAGE, Scripted, answerers

pytestmark = pytest.mark.anyio

ADDRESS = "jo.doe@mail.example"
MARKED = f"Write to {ADDRESS} within 30 days 🚀. It lasts an hour."


@dataclass
class Listening:
    """Finds a passage, and remembers what it was asked."""

    asked: list[str] = field(default_factory=list)

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        self.asked.append(query)
        return [PASSAGE]


@dataclass
class Hearing(Scripted):
    """Remembers the selections too."""

    selections: list[str] = field(default_factory=list)

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncIterator[Claim | Lack | Finish]:
        self.selections.append(selection)
        async for claim in super().claims(question, selection, earlier):
            yield claim


@dataclass
class Scrubbed:
    reader: Reader
    model: Hearing
    retriever: Listening

    @property
    def heard(self) -> str:
        return repr((self.model.seen, self.model.selections, self.retriever.asked))


@pytest.fixture
async def scrubbed(settings: Settings) -> AsyncIterator[Scrubbed]:
    """A reader of a server that scrubs, with ears at its model and its index."""
    model, retriever = Hearing(), Listening()
    opening = partial(open_service, answerers=answerers(model), retriever=retriever)
    changed = settings.model_copy(update={"scrub": "server.personal_data:scrub", "chatkit": True})
    async with in_process(create_app(changed, opening=opening)) as client:
        yield Scrubbed(await Reader.arrive(client), model, retriever)


async def stored(reader: Reader) -> str:
    """Return all that is kept of a reader."""
    return (await reader.request("GET", "/sessions/me/export")).text


async def test_a_question_is_scrubbed_before_storage_model_and_index(scrubbed: Scrubbed) -> None:
    reader = scrubbed.reader
    first = (await reader.request("POST", "/chat", message=f"Who is {ADDRESS}?")).json()
    await reader.stream(f"And {ADDRESS} again?", thread_id=first["thread_id"])
    await reader.client.get("/search", params={"q": f"find {ADDRESS}"}, headers=reader.headers)
    kept = await stored(reader)
    assert ADDRESS not in kept + scrubbed.heard
    assert "Who is [email]?" in kept and "Who is [email]?" in scrubbed.heard and "find [email]" in scrubbed.heard
    assert (await reader.request("GET", "/threads")).json()["data"][0]["title"] == "Who is [email]?"
    assert [notice["code"] for notice in first["message"]["notices"]] == ["scrubbed"]


async def test_a_scrubbed_selection_is_the_selection_and_offsets_count_it(scrubbed: Scrubbed) -> None:
    reader = scrubbed.reader
    selector = {"prefix": f"by {ADDRESS} ", "suffix": " end", "start": 0, "end": 10}
    asked = {"message": "How long does it last?", "selected_text": MARKED, "selector": selector}
    answer = (await reader.request("POST", "/chat", **asked)).json()
    question, listed = await reader.messages(answer["thread_id"])
    selection = question["selection"]["text"]
    assert selection == MARKED.replace(ADDRESS, "[email]") == scrubbed.model.selections[0]
    assert question["selector"] == {**selector, "prefix": "by [email] "}
    assert "scrubbed" in [notice["code"] for notice in listed["notices"]]
    spans = [selection[span["start"] : span["end"]] for span in listed["verdict"]["used"]]
    assert spans and all(span in answer["message"]["content"] for span in spans)
    again = (await reader.request("POST", "/chat", thread_id=answer["thread_id"], **asked)).json()
    assert scrubbed.model.seen[-1][1], "the turn before was about the same selection"
    assert again["turn_id"] != answer["turn_id"]
    assert ADDRESS not in await stored(reader) + scrubbed.heard


async def test_what_holds_nothing_personal_is_as_it_was_sent(scrubbed: Scrubbed) -> None:
    answer = (await scrubbed.reader.request("POST", "/chat", message="How long does 1.2.3 last?")).json()
    question, listed = await scrubbed.reader.messages(answer["thread_id"])
    assert (question["content"], listed["notices"]) == ("How long does 1.2.3 last?", [])


async def test_the_same_body_joins_its_turn(scrubbed: Scrubbed) -> None:
    body = {"message": f"Is {ADDRESS} there?", "client_message_id": "019abf42-2b9c-7b66-8d1e-6f1c0d3e4a55"}
    first, same = [(await scrubbed.reader.request("POST", "/chat", **body)).json() for _ in range(2)]
    assert first["turn_id"] == same["turn_id"]
    other = await scrubbed.reader.request("POST", "/chat", **body | {"message": "Is anybody there?"})
    assert (other.status_code, other.json()["code"]) == (409, "client_message_id_reused")


async def test_a_retry_asks_what_was_stored(scrubbed: Scrubbed) -> None:
    reader = scrubbed.reader
    answer = (await reader.request("POST", "/chat", message="Whose?", selected_text=MARKED)).json()
    assert (await reader.request("POST", f"/turns/{answer['turn_id']}/retry", attempt=1)).status_code == 200
    _, listed = await reader.messages(answer["thread_id"])
    assert (listed["attempt"], listed["notices"][0]["code"]) == (2, "scrubbed")
    assert len(set(scrubbed.model.selections)) == 1
    assert ADDRESS not in await stored(reader) + scrubbed.heard


async def test_titles_and_notes_are_scrubbed(scrubbed: Scrubbed) -> None:
    reader = scrubbed.reader
    thread = (await reader.request("POST", "/threads", title=f"About {ADDRESS}")).json()
    assert thread["title"] == "About [email]"
    renamed = (await reader.request("PATCH", f"/threads/{thread['id']}", title=f"On {ADDRESS}")).json()
    assert renamed["title"] == "On [email]"
    answer = (await reader.request("POST", "/chat", message="Why?")).json()
    opinion = {"rating": "down", "reason": f"ask {ADDRESS}", "note": f"as {ADDRESS} says"}
    await reader.request("PUT", f"/messages/{answer['message']['id']}/feedback", **opinion)
    kept = await stored(reader)
    assert "as [email] says" in kept and "ask [email]" in kept and ADDRESS not in kept


async def test_chatkit_leads_through_it_too(scrubbed: Scrubbed) -> None:
    reader = scrubbed.reader

    async def post(kind: str, **params: object) -> httpx.Response:
        return await reader.request("POST", "/chatkit", type=kind, params=params)

    message = {
        "content": [{"type": "input_text", "text": f"Who is {ADDRESS}?"}],
        "attachments": [],
        "quoted_text": MARKED,
        "inference_options": {},
    }
    streamed = await post("threads.create", input=message)
    assert streamed.status_code == 200
    (thread,) = (await reader.request("GET", "/threads")).json()["data"]
    await post("threads.update", thread_id=thread["id"], title=f"On {ADDRESS}")
    kept = await stored(reader)
    assert "On [email]" in kept and "Who is [email]?" in kept
    assert ADDRESS not in kept + scrubbed.heard + streamed.text


async def test_a_case_for_evaluation_holds_no_more_than_was_stored(scrubbed: Scrubbed, settings: Settings) -> None:
    answer = (await scrubbed.reader.request("POST", "/chat", message=f"Is it {ADDRESS}?", selected_text=MARKED)).json()
    case = json.loads(await case_of_turn(settings, answer["turn_id"]))
    assert case["question"] == "Is it [email]?" and ADDRESS not in json.dumps(case)


async def test_readers_are_told_that_it_is_on(scrubbed: Scrubbed) -> None:
    told = (await scrubbed.reader.client.get("/config")).json()["disclosures"]
    assert [disclosure["code"] for disclosure in told] == ["kept", "scrubbed"]


def shouts(text: str) -> str:
    raise ValueError(text)


def empties(text: str) -> str:
    return " "


def counts(text: str) -> int:
    return len(text)


def lengthens(text: str) -> str:
    return text.replace("x", "xx")


@pytest.mark.parametrize("function", ["shouts", "empties", "counts"])
async def test_a_function_that_fails_keeps_the_text_from_everybody(
    settings: Settings, function: str, caplog: pytest.LogCaptureFixture
) -> None:
    model, retriever = Hearing(), Listening()
    opening = partial(open_service, answerers=answerers(model), retriever=retriever)
    changed = settings.model_copy(update={"scrub": f"{__name__}:{function}"})
    async with in_process(create_app(changed, opening=opening)) as client:
        reader = await Reader.arrive(client)
        refused = await reader.request("POST", "/chat", message="xyzzy?")
        assert (refused.status_code, refused.json()["code"]) == (503, "internal")
        assert "xyzzy" not in await stored(reader)
    assert (model.seen, retriever.asked) == ([], [])
    assert any("CITESIDE_SCRUB" in str(record.exc_info) for record in caplog.records)


async def test_a_selection_that_grew_too_long_is_cut(settings: Settings) -> None:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=Listening())
    changed = settings.model_copy(update={"scrub": f"{__name__}:lengthens"})
    async with in_process(create_app(changed, opening=opening)) as client:
        reader = await Reader.arrive(client)
        answer = (await reader.request("POST", "/chat", message="Why?", selected_text="x" * 20_000)).json()
        question, _ = await reader.messages(answer["thread_id"])
    assert len(question["selection"]["text"]) == 20_000


async def test_a_retry_whose_question_cannot_be_scrubbed_leaves_its_thread_free(
    scrubbed: Scrubbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = scrubbed.reader
    answer = (await reader.request("POST", "/chat", message="How long?")).json()
    path = f"/turns/{answer['turn_id']}"

    async def fails(scrub: Scrub, asked: ChatRequest) -> ChatRequest:
        raise ScrubFailed("the function in CITESIDE_SCRUB raised ValueError")

    with monkeypatch.context() as broken:
        broken.setattr(Scrub, "asked", fails)
        assert (await reader.request("POST", f"{path}/retry", attempt=1)).status_code == 503
    turn = (await reader.request("GET", path)).json()
    assert (turn["status"], turn["attempt"]) == ("failed", 2)
    assert (await reader.request("POST", f"{path}/retry", attempt=2)).status_code == 200


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("no_such_module:scrub", "there is no module no_such_module"),
        ("server.personal_data:no_such", "the module server.personal_data has no no_such"),
    ],
)
async def test_a_function_that_is_not_there_stops_the_start(settings: Settings, named: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^CITESIDE_SCRUB={named}: {told}"):
        async with open_service(settings.model_copy(update={"scrub": named}), retriever=Listening()):
            pass
    assert load_hook("CITESIDE_SCRUB", "server.personal_data:scrub")("a@b.example") == "[email]"
