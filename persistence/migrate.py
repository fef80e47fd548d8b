"""Brings a database to the schema this code expects: numbered SQL files, forward only, never edited once applied."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg

from graph.errors import ConfigurationError, StoreUnavailable
from persistence.postgres import driver_errors, normalise_dsn

LOCK = 7_421_339_011
"""Any number, as long as every version of this code takes the same."""
LOCK_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of the folder; `digest` is the sha256 of its text with LF line ends."""

    number: int
    name: str
    sql: str
    digest: str

    @property
    def in_transaction(self) -> bool:
        """False for a file that begins with `-- no-transaction`: one statement that may be repeated after a failure."""
        return not self.sql.startswith("-- no-transaction")


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """Return the migrations of the package, or of a folder, in order; a hole or odd name is a ConfigurationError."""
    found = []
    for file in (folder or files("migrations")).iterdir():
        if not file.name.endswith(".sql"):
            continue
        number = re.match(r"(\d{4})_\w+\.sql$", file.name)
        if not number:
            raise ConfigurationError(f"migration {file.name} is not named NNNN_name.sql")
        sql = file.read_bytes().decode().replace("\r\n", "\n")
        found.append(Migration(int(number[1]), file.name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    found.sort(key=lambda migration: migration.name)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ConfigurationError(f"migrations must run 0001, 0002, ... without a hole: {[m.name for m in found]}")
    return found


async def migrate(url: str, *, check: bool = False, folder: Traversable | None = None) -> list[str]:
    """Apply what is missing and return its names; with `check` only return them.

    Goes beside Neon's pooler. Several at once are safe: one works, the others wait. A file that fails is rolled back
    whole, those before it stay. Raises ConfigurationError when a file fails, was edited after it was applied, or when
    the database is newer than this code; StoreUnavailable when Postgres cannot be reached or another migration holds
    the lock for longer than 60 s.
    """
    migrations = read_migrations(folder)
    with driver_errors():
        if check:
            async with _connected(url) as connection:
                return [migration.name for migration in await _missing(connection, migrations)]
        async with _alone(url), _connected(url) as connection:
            await connection.execute(
                """
                create table if not exists schema_migrations (
                    number     integer primary key,
                    name       text not null,
                    digest     text not null,
                    applied_at timestamptz not null default now()
                )
                """
            )
            missing = await _missing(connection, migrations)
            for migration in missing:
                await _apply(connection, migration)
            return [migration.name for migration in missing]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**normalise_dsn(url).direct.arguments())
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[None]:
    """Hold the lock of all migrations meanwhile, in a transaction of its own, so that it is sound behind any pooler.

    Who waits asks again and again, without parameters (asyncpg's simple protocol, of which only the row count is
    known): a call that waits, or a portal left open by one with parameters, holds a snapshot, and for the end of
    every snapshot `create index concurrently` waits.
    """
    deadline = asyncio.get_running_loop().time() + LOCK_PATIENCE_S
    async with _connected(url) as holder, holder.transaction():
        await holder.execute("set local idle_in_transaction_session_timeout = 0")
        while await holder.execute(f"select 1 where pg_try_advisory_xact_lock({LOCK})") != "SELECT 1":
            if asyncio.get_running_loop().time() > deadline:
                raise StoreUnavailable(f"another migration runs for {LOCK_PATIENCE_S:.0f} s already; try again later")
            await asyncio.sleep(0.1)
        yield


async def _missing(connection: asyncpg.Connection, migrations: list[Migration]) -> list[Migration]:
    applied: dict[int, str] = {}
    if await connection.fetchval("select to_regclass('schema_migrations') is not null"):
        applied = dict(await connection.fetch("select number, digest from schema_migrations"))
    if applied and max(applied) > len(migrations):
        raise ConfigurationError(
            f"the database is at migration {max(applied)}, newer than this code ({len(migrations)}); upgrade citeside"
        )
    for migration in migrations:
        if applied.get(migration.number, migration.digest) != migration.digest:
            raise ConfigurationError(f"{migration.name} was edited after it was applied; restore it and add a new file")
    return [migration for migration in migrations if migration.number not in applied]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    record = "insert into schema_migrations (number, name, digest) values ($1, $2, $3)"
    try:
        if migration.in_transaction:
            async with connection.transaction():
                # A table in use makes the migration fail, rather than every reader wait behind it.
                await connection.execute("set local lock_timeout = '10s'")
                await connection.execute(migration.sql)
                await connection.execute(record, migration.number, migration.name, migration.digest)
        else:
            await connection.execute(migration.sql)
            await connection.execute(record, migration.number, migration.name, migration.digest)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        outcome = "was rolled back" if migration.in_transaction else "may have left an invalid index to drop"
        raise ConfigurationError(
            f"migration {migration.name} failed and {outcome}: {error.args[0]}"
        ) from error  # no DETAIL: it quotes rows
