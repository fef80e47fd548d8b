"""Any pasted URL reaches its database, and a database that goes away is waited for briefly and reported clearly."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest
from blockbuster import blockbuster_ctx

from graph.errors import ConfigurationError, StoreOverloaded, StoreUnavailable
from persistence import postgres
from persistence.postgres import Database, Dsn, normalise_dsn, open_database
from tests.postgres_fixtures import connection_to

NEON = "postgresql://owner:p%40ss@ep-cool-name-123-pooler.eu-central-1.aws.neon.tech/neondb"


class Relay:
    """A stretch of network before Postgres that a test can cut or silence."""

    def __init__(self, url: str):
        self._there = urlsplit(url)
        self._open: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.silent = False

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()
        await asyncio.gather(*self._tasks)

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        here = f"{self._there.netloc.rpartition('@')[0]}@127.0.0.1:{port}"
        query = "sslmode=disable" + "&pgbouncer=true" * normalise_dsn(self._there.geturl()).pooled
        return self._there._replace(netloc=here, query=query).geturl()

    def cut(self) -> None:
        """Break every connection at once."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if folder := parse_qs(self._there.query).get("host"):
            up, down = await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.5432")
        else:
            up, down = await asyncio.open_connection(self._there.hostname, self._there.port or 5432)
        self._open += [writer, down]
        for task in (asyncio.create_task(self._pass(reader, down)), asyncio.create_task(self._pass(up, writer))):
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.silent:
                    sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    async with Relay(database_url) as relay:
        yield relay


@pytest.fixture
async def behind_relay(relay: Relay, tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(relay.url, tmp_path) as db:
        yield db


@pytest.mark.parametrize(
    ("pasted", "understood"),
    [
        (
            f"{NEON}?sslmode=require&channel_binding=require",
            Dsn(NEON, verified_tls=True, pooled=True, connect_timeout=10),
        ),
        (
            "postgres://u:p@db.example.com:5433/d?sslmode=verify-full&sslrootcert=system&connect_timeout=4",
            Dsn("postgres://u:p@db.example.com:5433/d", verified_tls=True, pooled=False, connect_timeout=4),
        ),
        (
            "postgresql+asyncpg://u:p@localhost/d?pgbouncer=true&application_name=docs",
            Dsn("postgresql://u:p@localhost/d?application_name=docs", False, pooled=True, connect_timeout=10),
        ),
        (
            "postgresql://u@127.0.0.1/d?sslmode=require&connect_timeout=0",
            Dsn("postgresql://u@127.0.0.1/d?sslmode=require", False, pooled=False, connect_timeout=10),
        ),
        (
            "postgresql://u@db.example.com/d?sslmode=verify-full&sslrootcert=%2Fca.pem",
            Dsn("postgresql://u@db.example.com/d?sslmode=verify-full&sslrootcert=%2Fca.pem", False, False, 10),
        ),
        (
            "postgresql://u@/d?host=%2Ftmp%2Fa&sslmode=require",
            Dsn("postgresql://u@/d?host=%2Ftmp%2Fa&sslmode=require", False, False, 10),
        ),
    ],
)
def test_a_pasted_url_is_understood(pasted: str, understood: Dsn) -> None:
    assert normalise_dsn(pasted) == understood


def test_migrations_go_beside_neons_pooler() -> None:
    assert normalise_dsn(NEON).direct.url == NEON.replace("-pooler", "")
    assert "statement_cache_size" not in normalise_dsn(NEON).direct.arguments()


def test_a_remote_certificate_is_verified_and_nothing_is_prepared_behind_a_pooler() -> None:
    arguments = normalise_dsn(f"{NEON}?sslmode=require").arguments()
    assert arguments["statement_cache_size"] == 0
    assert arguments["ssl"].verify_mode == ssl.CERT_REQUIRED
    assert arguments["ssl"].check_hostname


@pytest.mark.parametrize("pasted", ["mysql://u:secret@h/d", "u:secret@h/d", "postgresql://u:secret@h:port/d", "//["])
def test_a_url_that_is_none_is_refused_without_repeating_its_password(pasted: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as raised:
        normalise_dsn(pasted)
    assert "secret" not in str(raised.value)


@pytest.mark.anyio
async def test_parameters_that_asyncpg_would_misread_do_not_reach_postgres(
    relay: Relay, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = "channel_binding=require&pgbouncer=true&options=endpoint%3Dep-cool&keepalives=1&application_name=docs"
    with caplog.at_level(logging.WARNING):
        async with open_database(f"{relay.url}&{odd}", tmp_path) as db:
            assert await db.fetchval("select current_setting('application_name')") == "docs"
    assert caplog.messages == ["DATABASE_URL: ignored keepalives, options"]


@pytest.mark.anyio
async def test_an_idle_service_leaves_the_database_asleep(relay: Relay, behind_relay: Database) -> None:
    await asyncio.sleep(0.05)
    assert relay.connections == 0
    await behind_relay.fetchval("select 1")
    assert relay.connections == 1


@pytest.mark.anyio
async def test_a_lost_connection_is_not_noticed_where_the_statement_may_be_repeated(
    relay: Relay, behind_relay: Database
) -> None:
    async def ask() -> int:
        return await behind_relay.fetchval("select 1", idempotent=True)

    await asyncio.gather(*(ask() for _ in range(10)))
    running = [asyncio.create_task(ask()) for _ in range(50)]
    await asyncio.sleep(0)
    relay.cut()
    assert await asyncio.gather(*running) == [1] * 50


@pytest.mark.anyio
async def test_a_statement_that_may_not_be_repeated_is_not(relay: Relay, behind_relay: Database) -> None:
    running = asyncio.create_task(behind_relay.fetchval("select pg_sleep(10)"))
    await asyncio.sleep(0.1)
    relay.cut()
    with pytest.raises(StoreUnavailable, match="Postgres cannot serve us"):
        await running
    assert relay.connections == 1
    assert await behind_relay.fetchval("select 1") == 1


@pytest.mark.anyio
async def test_a_silent_network_is_given_up_on(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "COMMAND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(postgres, "DEADLINE_S", 0.5)
    async with open_database(relay.url, tmp_path) as db:
        await db.fetchval("select 1")
        relay.silent = True
        with pytest.raises(StoreUnavailable, match="no answer in time"):
            await db.fetchval("select 1", idempotent=True)
        relay.silent = False
        assert await db.fetchval("select 1", idempotent=True) == 1


@pytest.mark.anyio
async def test_a_caller_is_sent_away_when_every_connection_stays_busy(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "POOL_SIZE", 1)
    async with open_database(database_url, tmp_path) as db:
        async with connection_to(database_url) as holder, holder.transaction():
            await holder.execute("lock table chores")
            busy = asyncio.create_task(db.fetchval("select count(*) from chores"))
            while not db.pool_state().busy:
                await asyncio.sleep(0.01)
            monkeypatch.setattr(postgres, "POOL_WAIT_S", 0.1)
            with pytest.raises(StoreOverloaded, match="all 1 connections"):
                await db.fetchval("select 1", idempotent=True)
        await busy
        assert await db.fetchval("select 1") == 1


@pytest.mark.anyio
async def test_a_database_that_takes_no_writes_is_told_as_away(database: Database) -> None:
    read_only = "with set as (select set_config('transaction_read_only', 'on', true)) select count(*) from set"
    with pytest.raises(StoreUnavailable, match="ReadOnlySQLTransactionError"):
        await database.execute(f"do $$ begin perform ({read_only}); delete from sessions where false; end $$")


@pytest.mark.anyio
async def test_what_is_wrong_with_the_database_is_told_apart(relay: Relay, tmp_path: Path) -> None:
    async def fails(url: str, sql: str = "select 1") -> type[Exception]:
        async with open_database(url, tmp_path) as db:
            with pytest.raises(Exception) as raised:
                await db.fetchval(sql)
        return raised.type

    nowhere = "postgresql://u@127.0.0.1:1/d"
    assert await fails(nowhere) is StoreUnavailable
    if not normalise_dsn(relay.url).pooled:  # a pooler answers for accounts and databases itself, in its own way
        assert await fails(relay.url.replace("/test_", "/missing_")) is ConfigurationError
        assert await fails(relay.url.replace("postgres@", "nobody_we_know@")) is ConfigurationError
    assert await fails(relay.url, "select 1 / 0") is asyncpg.DivisionByZeroError
    assert await fails(relay.url, "select from missing") is asyncpg.UndefinedTableError


@pytest.mark.anyio
async def test_json_comes_back_as_it_went_in_but_for_what_postgres_cannot_hold(database: Database) -> None:
    value = {"a": [1, 2.5, None, True, {"b": "🚀"}], "c\x00": "\ud800x\\u0000"}
    stored = await database.fetchval("select $1::jsonb", value)
    assert stored == {"a": [1, 2.5, None, True, {"b": "🚀"}], "c\ufffd": "\ufffdx\\u0000"}


@pytest.mark.anyio
async def test_the_embedded_database_never_holds_up_the_event_loop(tmp_path: Path) -> None:
    with blockbuster_ctx() as blocking:
        blocking.functions["os.stat"].can_block_in("asyncpg/connect_utils.py", "_read_password_file")
        async with open_database(None, tmp_path) as db:
            assert await db.fetchval("select 1") == 1
