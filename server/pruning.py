"""Deletes what is old in the background of a server that is used: an idle one leaves its database asleep."""

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from contextvars import Context

from persistence.retention import EVERY, Retention
from server.logs import log_for

log = log_for(__name__)

PAUSE = 0.1
"""Seconds between two batches, for whoever wants the database more."""


class Pruning:
    """Looks for what is too old when a turn has ended, so that no reader waits for it."""

    def __init__(self, retention: Retention, days: int) -> None:
        """Name for how many days conversations are kept; 0 keeps them, and limits that are over go all the same."""
        self._retention = retention
        self._days = days
        self._due = 0.0
        self._running: asyncio.Task[None] | None = None

    def turn_ended(self) -> None:
        """Begin, when it is time."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY.total_seconds()
            self._running = asyncio.create_task(self._prune(), context=Context())  # it is no part of that turn

    async def _prune(self) -> None:
        try:
            if not await self._retention.claim():
                return
            gone: Counter[str] = Counter()
            async with aclosing(self._retention.prune(self._days)) as batches:
                async for batch in batches:
                    gone.update(batch)
                    await asyncio.sleep(PAUSE)
            log.info("pruned", days=self._days, rows=dict(gone))
        except Exception as error:  # no turn has anything to do with it, and the next hour tries again
            log.warning("not pruned", exc_info=error)

    async def aclose(self) -> None:
        """Stop; what was deleted stays deleted, the rest is left to the next time."""
        if self._running:
            self._running.cancel()
            await asyncio.wait({self._running})
