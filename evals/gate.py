"""Holds a run against bounds; a metric that was not measured never passes."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError, model_validator

from evals.results import METRICS, Results
from graph.errors import CitesideError
from graph.types import Frozen

GATES = Path(__file__).parent / "gates.toml"


class Bound(Frozen):
    """What a metric has to reach: one of the two."""

    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Bound":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("wants `at_least` or `at_most`")
        return self

    def holds(self, value: float) -> bool:
        """Tell whether a value reaches the bound."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0)

    def __str__(self) -> str:
        """Return the bound as it is written."""
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


class Judged(NamedTuple):
    """A metric, its bound, and what was measured; None when it was not."""

    metric: str
    bound: Bound
    value: float | None

    @property
    def passed(self) -> bool:
        """Tell whether it was measured and reaches the bound."""
        return self.value is not None and self.bound.holds(self.value)

    def __str__(self) -> str:
        """Return a line that names the metric."""
        measured = "not measured" if self.value is None else f"{self.value:.3f}"
        return f"{self.metric}: {measured}, wanted {self.bound}"


Bounds = Mapping[str, Bound]
"""What to reach, by the name of the metric."""

_BOUNDS = TypeAdapter(dict[str, Bound])


def read_gates(file: Path) -> Bounds:
    """Read bounds by metric. Raises CitesideError for a file that is wrong, or names a metric that does not exist."""
    try:
        bounds = _BOUNDS.validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise CitesideError(f"{file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise CitesideError(f"{file}: {error}") from error
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise CitesideError(f"{file}: {wrong['loc'][0]}: {wrong['msg'].removeprefix('Value error, ')}") from None
    if not bounds:
        raise CitesideError(f"{file} has no bounds: such a gate would let everything pass")
    known = {f"{suite}.{score.name}" for suite, scores in METRICS.items() for score in scores}
    if strange := sorted(bounds.keys() - known):
        raise CitesideError(f"{file} names {', '.join(strange)}, which no suite measures")
    return bounds


def judge(results: Results, bounds: Bounds) -> Sequence[Judged]:
    """Return every bound with what was measured."""
    values = {measured.name: measured.value for measured in results.measured}
    return [Judged(metric, bound, values.get(metric)) for metric, bound in bounds.items()]
