"""Migrations are applied once, in order and whole, whoever else tries at the same time."""

import asyncio
from pathlib import Path

import pytest

from graph.errors import ConfigurationError, StoreUnavailable
from persistence.migrate import migrate, read_migrations
from tests.postgres_fixtures import connection_to

pytestmark = pytest.mark.anyio

ONE = "create table one (id int)"
TWO = "create table two (id int)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_one.sql").write_text(ONE)
    (tmp_path / "0002_two.sql").write_text(TWO)
    return tmp_path


async def tables(url: str) -> list[str]:
    async with connection_to(url) as connection:
        rows = await connection.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
    return [row["tablename"] for row in rows if row["tablename"] != "schema_migrations"]


async def test_the_packaged_schema_is_applied_once(empty_database: str) -> None:
    names = [migration.name for migration in read_migrations()]
    assert await migrate(empty_database, check=True) == names
    assert await tables(empty_database) == []
    assert await migrate(empty_database) == names
    assert await migrate(empty_database, check=True) == await migrate(empty_database) == []
    assert "turns" in await tables(empty_database)


async def test_only_what_is_new_is_applied(empty_database: str, folder: Path) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0003_three.sql").write_text("create table three (id int)")
    assert await migrate(empty_database, check=True, folder=folder) == ["0003_three.sql"]
    assert await migrate(empty_database, folder=folder) == ["0003_three.sql"]
    assert await tables(empty_database) == ["one", "three", "two"]


async def test_of_four_at_once_one_works_and_concurrent_indexes_do_not_wait_for_the_others(
    empty_database: str, folder: Path
) -> None:
    (folder / "0002_two.sql").write_text("-- no-transaction\ncreate index concurrently if not exists by_id on one (id)")
    applied = await asyncio.gather(*(migrate(empty_database, folder=folder) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["0001_one.sql", "0002_two.sql"]]


async def test_a_file_that_fails_leaves_nothing_behind(empty_database: str, folder: Path) -> None:
    (folder / "0002_two.sql").write_text(f"{TWO}; select 1 / 0")
    with pytest.raises(ConfigurationError, match=r"0002_two\.sql failed and was rolled back: division by zero"):
        await migrate(empty_database, folder=folder)
    assert await tables(empty_database) == ["one"]
    (folder / "0002_two.sql").write_text(TWO)
    assert await migrate(empty_database, folder=folder) == ["0002_two.sql"]


@pytest.mark.parametrize("check", [True, False])
async def test_an_edited_file_is_refused(empty_database: str, folder: Path, check: bool) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0001_one.sql").write_text(ONE + " ")
    with pytest.raises(ConfigurationError, match=r"0001_one\.sql was edited after it was applied"):
        await migrate(empty_database, check=check, folder=folder)


async def test_line_ends_of_windows_are_no_edit(empty_database: str, folder: Path) -> None:
    (folder / "0001_one.sql").write_bytes(b"create table\n  one (id int)")
    await migrate(empty_database, folder=folder)
    (folder / "0001_one.sql").write_bytes(b"create table\r\n  one (id int)")
    assert await migrate(empty_database, folder=folder) == []


@pytest.mark.parametrize("check", [True, False])
async def test_a_database_newer_than_the_code_is_refused(empty_database: str, folder: Path, check: bool) -> None:
    await migrate(empty_database, folder=folder)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(ConfigurationError, match=r"at migration 2, newer than this code \(1\)"):
        await migrate(empty_database, check=check, folder=folder)


@pytest.mark.parametrize("name", ["0004_four.sql", "0002_again.sql", "three.sql"])
async def test_a_hole_or_an_odd_name_is_refused_before_anything_is_applied(
    empty_database: str, folder: Path, name: str
) -> None:
    (folder / name).write_text("select 1")
    with pytest.raises(ConfigurationError, match="migration"):
        await migrate(empty_database, folder=folder)
    assert await tables(empty_database) == []


async def test_a_database_that_is_down_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await migrate("postgresql://u@127.0.0.1:1/d")
