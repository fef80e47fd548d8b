"""Reads turns that run on other workers along from the store: one poller a turn, however many read."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

from graph.errors import StoreUnavailable
from persistence.messages import Messages
from persistence.turns import Glance, Preface, Turns
from server.problems import not_found
from server.transcript import Transcript

TICK = 0.25
"""Seconds between writes of the text so far, all that a crash can lose; also between looks at a turn elsewhere."""

PATIENCE = 30.0
"""Seconds without a store after which readers of a turn elsewhere are told to come again."""

_Key = tuple[UUID, UUID]


@dataclass(slots=True)
class _Mirror:
    """A turn's transcript as the store tells it: there with the first look, kept up while somebody reads."""

    opening: asyncio.Task[Transcript]
    keeping: asyncio.Task[None] | None = None
    readers: int = 0


class Mirrors:
    """The turns of other workers that somebody reads here."""

    def __init__(self, turns: Turns, messages: Messages) -> None:
        self._turns = turns
        self._messages = messages
        self._mirrors: dict[_Key, _Mirror] = {}

    @asynccontextmanager
    async def open(self, session_id: UUID, turn_id: UUID) -> AsyncIterator[Transcript]:
        """Give the transcript of a turn, whole when it ended; the last reader to leave ends the looking.

        Raises Problem when the session has no such turn, StoreUnavailable.
        """
        key = (session_id, turn_id)
        mirror = self._mirrors.get(key)
        if mirror is None:
            mirror = self._mirrors[key] = _Mirror(asyncio.create_task(self._first_look(key)))
        mirror.readers += 1
        try:
            transcript = await asyncio.shield(mirror.opening)
            if mirror.keeping is None and not transcript.end:
                mirror.keeping = asyncio.create_task(self._keep_up(key, transcript))
            yield transcript
        finally:
            mirror.readers -= 1
            if not mirror.readers:
                if self._mirrors.get(key) is mirror:
                    del self._mirrors[key]
                for task in (mirror.opening, mirror.keeping):
                    if task:
                        task.cancel()

    async def _first_look(self, key: _Key) -> Transcript:
        glance = await self._turns.glance(*key)
        if glance is None:
            raise not_found("turn")
        transcript = Transcript.of_stored(glance.turn)
        await self._reflect(key, glance, transcript)
        return transcript

    async def _keep_up(self, key: _Key, transcript: Transcript) -> None:
        """Look four times a second until the turn ends, or another attempt of it begins."""
        attempt = transcript.opened.attempt
        seen = time.monotonic()
        try:
            while not (transcript.end or transcript.lost):
                await asyncio.sleep(TICK)
                with suppress(StoreUnavailable):
                    glance = await self._turns.glance(*key, attempt=attempt, known=len(transcript.text))
                    if glance is None or glance.turn.attempt != attempt:
                        break
                    await self._reflect(key, glance, transcript)
                    seen = time.monotonic()
                if time.monotonic() - seen > PATIENCE:
                    break
        finally:
            if not transcript.end:
                self._mirrors.pop(key, None)  # whoever reads on asks the store anew, and is told what it says
                transcript.lose()

    async def _reflect(self, key: _Key, glance: Glance, transcript: Transcript) -> None:
        """Bring a transcript up to what the store holds of its turn."""
        turn = glance.turn
        transcript.catch_up(turn.preface or Preface(mode=turn.mode, label=transcript.opened.label), glance.text)
        if turn.status != "running":
            message = await self._messages.get(key[0], turn.message_id)
            if message and message.status not in ("running", "superseded"):
                transcript.close(message)
            else:  # deleted, or another attempt began, between the two looks
                transcript.lose()
