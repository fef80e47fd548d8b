"""What a run found: every figure of every round, the best of each, and how they stand to the goals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evals.bench.turns.plan import HELD_BELOW_MS
from evals.bench.turns.targets import TargetName
from graph.types import Frozen

Cell = Literal["idle", "first", "burst", "paced", "sustained", "stored", "few"]


class Measured(Frozen):
    """One cell of one target in one round; a figure's unit ends its name."""

    cell: Cell
    target: TargetName
    round: int
    figures: Mapping[str, float]
    failures: Mapping[str, int]
    """What went wrong with how many turns; figures of such a cell count for nothing."""


class Failure(Frozen):
    """A target that did not do what was asked of it, with the last lines of its log."""

    target: TargetName
    what: str
    log: str


class Verdict(Frozen):
    """A goal, what was measured, and whether that reaches it; None where it could not be measured."""

    goal: str
    wanted: str
    unit: str
    measured: float | None
    reached: bool | None


class Results(Frozen):
    """A whole run."""

    about: Mapping[str, Any]
    measured: tuple[Measured, ...]
    failures: tuple[Failure, ...]
    best: Mapping[Cell, Mapping[TargetName, Mapping[str, float]]] = {}
    goals: tuple[Verdict, ...] = ()


_BETTER: dict[Cell, Callable[[Mapping[str, float]], tuple[float, ...]]] = {
    "idle": lambda figures: (-figures["kib_per_stream"],),
    "first": lambda figures: (-figures["first_ms"],),
    "burst": lambda figures: (figures["tokens_per_cpu_s"],),
    "paced": lambda figures: (figures["tokens_per_cpu_s"],),
    "sustained": lambda figures: (figures["streams"], figures["tokens_per_cpu_s"]),
    "stored": lambda figures: (-figures["postgres_ms"],),
    "few": lambda figures: (-figures["postgres_ms"],),
}
"""By what the best of several rounds is chosen: the largest.

Other work on the machine makes a figure worse and never better, hence the best and not the mean.
"""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound for a figure of ours: of the figure itself, or of its ratio to that of another target."""

    text: str
    cell: Cell
    figure: str
    bound: float
    unit: str
    at_least: bool = False
    over: TargetName | None = None

    @property
    def wanted(self) -> str:
        """Return the bound as it is written."""
        return f"{'>=' if self.at_least else '<='} {self.bound:g}{self.unit}"

    def judge(self, best: Mapping[Cell, Mapping[TargetName, Mapping[str, float]]]) -> Verdict:
        """Compare the best figures with the bound."""
        figures = best.get(self.cell, {})
        measured = figures.get("citeside", {}).get(self.figure)
        if measured is not None and self.over:
            other = figures.get(self.over, {}).get(self.figure)
            measured = measured / other if other else None
        reached = None if measured is None else (measured >= self.bound if self.at_least else measured <= self.bound)
        return Verdict(goal=self.text, wanted=self.wanted, unit=self.unit, measured=measured, reached=reached)


def _ratio(text: str, cell: Cell, figure: str, over: TargetName, bound: float, *, at_least: bool) -> Goal:
    return Goal(f"{text} / {over}", cell, figure, bound, "x", at_least, over)


GOALS = (
    _ratio("zero delay: tokens per CPU-second", "burst", "tokens_per_cpu_s", "passthrough", 5, at_least=True),
    _ratio("zero delay: tokens per CPU-second", "burst", "tokens_per_cpu_s", "tutorial", 6, at_least=True),
    _ratio("paced: tokens per CPU-second", "paced", "tokens_per_cpu_s", "passthrough", 1.3, at_least=True),
    _ratio("paced: tokens per CPU-second", "paced", "tokens_per_cpu_s", "tutorial", 2.5, at_least=True),
    _ratio("time to the first token", "first", "first_ms", "passthrough", 2, at_least=False),
    _ratio("time to the first token", "first", "first_ms", "tutorial", 0.75, at_least=False),
    _ratio("sustained streams per core", "sustained", "streams_per_core", "passthrough", 2, at_least=True),
    _ratio("memory of an idle stream", "idle", "kib_per_stream", "tutorial", 1, at_least=False),
    Goal("memory of an idle stream", "idle", "kib_per_stream", 114, " KiB"),
    Goal("Postgres time of a turn", "stored", "postgres_ms", 5, " ms"),
    Goal("WAL of a turn, page images apart, beyond twice its message", "stored", "wal_beyond_kib", 20, " KiB"),
)


def summarise(about: Mapping[str, Any], measured: list[Measured], failures: list[Failure]) -> Results:
    """Return a run with its best figures, judged."""
    best: dict[Cell, dict[TargetName, Mapping[str, float]]] = {}
    for row in measured:
        if row.failures or (row.cell == "sustained" and row.figures["first_p95_ms"] >= HELD_BELOW_MS):
            continue
        better, figures = _BETTER[row.cell], best.setdefault(row.cell, {})
        figures[row.target] = max(figures.get(row.target, row.figures), row.figures, key=better)
    goals = tuple(goal.judge(best) for goal in GOALS)
    return Results(about=about, measured=tuple(measured), failures=tuple(failures), best=best, goals=goals)
