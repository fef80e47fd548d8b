"""Where a test runs: in the quick gear on one database that stands in for all, in the whole one on each of the three.

`mixed` is the embedded Postgres, which one worker reaches by its socket and the other through pgbouncer.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.faults.databases import NAMES

MIXED = "mixed"
quick, whole = pytest.mark.faults_quick, pytest.mark.faults_full


def _on(*names: str) -> pytest.MarkDecorator:
    marked = [pytest.param(name, marks=quick if name == MIXED else whole) for name in names]
    return pytest.mark.parametrize("standing", marked, indirect=True)


everywhere = _on(MIXED, *NAMES)
only_whole = _on(*NAMES)
only_pooled = _on(MIXED, "pgbouncer")


async def together(*cases: Coroutine[Any, Any, None]) -> None:
    """Run independent cases at once, for most of their time is waiting; raise all that failed."""
    outcomes = await asyncio.gather(*cases, return_exceptions=True)
    if failed := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
        raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases failed", failed)
