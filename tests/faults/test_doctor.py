"""The doctor on what only this suite puts up: pgbouncer before Postgres, and nginx before the server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from server.doctor.checklist import MACHINE
from server.doctor.examination import examine
from server.doctor.findings import Finding
from server.doctor.machine import Machine
from server.doctor.remote import open_deployment
from server.settings import Settings
from tests.doctor import nginx
from tests.doctor.examined import examined
from tests.doctor.standing import ORIGIN, Standing, standing
from tests.faults.databases import DatabaseServer, url
from tests.faults.gears import MIXED, quick, whole

pytestmark = pytest.mark.anyio

DATABASE = ("settings", "database-url", "database", "migrations", "pooler", "database-clock")


async def _found(database_url: str) -> dict[str, Finding]:
    machine = Machine(Settings.model_validate({"database_url": database_url}))
    checks = [check for check in MACHINE if check.id in DATABASE]
    return {check.id: finding async for check, finding in examine(checks, machine)}


@quick
async def test_a_pooler_that_the_url_does_not_name_is_found(servers: Callable[[str], DatabaseServer]) -> None:
    server = servers(MIXED)
    name = await asyncio.to_thread(server.new_database)
    unnamed = await _found(url(name, server.address))
    assert unnamed["pooler"].outcome == "fail"
    assert unnamed["pooler"].mend == "Add pgbouncer=true to DATABASE_URL."
    named = await _found(server.url(name, server.address))
    assert {check: finding.outcome for check, finding in named.items()} == dict.fromkeys(DATABASE, "ok")
    assert named["pooler"].detail.startswith("A transaction pooler is in between: statements are not cached")
    beside = await _found(url(name, server.postgres))
    assert beside["pooler"].detail == "No transaction pooler is in between."


@pytest.fixture
async def good(servers: Callable[[str], DatabaseServer]) -> AsyncIterator[Standing]:
    """A good deployment, on the embedded Postgres."""
    server = servers("embedded")
    there = url(await asyncio.to_thread(server.new_database), server.address)
    with TemporaryDirectory() as folder:
        async with standing(Path(folder), there, there) as put_up:
            yield put_up


@whole
async def test_behind_nginx_as_the_guide_sets_it_up_all_is_good(good: Standing) -> None:
    with nginx.in_front(good.url) as address:
        async with open_deployment(address, ORIGIN, good.settings) as deployment:
            found = await examined(deployment)
    outcomes = {check.id: finding.outcome for check, finding in found if finding.outcome != "ok"}
    assert outcomes == {"ping": "skipped"}
