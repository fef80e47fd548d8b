"""Looks at Postgres: the URL, the server behind it, its tables, its clock, and what stands in between."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

import asyncpg

from graph.errors import ConfigurationError, StoreUnavailable
from persistence.migrate import migrate
from persistence.postgres import driver_errors, is_local, normalise_dsn, open_database
from server.doctor.findings import Finding, fail, ok, skipped, warn
from server.doctor.machine import Machine

OLDEST = 14
VERIFIED = ("require", "verify-ca", "verify-full")
SKEW_WARNED, SKEW_FAILED = 2.0, 30.0
"""Seconds: ids of workers are ordered by their clocks; expiry and limits go by the database's."""
POOLED_TRIES = 3
EMBEDDED = "The database is embedded"


def _url(machine: Machine) -> str | None:
    url = machine.settings.database_url
    return url.get_secret_value() if url else None


def _is_made(machine: Machine) -> bool:
    return (machine.settings.data_dir / "postgres" / "data" / "PG_VERSION").exists()


async def database_url(machine: Machine) -> Finding:
    """Read DATABASE_URL as the server does, and see whether what goes over the network is encrypted and verified."""
    url = _url(machine)
    if url is None:
        return ok(f"{EMBEDDED}, in {machine.settings.data_dir / 'postgres'}; a socket is the only way in.")
    try:
        dsn = normalise_dsn(url)
    except ConfigurationError as error:
        return fail(str(error), "Copy the connection string anew from where the database is kept.")
    query = parse_qs(urlsplit(url.strip()).query)
    mode = query.get("sslmode", ["missing"])[-1]
    host = urlsplit(dsn.url).hostname or query.get("host", [""])[-1]
    if dsn.verified_tls:
        return ok(f"The connection to {host} is encrypted, and its certificate is verified.")
    if is_local(host):
        return ok(f"The database is on this machine ({host or 'a socket'}).")
    told = f"sslmode is {mode}, and {host} is another machine: "
    mend = "Add sslmode=verify-full to DATABASE_URL."
    if mode not in ("missing", "disable", "allow", "prefer", *VERIFIED):
        return fail(f"{told}there is no such mode.", mend)
    if mode == "verify-full":
        return ok(f"The connection to {host} is encrypted, and its certificate is verified against sslrootcert.")
    if mode in VERIFIED:
        return warn(f"{told}the certificate is verified, but not that it is that host's.", mend)
    told += "passwords and conversations may cross the network in plain text."
    return warn(told, f"{mend} Within one private network this may be left.") if is_near(host) else fail(told, mend)


def is_near(host: str) -> bool:
    """Tell whether a host is in a private network: by its address, or by a name without a dot, as in Compose."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".internal", ".local"))


@asynccontextmanager
async def _connections(machine: Machine, count: int = 1) -> AsyncIterator[list[asyncpg.Connection]]:
    """Open connections to the database that the settings name."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(_url(machine), machine.settings.data_dir))
        with driver_errors():
            opened = []
            for _ in range(count):
                # Named statements go missing behind a pooler, which is what one of the checks is to find out.
                arguments = {**normalise_dsn(database.url).arguments(), "statement_cache_size": 0}
                connection = await asyncpg.connect(**arguments)
                stack.push_async_callback(connection.close)
                opened.append(connection)
            yield opened


async def database(machine: Machine) -> Finding:
    """Connect, and ask for the version."""
    if _url(machine) is None and not _is_made(machine):
        return skipped(f"{EMBEDDED}, and not made yet: the first start of `citeside serve` does that.")
    try:
        async with _connections(machine) as (connection,):
            version = connection.get_server_version()
    except (ConfigurationError, StoreUnavailable) as error:
        return fail(str(error), _way_to_reach(error))
    except asyncpg.InterfaceError as error:  # what asyncpg refuses to connect with
        return fail(f"DATABASE_URL cannot be used: {error}", "Correct the parameter that the message names.")
    if version.major < OLDEST:
        return fail(f"Postgres {version.major} is too old.", f"Move to Postgres {OLDEST} or newer.")
    return ok(f"Postgres {version.major}.{version.minor} answers.")


def _way_to_reach(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return (
            "See that DATABASE_URL names host and port, that Postgres runs there, and that it can be reached from here."
        )
    if "certificate" in str(error):
        return "Name the file of the authority: sslrootcert=/path/to/ca.crt&sslmode=verify-full."
    return "Correct user, password and database name in DATABASE_URL; special characters are written as %XX."


async def migrations(machine: Machine) -> Finding:
    """See whether the tables are those this version expects."""
    async with open_database(_url(machine), machine.settings.data_dir) as opened:
        try:
            missing = await migrate(opened.url, check=True)
        except ConfigurationError as error:
            return fail(
                str(error), "Install the version of citeside that the database was migrated with, or a newer one."
            )
    if not missing:
        return ok("All migrations are applied.")
    told = f"The database lacks {', '.join(missing)}."
    if _url(machine) is None:
        return warn(told, "Start `citeside serve`, which migrates the embedded database by itself.")
    return fail(told, "Run `citeside migrate`.")


async def pooler(machine: Machine) -> Finding:
    """Find a transaction pooler: two connections that are open at once never share a server process without one."""
    url = _url(machine)
    if url is None:
        return ok(f"{EMBEDDED}; no pooler stands before it.")
    dsn = normalise_dsn(url)
    async with _connections(machine, 2) as (one, other):
        shared = False
        for _ in range(POOLED_TRIES):
            pids = [await connection.fetchval("select pg_backend_pid()") for connection in (one, other)]
            shared = shared or pids[0] == pids[1]
        try:
            async with one.transaction():
                await one.execute("select 1")
        except asyncpg.PostgresError as error:
            return fail(
                f"No transaction can be opened ({type(error).__name__}): the pooler seems to be in statement mode.",
                "Set pool_mode = transaction in the pooler.",
            )
    if shared and not dsn.pooled:
        return fail(
            "A pooler in transaction mode stands before Postgres, and DATABASE_URL does not say so: prepared "
            "statements will be missing at random.",
            "Add pgbouncer=true to DATABASE_URL.",
        )
    if not shared:
        return ok("No transaction pooler is in between.")
    host = urlsplit(dsn.direct.url).hostname
    beside = f"go to {host}" if dsn.direct.url != dsn.url else "go through it too"
    return ok(f"A transaction pooler is in between: statements are not cached, and migrations {beside}.")


async def database_clock(machine: Machine) -> Finding:
    """Compare the clock of this machine with the database's, at the middle of the quickest of three questions."""
    measured: list[tuple[float, float]] = []
    async with _connections(machine) as (connection,):
        for _ in range(3):
            before = time.time()
            (now,) = await connection.fetch("select extract(epoch from clock_timestamp())::float8")
            after = time.time()
            measured.append((after - before, now[0] - (before + after) / 2))
            await asyncio.sleep(0)
    _, ahead = min(measured)
    told = f"The database's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this machine's."
    mend = "Set both clocks by NTP (on this machine: timedatectl set-ntp true)."
    if abs(ahead) > SKEW_FAILED:
        return fail(told, mend)
    return warn(told, mend) if abs(ahead) > SKEW_WARNED else ok(told)
