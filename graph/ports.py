"""What a turn needs from the outside, and nothing more."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple, Protocol

from pydantic import Field

from graph.types import Exchange, Frozen, Passage, Scope, Verdict


class Retriever(Protocol):
    """Finds passages; only grounded turns hold one."""

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return at most `limit` passages inside `scope`, best first.

        Raises IndexUnavailable; an empty list never stands for a failure.
        """
        ...


class Piece(NamedTuple):
    """A piece of an answerer's text, and on the last one how and at what cost it ended."""

    text: str = ""
    finish: Literal["stop", "length"] | None = None
    tokens: int | None = None
    input_tokens: int | None = None


class Answerer(Protocol):
    """Answers from passages, citing the n-th as `[n]`."""

    @property
    def name(self) -> str:
        """The model's name as stored with its answers."""
        ...

    def answer(
        self, question: str, passages: Sequence[Passage], history: Sequence[Exchange]
    ) -> AsyncGenerator[Piece, None]:
        """Yield the answer's text as it comes; the last piece carries `finish`.

        Raises ModelUnavailable before the first piece, ModelFailed after it.
        """
        ...


class Claim(Frozen):
    """Words of the selection that answer, as an answerer says; untrusted. It has no field for words of its own."""

    quote: str


MissingKind = Literal[
    "definition", "number", "time", "place", "person", "reason", "steps", "code", "choice", "yes_no", "list", "fact"
]


class Lack(Frozen):
    """Something a model or an assessor finds missing: a kind of fact, and the words of the question it is about.

    The words shown to the reader are made from the two by `graph.missing`, so that no answerer can put a fact there.
    """

    kind: MissingKind
    about: str = Field(max_length=400)


class Finish(Frozen):
    """How an answerer's claims ended, and at what cost."""

    finish: Literal["stop", "length"]
    tokens: int | None = None
    input_tokens: int | None = None


class SelectionAnswerer(Protocol):
    """Answers from a selection alone, by choosing what of it answers."""

    @property
    def name(self) -> str:
        """The model's name as stored with its answers."""
        ...

    def claims(
        self, question: str, selection: str, earlier: Sequence[Exchange]
    ) -> AsyncGenerator[Claim | Lack | Finish, None]:
        """Yield claims and lacks as they come, `Finish` last. Raises ModelUnavailable or ModelFailed."""
        ...


class Condenser(Protocol):
    """Makes a follow-up stand on its own."""

    async def condense(self, question: str, history: Sequence[Exchange]) -> str:
        """Return a query that means what `question` means after `history`; never raises for a model that is away."""
        ...


class Sufficiency(Protocol):
    """Judges whether a text answers a question, before anybody answers it."""

    async def assess(self, question: str, text: str, *, locale: str) -> Verdict | None:
        """Return the verdict with spans of `text`, what is missing worded in `locale`; None when it abstains."""
        ...
