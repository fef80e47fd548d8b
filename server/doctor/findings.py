"""What a check is, and what it may find."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

Outcome = Literal["ok", "warn", "fail", "skipped"]
Subject = TypeVar("Subject")
PAGE = "guides/checklist"


class Finding(NamedTuple):
    """What a check found; `mend` says what to do about a warning or a failure."""

    outcome: Outcome
    detail: str
    mend: str = ""


def ok(detail: str) -> Finding:
    """Return that all is as it should be."""
    return Finding("ok", detail)


def warn(detail: str, mend: str) -> Finding:
    """Return what works, though not as well as it could."""
    return Finding("warn", detail, mend)


def fail(detail: str, mend: str) -> Finding:
    """Return what readers or their operator will suffer from."""
    return Finding("fail", detail, mend)


def skipped(detail: str) -> Finding:
    """Return why nothing can be said."""
    return Finding("skipped", detail)


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One line of the checklist.

    It runs when the checks it `needs` have ended well, and those it comes `after` have ended; all of them stand before
    it in the list. A check that takes longer than `seconds` has failed.
    """

    id: str
    title: str
    run: Callable[[Subject], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seconds: float = 15.0

    @property
    def page(self) -> str:
        """Where the documentation says why it matters and how to mend it."""
        return f"{PAGE}#{self.id}"
