"""Scores this version on cases that nobody here wrote: a folder that `citeside eval --data` names.

Each module scores one subject and has `async def measure(folder, tell) -> list[Figure]`; none holds any of the data.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evals.external.shapes import SHAPES
from graph.errors import CitesideError

Tell = Callable[[str], None]
"""Takes a line about what is being done, for a progress display."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value beside the best baseline and the goal, both None where there is none; higher is better."""

    set: str
    metric: str
    value: float
    cases: int
    baseline: float | None = None
    goal: float | None = None


class DataUnusable(CitesideError):
    """A folder of cases is missing, or a file in it is not what it should be."""


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file. Raises DataUnusable, naming file, line and field."""
    file = folder / name
    shape = SHAPES.get(name)
    found: list[dict[str, Any]] = []
    number = 0
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise DataUnusable(f"{file}, line {number}: an object is wanted, not {type(row).__name__}")
                    if shape:
                        shape.validate_python(row, strict=True)
                    found.append(row)
    except FileNotFoundError:
        raise DataUnusable(f"{file} is missing; --data wants the folder that holds it") from None
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"]))
        raise DataUnusable(f"{file}, line {number}: {where}: {wrong['msg']}") from None
    except (ValueError, OSError) as error:
        raise DataUnusable(f"{file}, line {number + 1}: {error}") from error
    return found
