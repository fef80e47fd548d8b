"""What stands in for a model and for an index in tests of the graph."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from graph.errors import CitesideError
from graph.ports import Claim, Finish, Lack, Piece
from graph.types import Exchange, Passage, Scope


@dataclass
class SaysPieces:
    """Answers from passages with fixed pieces, then fails if that is the script."""

    pieces: Sequence[str] = ()
    error: CitesideError | None = None
    finish: Piece = field(default_factory=lambda: Piece(finish="stop", tokens=7))
    name: str = "scripted"

    async def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncIterator[Piece]:
        """Say the pieces."""
        for piece in self.pieces:
            yield Piece(text=piece)
        if self.error:
            raise self.error
        yield self.finish


@dataclass
class SaysClaims:
    """Answers from a selection with fixed claims and lacks, then fails if that is the script."""

    items: Sequence[Claim | Lack] = ()
    error: CitesideError | None = None
    finish: Finish = field(default_factory=lambda: Finish(finish="stop", tokens=7))
    name: str = "scripted"

    async def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncIterator[Claim | Lack | Finish]:
        """Say the claims and lacks."""
        for item in self.items:
            yield item
        if self.error:
            raise self.error
        yield self.finish


@dataclass
class Finds:
    """A retriever that finds fixed passages and remembers what it was asked."""

    passages: Sequence[Passage] = ()
    asked: list[tuple[str, Scope, int]] = field(default_factory=list)

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return the passages."""
        self.asked.append((query, scope, limit))
        return list(self.passages[:limit])


class ForbiddenRetriever:
    """A retriever that nothing may touch."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Raise."""
        raise AssertionError(f"searched for {query!r}")
