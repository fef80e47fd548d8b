"""The index in the data folder has one reader, any number of successive writers, and survives both."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from graph.errors import AlreadyOwned, IndexUnavailable
from graph.types import Scope
from persistence import embedded_index
from persistence.index import PassageIndex, open_index
from tests.persistence.engines import Letters, embedded_library, passage

pytestmark = pytest.mark.anyio

# Each runs in a process of its own with the folder of the index as its argument.
READ = """
import asyncio, sys; from pathlib import Path
from persistence.embedded_index import open_embedded_index
async def main():
    async with open_embedded_index(Path(sys.argv[1])):
        print("reading", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""
WRITE = """
import asyncio, sys; from pathlib import Path
from persistence.embedded_index import open_embedded_draft
from tests.persistence.engines import Letters, Library, passage
folder = Path(sys.argv[1])
library = Library(None, lambda dimensions: open_embedded_draft(folder, dimensions), None)
asyncio.run(library.ingest([passage("docs/new", "A notebook from another process.")], Letters()))
"""


async def found(index: PassageIndex) -> list[str]:
    return [hit.path for hit in await index.search("notebook", scope=Scope(), limit=5)]


async def test_a_second_process_is_told_who_reads_the_index_until_that_one_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", READ, str(tmp_path)], stdout=subprocess.PIPE) as reader:
        try:
            assert reader.stdout and reader.stdout.readline() == b"reading\n"
            with pytest.raises(AlreadyOwned, match=rf"in use by process {reader.pid} \(.*python.*\)\. Stop"):
                async with embedded_library(tmp_path):
                    pass
        finally:
            reader.kill()
    async with embedded_library(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / "owner.lock").read_text()


async def test_an_ingest_in_another_process_is_read_without_a_restart(tmp_path: Path) -> None:
    async with embedded_library(tmp_path) as shelf:
        await shelf.ingest([passage("docs/old", "An old notebook.")], Letters())
        index = PassageIndex(shelf.engine, Letters())
        assert await found(index) == ["docs/old"]
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITE, str(tmp_path))
        assert await writer.wait() == 0
        assert await found(index) == ["docs/new"]


async def test_what_a_killed_ingest_left_behind_goes_with_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000-abcdef" / "shard").mkdir(parents=True)
    async with embedded_library(tmp_path) as shelf:
        written = await shelf.ingest([passage("docs/a", "A notebook.")], Letters())
        assert await shelf.generations() == [written.generation]


async def test_a_damaged_index_says_so_and_what_to_do(tmp_path: Path) -> None:
    async with embedded_library(tmp_path) as shelf:
        written = await shelf.ingest([passage("docs/a", "A notebook.")], Letters())
        (tmp_path / written.generation / "manifest.json").write_text("{")
        with pytest.raises(IndexUnavailable, match=r"cannot be opened: .*Run `citeside ingest` to write it anew"):
            await found(PassageIndex(shelf.engine, Letters()))


async def test_a_large_index_finds_the_same_by_its_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_index, "LARGEST_EXACT", 10)
    async with embedded_library(tmp_path) as shelf:
        await shelf.ingest([passage(f"docs/{n}", f"Notebook {'page' * n}") for n in range(100)], Letters())
        hits = await PassageIndex(shelf.engine, Letters()).search("Notebook", scope=Scope(), limit=3)
        assert len(hits) == 3


async def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    async with embedded_library(folder) as shelf:
        written = await shelf.ingest([passage("docs/a", "A notebook.")], Letters())
    modes = {path: path.stat().st_mode & 0o777 for path in (folder, folder / written.generation)}
    assert set(modes.values()) == {0o700}
    assert {(folder / name).stat().st_mode & 0o777 for name in ("current", "owner.lock")} == {0o600}


async def test_opening_and_taking_up_a_generation_reads_no_file_on_the_event_loop(tmp_path: Path) -> None:
    async with embedded_library(tmp_path / "index") as shelf:
        await shelf.ingest([passage("docs/a", "A notebook.")], Letters())
    with blockbuster_ctx():
        async with open_index(tmp_path, Letters(), url=None, api_key=None) as index:
            assert await found(index) == ["docs/a"]
