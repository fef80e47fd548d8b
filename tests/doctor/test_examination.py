"""Checks run side by side, none of them can take the others down, and no password shows in what they find."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient

from graph.errors import ConfigurationError
from persistence.index.remote import RemoteIndex, Server, draft_on
from server.doctor import report
from server.doctor.database import database_url
from server.doctor.examination import examine
from server.doctor.findings import Check, Finding, fail, ok, skipped, warn
from server.doctor.index import qdrant
from server.doctor.machine import Machine, limits
from server.doctor.model import model
from server.settings import Settings
from tests.persistence.engines import Letters, Library, passage

pytestmark = pytest.mark.anyio


@dataclass
class Subject:
    """What the checks of these tests look at."""

    secrets: tuple[str, ...] = ("hunter2-hunter2",)
    seen: list[str] = field(default_factory=list)


async def _found(*checks: Check[Subject]) -> dict[str, Finding]:
    return {check.id: finding async for check, finding in examine(checks, Subject())}


async def good(_: Subject) -> Finding:
    return ok("Good.")


async def bad(_: Subject) -> Finding:
    return fail("Bad.", "Mend it.")


async def test_a_check_that_breaks_is_a_finding_without_a_trace() -> None:
    async def breaks(_: Subject) -> Finding:
        raise ZeroDivisionError("division by hunter2-hunter2\nand more")

    found = await _found(Check("breaks", "", breaks), Check("good", "", good))
    assert found == {
        "breaks": fail("The check itself broke: ZeroDivisionError: division by ***", "Please report this as a bug."),
        "good": ok("Good."),
    }


async def test_an_error_that_is_explained_is_told_as_it_is() -> None:
    async def refuses(_: Subject) -> Finding:
        raise ConfigurationError("the folder belongs to somebody else")

    assert (await _found(Check("refuses", "", refuses)))["refuses"].detail == "the folder belongs to somebody else"


async def test_a_check_that_takes_too_long_has_failed() -> None:
    async def waits(_: Subject) -> Finding:
        await asyncio.Event().wait()
        return ok("")

    assert (await _found(Check("waits", "", waits, seconds=0.01)))["waits"].outcome == "fail"


async def test_what_a_check_needs_is_looked_at_before_it_and_failing_leaves_it_out() -> None:
    found = await _found(
        Check("bad", "", bad),
        Check("on-it", "", good, needs=("bad",)),
        Check("on-that", "", good, needs=("on-it",)),
        Check("behind-it", "", good, after=("bad",)),
    )
    assert found == {
        "bad": fail("Bad.", "Mend it."),
        "on-it": skipped("Not looked at: see bad."),
        "on-that": skipped("Not looked at: see on-it."),
        "behind-it": ok("Good."),
    }


async def test_a_finding_is_a_line_with_its_mend_and_its_place_in_the_docs() -> None:
    check = Check("cors", "", good)
    assert list(report.lines(check, fail("Nobody may ask.", "Add the origin."), coloured=True)) == [
        " \033[31m✗\033[0m cors            Nobody may ask.",
        "                   Mend: Add the origin. (guides/checklist#cors)",
    ]
    assert (
        report.summary([ok(""), warn("", ""), warn("", ""), fail("", "")]) == "4 checks: 1 good, 2 warnings, 1 failure."
    )


HOSTS = ("", "localhost", "db", "10.0.0.7", "db.example.com", "ep-x-pooler.eu.aws.neon.tech", "[::1]", "[bad", "a:b")
MODES = ("", "?sslmode=require", "?sslmode=verify-full&sslrootcert=/ca.crt", "?sslmode=odd", "?host=%2Ftmp", "?a&=b&c=")


@given(
    scheme=st.sampled_from(["postgresql", "postgres", "postgresql+asyncpg", "mysql", ""]),
    password=st.text(min_size=1, max_size=12).map(lambda text: f"sesame{text}"),
    quoted=st.booleans(),
    host=st.sampled_from(HOSTS),
    port=st.sampled_from(["", ":5432", ":no", ":99999999"]),
    query=st.sampled_from(MODES) | st.text(max_size=20).map(lambda text: f"?{text}"),
    as_parameter=st.booleans(),
)
@settings(max_examples=400)
def test_any_database_url_is_judged_without_a_crash_and_without_its_password(
    scheme: str, password: str, quoted: bool, host: str, port: str, query: str, as_parameter: bool
) -> None:
    written = quote(password, safe="") if quoted else password
    if as_parameter:
        url = f"{scheme}://reader@{host}{port}/d{query}{'&' if query else '?'}password={quote(password)}"
    else:
        url = f"{scheme}://reader:{written}@{host}{port}/d{query}"
    machine = Machine(Settings.model_construct(database_url=SecretStr(url)))
    found = asyncio.run(_looked_at(machine))
    assert found.outcome != "skipped" and "broke" not in found.detail, (url, found)
    told = found.detail + found.mend
    assert password not in told and written not in told, (url, found)


async def _looked_at(machine: Machine) -> Finding:
    async for _, finding in examine([Check("database-url", "", database_url)], machine):
        return finding
    raise AssertionError("one check finds one thing")


@pytest.mark.parametrize(
    ("url", "outcome", "told"),
    [
        ("postgresql://u@localhost/d", "ok", "on this machine"),
        ("postgresql://u@/d?host=/run/postgresql", "ok", "on this machine"),
        ("postgresql://u@ep-x-pooler.neon.tech/d?sslmode=require&channel_binding=require", "ok", "verified"),
        ("postgresql://u@db.example.com/d?sslmode=verify-full", "ok", "verified"),
        ("postgresql://u@db.example.com/d?sslmode=verify-full&sslrootcert=/ca.crt", "ok", "against sslrootcert"),
        ("postgresql://u@db.example.com/d?sslmode=require&sslrootcert=/ca.crt", "warn", "not that it is that host's"),
        ("postgresql://u@db.example.com/d", "fail", "sslmode is missing"),
        ("postgresql://u@db.example.com/d?sslmode=disable", "fail", "plain text"),
        ("postgresql://u@db.example.com/d?sslmode=yes", "fail", "no such mode"),
        ("postgresql://u@postgres/d", "warn", "plain text"),
        ("postgresql://u@10.1.2.3/d?sslmode=prefer", "warn", "plain text"),
        ("postgresql://u@db.example.com:port/d", "fail", "cannot be parsed"),
    ],
)
async def test_the_way_to_the_database_is_judged_by_its_host_and_its_mode(url: str, outcome: str, told: str) -> None:
    found = await database_url(Machine(Settings.model_construct(database_url=SecretStr(url))))
    assert (found.outcome, told in found.detail) == (outcome, True), found


async def test_what_opens_an_address_is_not_told_with_it() -> None:
    addresses = {"openai_base_url": "http://sk-token@127.0.0.1:9/v1", "qdrant_url": "http://reader:secret@127.0.0.1:9"}
    machine = Machine(Settings.model_construct(**addresses))
    checks = [Check("model", "", model), Check("qdrant", "", qdrant)]
    told = [finding.detail async for _, finding in examine(checks, machine)]
    assert told[0].startswith("gpt-4.1-mini at http://127.0.0.1:9/v1 cannot be reached")
    assert "127.0.0.1:9" in told[1] and "reader" not in told[1] and "secret" not in told[1]
    assert "secret" in machine.secrets


KEY = SecretStr("sk-a-key-of-a-model")


@pytest.mark.parametrize(
    ("given", "outcome", "told"),
    [
        ({}, "ok", "60 an hour for a session. Without a model there is nothing to pay for."),
        ({"daily_tokens": 0}, "ok", "nothing to pay for"),
        ({"turns_per_hour": 0}, "warn", "off: CITESIDE_TURNS_PER_HOUR."),
        ({"openai_api_key": KEY}, "ok", "an hour for a session, 2,000,000 tokens a day for all."),
        ({"openai_api_key": KEY, "daily_tokens": 0, "daily_cost": 5}, "ok", "session, a cost of 5 a day for all."),
        ({"openai_api_key": KEY, "daily_tokens": 0}, "fail", "Nothing bounds what the model may cost"),
    ],
)
async def test_no_limit_is_told_that_is_not_there(given: dict[str, Any], outcome: str, told: str) -> None:
    found = await limits(Machine(Settings.model_construct(**given)))
    assert (found.outcome, told in found.detail) == (outcome, True), found


@pytest.mark.filterwarnings("ignore:Payload indexes")  # of qdrant-client's own engine, which stands in for a server
async def test_the_width_of_a_collections_vectors_is_read_from_the_server() -> None:
    client = AsyncQdrantClient(":memory:")
    server = Server(client, ":memory:", "citeside")
    library = Library(RemoteIndex(server), lambda dimensions: draft_on(server, dimensions), lambda: None)
    await library.ingest([passage("docs/intro", "A notebook.")], Letters())
    index = RemoteIndex(server)
    assert (await index.collection() or "").startswith("citeside-")
    assert await index.width() == Letters.dimensions
    await client.close()
