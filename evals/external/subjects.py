"""Lists what is measured on cases from elsewhere: a line for each module here, in the order in which they are told."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from evals.external import DataUnusable, Figure, Tell, rows

Runs = Mapping[str, Iterable[Mapping[str, Any]]]
"""Rows as the sets' own scoring scripts read them, by the name of their file without `.jsonl`."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A module with `async def measure(folder, tell) -> list[Figure]`, how run files are made, and what it reads."""

    module: str
    runs: Callable[[Any, Path, Tell], Awaitable[Runs]]
    files: tuple[str, ...] = ()

    @property
    def imported(self) -> Any:
        """The module itself: it imports what only a measurement needs."""
        return import_module(f"evals.external.{self.module}")


async def _retrieval(module: Any, folder: Path, tell: Tell) -> Runs:
    return {asked.name: await module.run(folder, asked, tell, cache=module.CACHE) for asked in module.SETS}


async def _support(module: Any, folder: Path, tell: Tell) -> Runs:
    return {"grounding": module.run_rows(folder)}


async def _sufficiency(module: Any, folder: Path, tell: Tell) -> Runs:
    return {name: module.run_rows(folder, name) for name in module.SETS}


async def _none(module: Any, folder: Path, tell: Tell) -> Runs:
    return {}  # answers are scored here: no script comes with the cases


_PAGES = (
    "docs_retrieval.pages.jsonl",
    "docs_retrieval.queries.jsonl",
    "docs_qa_anthropic.chunks.jsonl",
    "docs_qa_anthropic.queries.jsonl",
)

SUBJECTS: tuple[Subject, ...] = (
    Subject("retrieval", _retrieval, _PAGES),
    Subject("answers", _none, (*_PAGES, "sufficiency_clapnq.jsonl")),
    Subject(
        "sufficiency",
        _sufficiency,
        ("sufficiency_squad2.jsonl", "sufficiency_clapnq.jsonl", "sufficiency_mtragun.jsonl"),
    ),
    Subject("support", _support, ("grounding.jsonl",)),
)


async def measure_all(folder: Path, tell: Tell) -> list[Figure]:
    """Score everything. Raises DataUnusable for a folder that is missing or holds a line that cannot be used."""
    _check(folder)
    return [figure for subject in SUBJECTS for figure in await subject.imported.measure(folder, tell)]


async def write_all_runs(folder: Path, into: Path, tell: Tell) -> None:
    """Write the run files of every subject into a folder that exists. Raises DataUnusable for one that is missing."""
    _check(folder)
    for subject in SUBJECTS:
        for name, made in (await subject.runs(subject.imported, folder, tell)).items():
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in made)
            (into / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
            tell(f"wrote {name}.jsonl")


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise DataUnusable(f"There is no folder {folder}; --data wants one with the sets as JSON lines")
    for file in sorted({file for subject in SUBJECTS for file in subject.files}):
        rows(folder, file)  # minutes of work would be lost to a line that is found wrong in the end
