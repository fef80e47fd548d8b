"""Where a test runs: quickly on the embedded database and a few on pgbouncer, wholly on all three."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

whole = pytest.mark.faults_full


def _on(**quickly: bool) -> pytest.MarkDecorator:
    names = [pytest.param(name, marks=() if quick else whole) for name, quick in quickly.items()]
    return pytest.mark.parametrize("standing", names, indirect=True)


everywhere = _on(embedded=True, plain=False, pgbouncer=False)
pooled_too = _on(embedded=True, plain=False, pgbouncer=True)
only_whole = _on(embedded=False, plain=False, pgbouncer=False)
only_pooled = pytest.mark.parametrize("standing", ["pgbouncer"], indirect=True)


async def together(*cases: Coroutine[Any, Any, None]) -> None:
    """Run independent cases at once, for most of their time is waiting; raise all that failed."""
    outcomes = await asyncio.gather(*cases, return_exceptions=True)
    if failed := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
        raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases failed", failed)
