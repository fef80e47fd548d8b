"""What stands in for a language model, and passages that are always found."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from graph.condense import RuleCondenser
from graph.ports import Claim, Finish, Lack, Piece
from graph.sufficiency import WordSufficiency
from graph.types import Exchange, Passage, Scope
from server.models import Answerers

PASSAGE = Passage(
    id="0d2c1f66-0000-5000-8000-000000000001",
    url="https://docs.example/sessions/#expiry",
    path="sessions/#expiry",
    title="Sessions",
    heading="Expiry",
    text="A session expires 30 days after it was last seen.",
    score=0.9,
    coverage=1.0,
)


@dataclass
class Scripted:
    """Says its pieces one by one, each when the test lets it: by default at once."""

    pieces: Sequence[str] = ("A session expires ", "30 days after it was last seen. [1]")
    error: Exception | None = None
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "scripted"
    seen: list[tuple[str, tuple[Exchange, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_go_on.set()

    async def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncIterator[Piece]:
        """Say the pieces, wait before the last until the test agrees, then fail if that is the script."""
        self.seen.append((question, tuple(history)))
        *first, last = self.pieces
        for piece in first:
            yield Piece(text=piece)
        await self.may_go_on.wait()
        if self.error:
            raise self.error
        yield Piece(text=last)
        yield Piece(finish="stop", tokens=12)

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncIterator[Claim | Lack | Finish]:
        """Say the selection's first sentence, with itself as the quote."""
        self.seen.append((question, tuple(earlier)))
        sentence = selection.partition("\n")[0]
        yield Claim(quote=sentence)
        await self.may_go_on.wait()
        yield Finish(finish="stop", tokens=7)


def answerers(model: Scripted) -> Answerers:
    """Return answerers with `model` behind all of them."""
    return Answerers(
        model_name=model.name,
        grounded=model,
        selection=model,
        condenser=RuleCondenser(),
        sufficiency=WordSufficiency(sufficient=0.6, partial=0.01),
    )


class KnownPassages:
    """Finds the same passage for every question."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return the passage."""
        return [PASSAGE]


class Trap:
    """A retriever that no constrained turn may touch."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Raise."""
        raise AssertionError("a constrained turn searched")
