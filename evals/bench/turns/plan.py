"""How much is measured: every cell has a size, so that a run ends."""

from dataclasses import dataclass

LONGEST_CELL = 180.0
"""Seconds after which a cell has failed."""

STARTS_WITHIN = 120.0
"""Seconds for a server to start; the first start on a machine builds the embedding model."""

HELD_BELOW_MS = 250.0
"""Readers of whom more than one in twenty wait longer for the first token are too many."""


@dataclass(frozen=True, slots=True)
class Load:
    """Readers at once, and the turns that each of them reads one after the other."""

    streams: int
    turns: int
    tokens: int
    rate: float = 0.0
    """Tokens a second and stream; 0 is as fast as they can be written."""
    ramp: float = 0.0
    """Seconds over which the readers arrive."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The cells of a round."""

    warm_up: Load
    idle_streams: int
    idle_seconds: float
    first: Load
    burst: Load
    paced: Load
    steps: tuple[Load, ...]
    """Sustained streams, fewest first; a target is spared those behind the first that it does not hold."""
    stored_warm_up: Load
    stored: Load
    few: Load | None = None
    """The same with fewer readers, among whom what a write costs by itself is divided."""


FULL = Plan(
    warm_up=Load(streams=4, turns=4, tokens=100),
    idle_streams=256,
    idle_seconds=3,
    first=Load(streams=1, turns=40, tokens=5),
    burst=Load(streams=16, turns=4, tokens=200),
    paced=Load(streams=48, turns=2, tokens=100, rate=50, ramp=1),
    steps=tuple(Load(n, turns=2, tokens=100, rate=50, ramp=1.9) for n in (16, 24, 32, 48, 64, 80, 96, 128, 160, 192)),
    stored_warm_up=Load(streams=48, turns=1, tokens=300, rate=100),
    stored=Load(streams=48, turns=2, tokens=300, rate=30),  # 3,000 characters in 10 s: 40 flushes
    few=Load(streams=4, turns=2, tokens=300, rate=30),
)

QUICK = Plan(
    warm_up=Load(streams=2, turns=1, tokens=20),
    idle_streams=8,
    idle_seconds=0.5,
    first=Load(streams=1, turns=3, tokens=5),
    burst=Load(streams=4, turns=2, tokens=50),
    paced=Load(streams=4, turns=1, tokens=25, rate=50, ramp=0.1),
    steps=(Load(2, turns=1, tokens=10, rate=50), Load(4, turns=1, tokens=10, rate=50)),
    stored_warm_up=Load(streams=2, turns=1, tokens=50),
    stored=Load(streams=2, turns=1, tokens=100, rate=100),
    few=Load(streams=1, turns=1, tokens=100, rate=100),
)
"""A look at whether everything counts right; its figures mean nothing."""
