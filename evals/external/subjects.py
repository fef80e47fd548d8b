"""Names the modules here that score a subject on cases from elsewhere, in the order in which they are told."""

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from evals.external import DataUnusable, Figure, Tell

SUBJECTS: tuple[str, ...] = ()


class Subject(Protocol):
    """What such a module has. `write_runs` writes what was found in the form that the scoring scripts read."""

    async def measure(self, folder: Path, tell: Tell) -> list[Figure]:
        """Score the sets of a folder."""
        ...

    async def write_runs(self, folder: Path, runs: Path, tell: Tell) -> None:
        """Write a run file for each set of a folder into `runs`."""
        ...


def subjects() -> list[tuple[str, Subject]]:
    """Return the modules with their names."""
    return [(name, cast(Subject, import_module(f"evals.external.{name}"))) for name in SUBJECTS]


async def measure_all(folder: Path, tell: Tell) -> list[Figure]:
    """Score everything. Raises DataUnusable for a folder that is missing."""
    _check(folder)
    return [figure for _, subject in subjects() for figure in await subject.measure(folder, tell)]


async def write_all_runs(folder: Path, runs: Path, tell: Tell) -> None:
    """Write the run files of every subject into a folder that exists. Raises DataUnusable for one that is missing."""
    _check(folder)
    for _, subject in subjects():
        await subject.write_runs(folder, runs, tell)


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise DataUnusable(f"There is no folder {folder}; --data wants one with the sets as JSON lines")
    if not SUBJECTS:
        raise DataUnusable("No subject is measured on cases from elsewhere yet")
