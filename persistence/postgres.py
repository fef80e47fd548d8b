"""Speaks to Postgres: one pool, a deadline on every call, and nothing that a transaction pooler would break."""

import asyncio
import json
import logging
import re
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from pydantic import BaseModel

from graph.errors import ConfigurationError, StoreOverloaded, StoreUnavailable

logger = logging.getLogger(__name__)

DEADLINE_S = 10.0
"""A call and its one repeat; a suspended Neon wakes in well under a second."""
COMMAND_TIMEOUT_S = 5.0
POOL_SIZE = 5
"""Of one worker. 64 turns that begin at once are stored as fast as with 10 connections (700 to 870 turns/s), for an
eighth less of Postgres' CPU time; each connection keeps 4 MB there."""
POOL_WAIT_S = 5.0
"""Given to a caller that finds every connection busy; waiting longer would only make the queue longer."""
IDLE_CONNECTION_S = 100.0
"""Below the 300 s after which Neon suspends; with an idle floor of zero connections the pool never wakes it."""

_UNDERSTOOD = frozenset(
    "host port dbname database user password passfile service target_session_attrs krbsrvname gsslib application_name "
    "sslmode sslcert sslkey sslpassword sslrootcert sslcrl sslnegotiation "
    "ssl_min_protocol_version ssl_max_protocol_version".split()
)
"""Query parameters asyncpg 0.32 knows; it would send any other to the server as a setting, which refuses it."""

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg 0.32 hands out a connection whose server just said goodbye
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    OSError,
)
"""Errors after which the same statement may succeed on another connection."""

_REFUSED = (
    asyncpg.InsufficientResourcesError,  # the disk is full
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server that was set so while its disk is full
)
"""Errors of a server that is there and cannot serve us now; the same statement would fail again at once."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_ESCAPED = re.compile(r"\\u(0000|d[89a-f])", re.IGNORECASE)
"""What of it looks like in JSON, where all that is not ASCII is escaped; surrogate pairs, which are fine, among it."""


def storable(text: str) -> str:
    """Replace what Postgres cannot hold, NUL and lone surrogates, by U+FFFD one for one, so that offsets stay true.

    The HTTP edge refuses such text from readers; models may still produce it. Stores call this on every text they
    write; jsonb values pass through it in the codec.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def _storable_json(value: Any) -> Any:
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(key): _storable_json(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable_json(item) for item in value]
        case _:
            return value


def to_json(value: BaseModel | dict[str, Any] | list[dict[str, Any]]) -> str:
    """Return what a jsonb column can hold of a value, as text."""
    data = value.model_dump() if isinstance(value, BaseModel) else value
    text = json.dumps(data, default=str)
    return json.dumps(_storable_json(data), default=str) if _ESCAPED.search(text) else text


@dataclass(frozen=True, slots=True)
class Dsn:
    """What asyncpg needs to reach a database, made from the URL a person pasted."""

    url: str
    verified_tls: bool
    pooled: bool
    connect_timeout: float

    @property
    def direct(self) -> "Dsn":
        """The same database beside its pooler, for migrations: Neon's pooled host is its direct host plus `-pooler`."""
        parts = urlsplit(self.url)
        account, at, hosts = parts.netloc.rpartition("@")
        netloc = account + at + hosts.replace("-pooler.", ".")
        return replace(
            self, url=urlunsplit(parts._replace(netloc=netloc)), pooled=self.pooled and netloc == parts.netloc
        )

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for `asyncpg.connect` and `asyncpg.create_pool`."""
        arguments: dict[str, Any] = {"dsn": self.url, "timeout": self.connect_timeout}
        if self.verified_tls:
            arguments["ssl"] = ssl.create_default_context()
        if self.pooled:
            # Prepared statements outlive a transaction, the server connection behind a pooler does not
            # (asyncpg's default cache: 1,934 of 2,400 queries failed through pgbouncer; 0 without it).
            arguments["statement_cache_size"] = 0
        return arguments


def normalise_dsn(url: str) -> Dsn:
    """Translate a pasted URL (Neon, Prisma, SQLAlchemy, libpq) into one that asyncpg understands.

    Parameters asyncpg would misread are dropped or translated; `sslmode=require` or stronger to another machine
    verifies the certificate against the system's authorities, unless `sslrootcert` names a file. Raises
    ConfigurationError without repeating the URL, which holds a password.
    """
    try:
        parts = urlsplit(url.strip())
        hostname, _ = parts.hostname or "", parts.port  # a port that is no number raises here
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        connect_timeout = float(query.pop("connect_timeout", DEADLINE_S))
    except ValueError as error:
        raise ConfigurationError("DATABASE_URL cannot be parsed; write special characters as %XX") from error
    scheme = parts.scheme.partition("+")[0]
    if scheme not in ("postgres", "postgresql"):
        raise ConfigurationError(f"DATABASE_URL must begin with postgresql://, not {scheme or 'nothing'}://")

    hostname = hostname or query.get("host", "")
    pooled = query.pop("pgbouncer", "") == "true" or "pooler" in hostname
    # libpq waits without end for 0 and at least 2 s for less.
    connect_timeout = max(connect_timeout, 2.0) if connect_timeout else DEADLINE_S
    verified_tls = (
        query.get("sslmode") in ("require", "verify-ca", "verify-full")
        and query.get("sslrootcert", "system") == "system"
        and not is_local(hostname)
    )
    if verified_tls:
        del query["sslmode"]
        query.pop("sslrootcert", None)
    kept = {name: value for name, value in query.items() if name in _UNDERSTOOD}
    if dropped := sorted(query.keys() - kept.keys() - {"channel_binding"}):
        logger.warning("DATABASE_URL: ignored %s", ", ".join(dropped))
    return Dsn(
        url=urlunsplit(parts._replace(scheme=scheme, query=urlencode(kept))),
        verified_tls=verified_tls,
        pooled=pooled,
        connect_timeout=connect_timeout,
    )


def is_local(hostname: str) -> bool:
    """Tell whether a host is this machine: by its name, by its address, or because none or a path is a socket."""
    return hostname in ("", "localhost", "::1") or hostname.startswith(("/", "127."))


@contextmanager
def driver_errors() -> Iterator[None]:
    """Turn the driver's errors about reaching Postgres into ours; errors of a statement itself pass through."""
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(f"Postgres refused the account or database named in DATABASE_URL: {error}") from error
    except ssl.SSLCertVerificationError as error:
        raise ConfigurationError(
            f"the certificate of the host in DATABASE_URL is not trusted ({error.verify_message}); "
            "add sslrootcert=<file with its authority>&sslmode=verify-full to the URL"
        ) from error
    except TimeoutError as error:
        raise StoreUnavailable("Postgres gave no answer in time; try again shortly") from error
    except (*_LOST, *_REFUSED) as error:
        if isinstance(error, ValueError):  # asyncpg's errors about what it was given, not about the connection
            raise
        raise StoreUnavailable(f"Postgres cannot serve us: {type(error).__name__}: {error}") from error


class _Stateless(asyncpg.Connection):
    """A connection that holds no session state, so returning it to the pool costs no round trip to clear any."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


class PoolState(NamedTuple):
    """How many connections there are and may be, and how many callers wait for one."""

    busy: int
    idle: int
    limit: int
    waiting: int


class Database:
    """A pool of connections whose every call has a deadline and fails with an error of ours.

    Statements are sent one by one, each its own transaction; nothing sets session state, listens or takes session
    locks, so that any pooler may stand between. jsonb goes in as a Pydantic model or dict and comes out as a dict.
    """

    def __init__(self, pool: asyncpg.Pool, url: str, revive: Callable[[], Awaitable[None]] | None):
        self._pool = pool
        self._revive = revive
        self._waiting = 0
        self.url = url
        """Where this database is, for `migrate`; holds a password."""

    def pool_state(self) -> PoolState:
        """Return what the pool knows of itself, without asking the server."""
        idle = self._pool.get_idle_size()
        return PoolState(self._pool.get_size() - idle, idle, self._pool.get_max_size(), self._waiting)

    async def fetch(self, sql: str, *args: Any, idempotent: bool = False) -> list[asyncpg.Record]:
        """Return all rows; see `_call` for `idempotent` and errors."""
        return await self._call("fetch", sql, args, idempotent)

    async def fetchrow(self, sql: str, *args: Any, idempotent: bool = False) -> asyncpg.Record | None:
        """Return the first row; see `_call` for `idempotent` and errors."""
        return await self._call("fetchrow", sql, args, idempotent)

    async def fetchval(self, sql: str, *args: Any, idempotent: bool = False) -> Any:
        """Return the first column of the first row; see `_call` for `idempotent` and errors."""
        return await self._call("fetchval", sql, args, idempotent)

    async def execute(self, sql: str, *args: Any, idempotent: bool = False) -> str:
        """Run a statement and return its command tag; see `_call` for `idempotent` and errors."""
        return await self._call("execute", sql, args, idempotent)

    async def _call(
        self, method: Literal["fetch", "fetchrow", "fetchval", "execute"], sql: str, args: Any, idempotent: bool
    ) -> Any:
        """Send one statement, twice when `idempotent` says that it may be and the connection was lost.

        Raises StoreUnavailable when Postgres cannot be reached or gives no answer within the deadline,
        StoreOverloaded when no connection became free, and ConfigurationError when it refuses us; errors of the
        statement itself pass through.
        """
        with driver_errors():
            async with asyncio.timeout(DEADLINE_S):
                try:
                    return await self._send(method, sql, args)
                except _LOST:
                    if self._revive:
                        await self._revive()
                    if not idempotent:
                        raise
                    return await self._send(method, sql, args)

    async def _send(self, method: str, sql: str, args: Any) -> Any:
        self._waiting += 1
        try:
            connection = await self._pool.acquire(timeout=POOL_WAIT_S)
        except TimeoutError as error:
            if self._pool.get_size() == self._pool.get_max_size() and not self._pool.get_idle_size():
                raise StoreOverloaded(
                    f"all {POOL_SIZE} connections to Postgres were busy for {POOL_WAIT_S:.0f} s; try again shortly"
                ) from error
            raise
        finally:
            self._waiting -= 1
        try:
            return await getattr(connection, method)(sql, *args)
        finally:
            await self._pool.release(connection)


@asynccontextmanager
async def open_database(url: str | None, data_dir: Path) -> AsyncIterator[Database]:
    """Open the database at `url`, or the embedded one in `data_dir/postgres`, started when it does not run yet.

    Connections are made when they are needed: a database that is down shows at the first call. Raises
    ConfigurationError for a URL that cannot be read or an embedded server that cannot start.
    """
    if url:
        async with _open_pool(normalise_dsn(url)) as pool:
            yield Database(pool, url, revive=None)
        return

    if sys.platform == "win32":
        raise ConfigurationError(
            "the embedded Postgres does not run on Windows; set DATABASE_URL to a Postgres 14 or later"
        )
    from persistence.embedded_postgres import open_embedded_postgres

    async with (
        open_embedded_postgres(data_dir / "postgres") as embedded,
        _open_pool(normalise_dsn(embedded.url)) as pool,
    ):
        yield Database(pool, embedded.url, revive=embedded.revive)


@asynccontextmanager
async def _open_pool(dsn: Dsn) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(
        **dsn.arguments(),
        min_size=0,
        max_size=POOL_SIZE,
        max_inactive_connection_lifetime=IDLE_CONNECTION_S,
        command_timeout=COMMAND_TIMEOUT_S,
        connection_class=_Stateless,
        init=_read_jsonb,
    ) as pool:
        yield pool


async def _read_jsonb(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=to_json, decoder=json.loads)
