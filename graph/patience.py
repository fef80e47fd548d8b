"""How long a turn bears with its model: when silence ends it, when asking again may help, when to spare the wait."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["silent", "failed", "truncated", "filtered"]

_LONGEST_PAUSE = 2.0
"""Seconds a model may ask us to wait; a reader is better served by an answer without it than by waiting longer."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a model, as far as it matters to a turn.

    `again` says that asking once more may help, `after` in how many seconds if the model told; `away` that it would
    have happened to any question.
    """

    kind: FaultKind = "failed"
    again: bool = False
    after: float | None = None
    away: bool = True


Judge = Callable[[Exception], Fault]
"""Says what an exception that came out of a chat model means."""


def judge_any(error: Exception) -> Fault:
    """Judge an exception of a model of which nothing is known."""
    return Fault("silent", again=True) if isinstance(error, TimeoutError) else Fault()


class Breaker:
    """Spares turns the wait for a model that was away `limit` times in a row, and lets one try every `rest` seconds.

    Whoever is let through tries as always; whoever is not is answered without a model, so no turn fails for it.
    """

    def __init__(self, limit: int = 3, rest: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._rest = rest
        self._clock = clock
        self._failures = 0
        self._shut_until = 0.0

    def admits(self) -> bool:
        """Tell whether to ask the model; one that is let through while it is away shuts the door behind itself."""
        if self._failures < self._limit:
            return True
        if self._clock() < self._shut_until:
            return False
        self._shut_until = self._clock() + self._rest
        return True

    def saw(self, *, away: bool) -> None:
        """Note whether the model was away."""
        self._failures = self._failures + 1 if away else 0
        if self._failures >= self._limit:
            self._shut_until = self._clock() + self._rest


@dataclass(frozen=True, slots=True)
class Patience:
    """What one model is granted by all who ask it; the breaker is theirs in common.

    `silence` is in seconds: of all attempts before their first sign of life together, and between two of them later.
    `thought` bounds the time to the first word of a model that thinks aloud.
    """

    silence: float = 20.0
    thought: float = 180.0
    attempts: int = 2
    judge: Judge = judge_any
    breaker: Breaker = field(default_factory=Breaker)

    def pause(self, fault: Fault) -> float | None:
        """Return the seconds to wait before asking again; None when that would not help, or not soon enough."""
        if not fault.again:
            return None
        if fault.after is None:
            return random.uniform(0.2, 0.6)  # noqa: S311 - spreads the turns that failed together
        return fault.after if 0 <= fault.after <= _LONGEST_PAUSE else None
