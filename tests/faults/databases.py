"""The three databases of the suite: the embedded Postgres, Debian's own, and pgbouncer in front of one of them.

Each can be crashed, and each gives a fresh, migrated database to a fleet of workers. All run on free ports or sockets
of their own, from a folder of their own, under an account that is not root, and are stopped by their process ids.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from persistence.embedded_postgres import SOCKET, EmbeddedPostgres
from persistence.ids import new_id
from persistence.migrate import migrate
from tests.faults.wire import Address

NAMES = ("embedded", "plain", "pgbouncer")
STARTS_WITHIN = 30.0


@dataclass(frozen=True)
class DatabaseServer:
    """A Postgres, perhaps behind a pooler: `address` is where workers go, `postgres` where the suite looks itself."""

    name: str
    address: Address
    postgres: Address
    crash: Callable[[], None]
    """Kill Postgres as a power cut would, and start it again."""
    bounce: Callable[[float], None] | None = None
    """Kill the pooler and start it again after so many seconds."""

    def url(self, database: str, address: Address) -> str:
        """Return what DATABASE_URL is for a worker that goes to `address`, which a wire has."""
        return url(database, address, "?pgbouncer=true" if self.bounce else "")

    def new_database(self) -> str:
        """Make a migrated database and return its name."""
        name = f"faults_{new_id().hex}"

        async def make() -> None:
            connection = await asyncpg.connect(url("postgres", self.postgres))
            await connection.execute(f"create database {name} template template0")
            await connection.close()
            await migrate(url(name, self.postgres))

        asyncio.run(make())
        return name


def url(database: str, address: Address, query: str = "") -> str:
    """Return the URL of a database at an address."""
    if isinstance(address, Path):
        return f"postgresql://postgres@/{database}?host={quote(str(address.parent), safe='')}"
    host, port = address
    return f"postgresql://postgres@{host}:{port}/{database}{query}"


@contextmanager
def embedded(folder: Path) -> Iterator[DatabaseServer]:
    """Run the embedded Postgres as the product starts it, but for the two settings that make it durable on disk."""
    server = EmbeddedPostgres(folder / "postgres", {"fsync": "off", "full_page_writes": "off"})
    server.start()

    def crash() -> None:
        pid = int((folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        asyncio.run(server.revive())

    socket_file = Path(server.url.partition("host=")[2].replace("%2F", "/")) / SOCKET
    try:
        yield DatabaseServer("embedded", socket_file, socket_file, crash)
    finally:
        server.stop()


@contextmanager
def plain(folder: Path) -> Iterator[DatabaseServer]:
    """Run Debian's Postgres on a free TCP port."""
    binaries = _newest(Path("/usr/lib/postgresql").glob("*/bin"), "postgresql")
    data = folder / "data"
    _as_nobody(folder, [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
    port = _free_port()
    words = [binaries / "postgres", "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1"]
    words += ["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "full_page_writes=off"]
    postgres = _Process(folder, words)

    def crash() -> None:
        postgres.kill()
        # Its children end when they notice; until then a new server finds their shared memory in use.
        _until(lambda: postgres.starts(("127.0.0.1", port)), "Postgres after its crash")

    try:
        _until(lambda: postgres.starts(("127.0.0.1", port)), "Postgres")
        yield DatabaseServer("plain", ("127.0.0.1", port), ("127.0.0.1", port), crash)
    finally:
        postgres.stop(signal.SIGINT)


@contextmanager
def pgbouncer(folder: Path, behind: DatabaseServer) -> Iterator[DatabaseServer]:
    """Run pgbouncer in transaction mode in front of a server, with fewer connections than its clients want."""
    binary = _newest(map(Path, ("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer")), "pgbouncer")
    there = behind.postgres
    where = f"host={there.parent}" if isinstance(there, Path) else f"host={there[0]} port={there[1]}"
    port = _free_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = {where} user=postgres\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 8\nmax_client_conn = 500\nserver_login_retry = 1\n"
        "log_connections = 0\nlog_disconnections = 0\n"
    )
    bouncer = _Process(folder, [binary, settings])

    def bounce(seconds: float) -> None:
        bouncer.kill()
        time.sleep(seconds)
        _until(lambda: bouncer.starts(("127.0.0.1", port)), "pgbouncer")

    try:
        _until(lambda: bouncer.starts(("127.0.0.1", port)), "pgbouncer")
        yield DatabaseServer("pgbouncer", ("127.0.0.1", port), there, behind.crash, bounce)
    finally:
        bouncer.stop(signal.SIGINT)


@contextmanager
def folder_of_nobody(parent: Path, name: str) -> Iterator[Path]:
    """Make a folder that the account of the servers may write to, and remove it."""
    folder = parent / name
    folder.mkdir()
    if os.geteuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Process:
    """A server that can be started more than once; what it says goes to `log` in its folder."""

    def __init__(self, folder: Path, words: list[object]) -> None:
        self._folder = folder
        self._words = words
        self._running: subprocess.Popen[bytes] | None = None

    def starts(self, address: tuple[str, int]) -> bool:
        """Start it unless it runs, and tell whether it listens."""
        if self._running is None or self._running.poll() is not None:
            with (self._folder / "log").open("ab") as log:
                self._running = subprocess.Popen(
                    list(map(str, self._words)), stdout=log, stderr=log, cwd="/", start_new_session=True, **_account()
                )
        try:
            socket.create_connection(address, timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it at once."""
        assert self._running
        self._running.kill()
        self._running.wait()

    def stop(self, how: signal.Signals) -> None:
        """End it in order."""
        if self._running and self._running.poll() is None:
            self._running.send_signal(how)
            try:
                self._running.wait(STARTS_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()


def _account() -> dict[str, object]:
    """Return who runs a server, as arguments of Popen: ourselves unless we are root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _as_nobody(folder: Path, words: list[object]) -> None:
    done = subprocess.run(list(map(str, words)), cwd=folder, capture_output=True, text=True, **_account())
    assert done.returncode == 0, done.stderr


def _newest(places: Iterator[Path], package: str) -> Path:
    found = sorted((place for place in places if place.exists()), key=lambda place: (len(str(place)), place))
    assert found, f"{package} is not installed; run: apt-get install {package}"
    return found[-1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not start within {STARTS_WITHIN:.0f} s"
        time.sleep(0.05)
