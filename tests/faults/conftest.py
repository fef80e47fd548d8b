"""What the suite stands on: the model, the databases, and for each database a fleet of two workers."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.faults.databases import DatabaseServer, embedded, folder_of_nobody, pgbouncer, plain
from tests.faults.fleet import Fleet, open_fleet
from tests.faults.gears import MIXED
from tests.faults.model import Model, open_model
from tests.faults.record import Note, Record, write_page
from tests.faults.site import ingest_once

Case = Callable[[int], AbstractContextManager[Note]]

_RECORD = pytest.StashKey[Record]()
WRITE_PAGE = "CITESIDE_TEST_FAULTS_PAGE"


def pytest_configure(config: pytest.Config) -> None:
    """Begin a record."""
    config.stash[_RECORD] = Record()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page after a run that was asked to, which fails when a case is missing."""
    if os.environ.get(WRITE_PAGE):
        record = session.config.stash[_RECORD]
        write_page(record)
        if record.missing():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many cases held, and after a whole run which did not."""
    record = config.stash[_RECORD]
    terminalreporter.write_line(f"faults: {len(record.held)} cases held, {len(record.failed)} did not")
    if os.environ.get(WRITE_PAGE) and (missing := record.missing()):
        terminalreporter.write_line(f"faults: not shown to hold: {missing}")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for the suite: its workers outlive a test."""
    return "asyncio"


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """A thread with an event loop of its own for the model and the wires, which serve whatever a test does."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def model(portal: BlockingPortal) -> Iterator[Model]:
    """The model that misbehaves."""
    with portal.wrap_async_context_manager(open_model()) as model:
        yield model


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that the account of the database servers may enter."""
    folder = Path(tempfile.mkdtemp(prefix="citeside-faults-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def index(folder: Path) -> Path:
    """A data folder with an index."""
    return ingest_once(folder / "ingested")


@pytest.fixture(scope="session")
def servers(folder: Path) -> Iterator[Callable[[str], DatabaseServer]]:
    """Starts database servers when they are first asked for; `mixed` is pgbouncer in front of the embedded one."""
    with ExitStack() as stack:
        started: dict[str, DatabaseServer] = {}

        def server(name: str) -> DatabaseServer:
            if name not in started:
                started[name] = stack.enter_context(start(name))
            return started[name]

        def start(name: str) -> AbstractContextManager[DatabaseServer]:
            if name == "embedded":
                (folder / name).mkdir(mode=0o711)
                return embedded(folder / name)
            own = stack.enter_context(folder_of_nobody(folder, name))
            return plain(own) if name == "plain" else pgbouncer(own, server("embedded" if name == MIXED else "plain"))

        yield server


@pytest.fixture(scope="session")
def standing(
    request: pytest.FixtureRequest,
    servers: Callable[[str], DatabaseServer],
    model: Model,
    index: Path,
    folder: Path,
    portal: BlockingPortal,
) -> Iterator[Fleet]:
    """The fleet of a database, started once."""
    name = request.param
    ways = servers("embedded" if name == MIXED else name), servers(name)
    with open_fleet(name, ways, model, index, folder / f"fleet-{name}", portal) as fleet:
        yield fleet


@pytest.fixture
async def fleet(standing: Fleet) -> AsyncIterator[Fleet]:
    """The fleet, whole again whatever the case before did to it."""
    await asyncio.to_thread(standing.mend)
    async with standing.online():
        yield standing


@pytest.fixture
def case(standing: Fleet, request: pytest.FixtureRequest) -> Case:
    """Records a case of this fleet's database."""
    return partial(request.config.stash[_RECORD].case, standing.name)
