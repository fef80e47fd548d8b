"""A stored turn becomes a case: what the reader asked, without what may name them."""

from functools import partial
from pathlib import Path

import pytest

from evals.cases import GroundedCase, SufficiencyCase, read_cases
from evals.from_turn import case_of_turn, scrub
from graph.errors import CitesideError
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

SECRET = "I am jo.doe+x@example.co.uk, my key is sk-proj-abcdefgh12345678, id 019abf42-2b9c-7b66-8d1e-6f1c0d3e4a55."


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    {
        "all at once": (SECRET, "I am [email], my key is [key], id [id]."),
        "a password in an address": ("postgresql://jo:secret@db.example/x", "postgresql://[key]@db.example/x"),
        "a session token": ("Bearer 3q2-7wExAmPlEtOkEnOf256RandomBits", "Bearer [key]"),
        "a web token": (".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "x-y_z")), "[key]"),
        "a number to call": ("Call +49 (0)30 1234567.", "Call [phone]."),
        "a long number": ("My order is 12345678901.", "My order is [number]."),
        "a machine": ("It runs on 10.1.2.3.", "It runs on [address]."),
        "a setting": ("API_KEY=abcd-efgh fails", "API_KEY=[secret] fails"),
        "a parameter": ("https://x.example/a?token=abc1&b=1", "https://x.example/a?token=[secret]&b=1"),
        "a password said": ("Passwort ist hunter2", "Passwort ist [secret]"),
        "a token that is spoken of": ("The token is shown once.", "The token is shown once."),
        "nothing of the kind": (
            "Does `CITESIDE_DATA_DIR=/var/lib/citeside` need 10,000 pages on 127.0.0.1:8000 since 2026-11-28?",
            "Does `CITESIDE_DATA_DIR=/var/lib/citeside` need 10,000 pages on 127.0.0.1:8000 since 2026-11-28?",
        ),
    }.values(),
)
def test_what_may_name_a_reader_is_scrubbed(text: str, scrubbed: str) -> None:
    assert scrub(text) == scrubbed


@pytest.mark.anyio
async def test_a_turn_that_a_reader_disliked_becomes_a_case(served: Settings, tmp_path: Path) -> None:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(served, opening=opening)) as client:
        reader = await Reader.arrive(client)
        first = (await reader.request("POST", "/chat", message="What is a session?")).json()
        thread = first["thread_id"]
        asked = (await reader.request("POST", "/chat", message=f"And mine? {SECRET}", thread_id=thread)).json()
        marked = (await reader.request("POST", "/chat", message="How long?", selected_text="It lasts an hour.")).json()
        for answer in (asked, marked):
            path = f"/messages/{answer['message']['id']}/feedback"
            assert (await reader.request("PUT", path, rating="down")).status_code == 204
        lines = [await case_of_turn(served, answer["turn_id"]) for answer in (asked, marked)]
        with pytest.raises(CitesideError, match="There is no turn"):
            await case_of_turn(served, thread)
    file = tmp_path / "grounded.jsonl"
    file.write_text("\n".join(lines))
    grounded, sufficiency = read_cases(file)
    assert isinstance(grounded, GroundedCase) and isinstance(sufficiency, SufficiencyCase)
    assert grounded.question == "And mine? I am [email], my key is [key], id [id]."
    assert (grounded.earlier, grounded.pages) == (("What is a session?",), ("sessions/",))
    said = marked["message"]["verdict"]["verdict"]
    assert (sufficiency.selection, sufficiency.verdict == said) == ("It lasts an hour.", False)
    assert asked["turn_id"] not in lines[0]


@pytest.mark.anyio
async def test_what_is_no_turn_is_told(plain_settings: Settings) -> None:
    with pytest.raises(CitesideError, match="'x' is no turn's id"):
        await case_of_turn(plain_settings, "x")
