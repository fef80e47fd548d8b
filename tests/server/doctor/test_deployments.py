"""The doctor finds nothing wrong with a good deployment; of a broken one it names what is wrong and how to mend it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.doctor.machine import Machine
from server.doctor.remote import open_deployment
from tests.postgres_fixtures import create_database
from tests.server.doctor.broken import BROKEN, SECRET, Broken
from tests.server.doctor.examined import examined
from tests.server.doctor.standing import KEY, ORIGIN, TOKEN, Standing, standing

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def good(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> AsyncIterator[Standing]:
    """The good deployment, for all tests of this module."""
    folder: Path = tmp_path_factory.mktemp("doctor")
    async with standing(folder, server_url, await create_database(server_url)) as put_up:
        yield put_up


async def test_a_good_machine_is_good_in_all_things(good: Standing) -> None:
    found = await examined(Machine(good.settings, folder=good.folder))
    assert {check.id: finding for check, finding in found if finding.outcome != "ok"} == {}


async def test_of_a_good_deployment_only_what_cannot_be_seen_is_left(good: Standing) -> None:
    async with open_deployment(good.url, ORIGIN, good.settings) as deployment:
        found = await examined(deployment)
    assert {check.id: finding.outcome for check, finding in found if finding.outcome != "ok"} == {
        "tls": "skipped",  # it is asked on loopback
        "http2": "skipped",
        "ping": "skipped",  # the model is not silent for 15 s
    }


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
async def test_each_broken_deployment_is_told_with_its_mend(good: Standing, broken: Broken) -> None:
    async with broken.subject(good) as subject:
        found = await examined(subject)
    wrong = [(check, finding) for check, finding in found if finding.outcome in ("warn", "fail")]
    assert {check.id: finding.outcome for check, finding in wrong} == broken.found, wrong
    assert broken.mend in wrong[0][1].mend
    assert all(finding.detail and finding.mend for _, finding in wrong)
    told = "".join(finding.detail + finding.mend for _, finding in found)
    assert not [secret for secret in (SECRET, KEY, TOKEN) if secret in told]
    assert "Traceback" not in told and "broke:" not in told
