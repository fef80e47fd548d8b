"""The notebooks run as they are in a clone: each in a kernel of its own, without key, network or earlier run."""

import asyncio
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import evals.notebooks
from evals.mock_openai import Script, mock_openai
from evals.notebooks.pages import prepare_pages
from server.app import create_app
from server.settings import Settings
from tests.server.http import on_a_port

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
FOLDER = Path(evals.notebooks.__path__[0])
FILES = sorted(FOLDER.glob("*.ipynb"))


class Kernels:
    """Runs notebooks in kernels of this very Python, which keep whatever they write below one folder."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        self._env = {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}

    async def run(self, name: str, **env: str) -> dict[str, "Shown"]:
        """Run a notebook outside the repository and return what its code cells showed, by their ids."""
        book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        client = NotebookClient(book, timeout=120, resources={"metadata": {"path": str(self._elsewhere)}})
        await client.async_execute(env={**os.environ, **self._env, **env})
        return {cell.id: Shown(cell.outputs) for cell in book.cells if cell.cell_type == "code"}


class Shown:
    """What a cell showed: what it printed, its last value, and the kinds of all it displayed."""

    def __init__(self, outputs: list[nbformat.NotebookNode]) -> None:
        displays = [output.data for output in outputs if "data" in output]
        self.kinds = {kind for display in displays for kind in display}
        self.printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
        self.value = "".join(display.get("text/markdown", display["text/plain"]) for display in displays)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table that was shown, its header left out."""
        return [line.strip("| ").split(" | ") for line in self.value.splitlines()[2:]]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    """Kernels that find nothing of this machine, and whose data folder all notebooks of the run share."""
    folder = tmp_path_factory.mktemp("notebooks")
    kernel = folder / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": start, "display_name": "Python 3", "language": "python"}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        pages = asyncio.run(prepare_pages())
        yield Kernels(folder, pages.data_dir)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_is_kept_without_what_it_showed(file: Path) -> None:
    book = json.loads(file.read_text(encoding="utf-8"))
    nbformat.validate(book)
    assert book["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert {(cell["execution_count"], *cell["outputs"]) for cell in code} == {(None,)}
    assert all(cell["metadata"] == {} for cell in book["cells"])


async def test_each_node_runs_alone(kernels: Kernels) -> None:
    cells = await kernels.run("01_one_node")
    assert "step='retrieving'" in cells["retrieve"].printed
    best = cells["retrieve"].rows[0]
    assert best[2:] == ["docs/api/sessions/#how-long-a-session-lasts", best[3]] and "30 days" in best[3]
    assert cells["ground"].value == "{'near': True}"
    assert re.search(r"30 days.*\[1\]", cells["answer"].printed)
    assert cells["check"].rows and all(quote[:60] in cells["answer"].printed for _, quote, _ in cells["check"].rows)
    assert cells["without-best"].printed != cells["answer"].printed
    assert "session" in cells["condense"].value
    assert cells["decline"].printed.startswith("{'near': False}\nThe documentation does not seem to cover this")
    sufficient, insufficient = cells["constrained"].printed.split("\n\nWhich port")
    assert sufficient.endswith("\nsufficient\nAnswer constrained to provided text.\n\nA session token is shown once.")
    assert "\ninsufficient\nAnswer constrained to provided text.\n\n" in insufficient


async def test_the_whole_graph_shows_its_drawing_its_state_and_its_events(kernels: Kernels) -> None:
    cells = await kernels.run("02_whole_graph")
    assert "image/png" in cells["drawing"].kinds
    assert "retrieve --> ground;" in cells["mermaid"].value
    assert [row[:2] for row in cells["updates"].rows] == [
        ["retrieve", "passages"],
        ["ground", "near"],
        ["answer", "draft"],
        ["check", "answer"],
    ]
    assert {row[0] for row in cells["events"].rows} == {"status", "passages", "delta"}
    assert "does not stop the turn" in cells["text"].printed
    assert [row[0] for row in cells["constrained-events"].rows][:3] == ["status", "verdict", "delta"]
    assert cells["constrained-text"].printed.startswith("Answer constrained to provided text.\n\nOnly one turn")


async def test_two_retrievers_and_two_prompts_are_compared(kernels: Kernels) -> None:
    script = Script(["A session expires 30 days after it was last seen. [1]"])
    async with mock_openai(script) as model:
        cells = await kernels.run("03_compare", OPENAI_BASE_URL=model)
    (ours, *scores), (other, *_) = cells["retrievers"].rows
    assert (ours, other) == ("index", "most words first")
    assert float(scores[1]) >= 0.8  # recall@5
    assert "image/png" in cells["plot"].kinds
    assert all(ranks[1] != ranks[2] for ranks in cells["differences"].rows)
    extractive, beginning, plain, brief = cells["answerers"].rows
    assert int(extractive[1]) >= 8
    assert (beginning[0], plain[0], brief[0]) == ("beginning", "gpt-4.1-mini, plain", "gpt-4.1-mini, brief")
    prompts = [request["messages"][0]["content"] for request in script.requests]
    half = len(prompts) // 2
    assert half and all("Answer in plain words." in prompt for prompt in prompts[:half])
    assert all("Answer in one sentence." in prompt for prompt in prompts[half:])


async def test_a_turn_goes_on_from_an_earlier_state_with_a_value_changed(kernels: Kernels) -> None:
    cells = await kernels.run("04_time_travel")
    assert [row[1] for row in cells["states"].rows] == ["__start__", "retrieve", "ground", "answer", "check", "end"]
    left, of = map(int, re.findall(r"\d+", cells["branch"].printed)[:2])
    assert 0 < left < of
    (_, _, before), (_, _, after) = cells["both"].rows
    assert before and not {*before.split(", ")} & {*after.split(", ")}


async def test_a_notebook_searches_through_a_server_beside_it(kernels: Kernels, tmp_path: Path) -> None:
    shutil.copytree(kernels.data_dir, tmp_path / "demo", ignore=shutil.ignore_patterns("postgres", "*.lock"))
    app = create_app(Settings(_env_file=None, data_dir=tmp_path / "demo"))  # pyright: ignore[reportCallIssue]
    async with on_a_port(app) as server:
        url = str(server.base_url)
        cells = await kernels.run("05_beside_a_demo", CITESIDE_API_URL=url)
    assert cells["through-the-server"].printed.startswith(
        f"6 passages from {url}, {{'near': True}}\n\nA session expires"
    )
    assert cells["own-folder"].rows[0][1] == "docs/api/sessions/#how-long-a-session-lasts"
    assert "is in use by process" in cells["two-owners"].printed


async def test_a_notebook_without_a_server_says_so_and_goes_on(kernels: Kernels) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    cells = await kernels.run("05_beside_a_demo", CITESIDE_API_URL=url)
    assert cells["through-the-server"].printed.startswith(f"No server answers at {url}")
    assert cells["own-folder"].rows[0][1] == "docs/api/sessions/#how-long-a-session-lasts"
