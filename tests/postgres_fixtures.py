"""One embedded Postgres for a test run, with a migrated database; tests make their own sessions and clean nothing.

A folder whose tests need it imports the fixtures in its conftest.py:
`from tests.postgres_fixtures import database, database_url, postgres_server`.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from persistence.embedded_postgres import EmbeddedPostgres
from persistence.ids import new_id
from persistence.migrate import migrate
from persistence.postgres import Database, open_database


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The server; it forgets all when the machine stops, which makes it quick."""
    folder = Path(tempfile.mkdtemp(prefix="citeside-tests-"))
    folder.chmod(0o711)  # as root the server runs as nobody, who must get in where capabilities are dropped too
    server = EmbeddedPostgres(folder / "postgres", {"fsync": "off", "full_page_writes": "off"})
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


async def create_database(server: EmbeddedPostgres, *, template: str) -> str:
    """Create a database from a template and return its URL."""
    name = f"test_{new_id().hex}"
    connection = await asyncpg.connect(server.url)
    await connection.execute(f"create database {name} template {template}")
    await connection.close()
    return server.url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def database_url(postgres_server: EmbeddedPostgres) -> str:
    """The URL of a migrated database that all tests share."""

    async def create() -> str:
        url = await create_database(postgres_server, template="template0")
        await migrate(url)
        return url

    return asyncio.run(create())


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A pool of the shared migrated database."""
    async with open_database(database_url, tmp_path) as db:
        yield db


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres) -> Callable[[], Awaitable[str]]:
    """Make a database of one's own without tables, and return its URL."""
    return lambda: create_database(postgres_server, template="template0")
