"""The doctor at a deployment that asks readers for a proof."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from server.app import create_app
from server.doctor.findings import Finding
from server.doctor.remote import open_deployment
from server.service import open_service
from server.settings import Settings
from tests.doctor.examined import examined
from tests.server.http import on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

ORIGIN = "https://docs.example"
TOKEN = "operator-0123456789abcdef"


async def refuse(proof: str, address: str) -> bool:
    """Believe nobody."""
    return False


@pytest.fixture(scope="module")
async def url(settings: Settings) -> AsyncIterator[str]:
    """The address of a server whose hook lets nobody in."""
    changes = {"verify": f"{__name__}:refuse", "admin_token": TOKEN}
    guarded = Settings.model_validate({**settings.model_dump(exclude_unset=True), **changes})
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with on_a_port(create_app(guarded, opening=opening)) as client:
        yield str(client.base_url)


async def _found(url: str, token: str | None) -> dict[str, Finding]:
    settings = Settings.model_validate({"admin_token": token})
    async with open_deployment(url.rstrip("/"), ORIGIN, settings) as deployment:
        return {check.id: finding for check, finding in await examined(deployment)}


async def test_without_the_operators_token_what_takes_a_proof_is_not_looked_at(url: str) -> None:
    found = await _found(url, None)
    assert found["session"].outcome == "skipped" and "CITESIDE_ADMIN_TOKEN" in found["session"].detail
    assert {check for check, finding in found.items() if finding.outcome == "fail"} == {"ready"}  # nothing was ingested


async def test_with_the_operators_token_no_proof_is_asked(url: str) -> None:
    found = await _found(url, TOKEN)
    assert {check: found[check].outcome for check in ("session", "stream", "resume", "erased")} == {
        "session": "ok",
        "stream": "ok",
        "resume": "ok",
        "erased": "ok",
    }


async def test_a_token_that_is_not_the_servers_is_told(url: str) -> None:
    found = await _found(url, "another-0123456789abcdef")
    assert found["session"] == Finding(
        "fail",
        "No session is given out: 403 admin_refused.",
        "Set CITESIDE_ADMIN_TOKEN here as it is on the server.",
    )
