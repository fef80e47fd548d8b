"""One embedded Postgres for a test run, with a migrated database; tests make their own sessions and clean nothing.

A folder whose tests need it imports the fixtures in its conftest.py, as tests/persistence does. With
CITESIDE_TEST_DATABASE_URL another server is tested on, pooled or not; the account must be allowed to create databases.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from persistence.embedded_postgres import EmbeddedPostgres
from persistence.ids import new_id
from persistence.migrate import migrate
from persistence.postgres import Database, normalise_dsn, open_database


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Where the server is; the embedded one forgets all when the machine stops, which makes it quick."""
    if url := os.environ.get("CITESIDE_TEST_DATABASE_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="citeside-tests-"))
    folder.chmod(0o711)  # as root the server runs as nobody, who must get in where capabilities are dropped too
    server = EmbeddedPostgres(folder / "postgres", {"fsync": "off", "full_page_writes": "off"})
    server.start()
    yield server.url
    server.stop()
    shutil.rmtree(folder)


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect beside the pool and any pooler, and close the connection however the test ends."""
    connection = await asyncpg.connect(**normalise_dsn(url).direct.arguments())
    try:
        yield connection
    finally:
        await connection.close()


async def somebody_waits_for_a_lock(db: Database) -> None:
    """Return when a statement in this database waits for another transaction."""
    async with asyncio.timeout(10):
        while not await db.fetchval(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def create_database(server_url: str) -> str:
    """Create an empty database and return its URL."""
    name = f"test_{new_id().hex}"
    async with connection_to(server_url) as connection:
        await connection.execute(f"create database {name} template template0")
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def database_url(server_url: str) -> str:
    """The URL of a migrated database that all tests share."""

    async def create() -> str:
        url = await create_database(server_url)
        await migrate(url)
        return url

    return asyncio.run(create())


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A pool of the shared migrated database."""
    async with open_database(database_url, tmp_path) as db:
        yield db


@pytest.fixture
async def own_database(server_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A pool of a migrated database of the test's own, for tests that count or delete rows of anybody's."""
    url = await create_database(server_url)
    await migrate(url)
    async with open_database(url, tmp_path) as db:
        yield db


@pytest.fixture
async def empty_database(server_url: str) -> str:
    """The URL of a database of the test's own, without tables."""
    return await create_database(server_url)
