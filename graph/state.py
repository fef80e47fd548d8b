"""What flows between nodes.

`TurnState` is the whole turn. A node never takes it: each declares what it reads and what it writes, LangGraph
hands it only those keys, and the type checker rejects a key nobody declared. Nothing a constrained node reads
can hold a passage or a grounded turn.
"""

from typing import TypedDict

from graph.types import Answer, Exchange, Notice, Passage, Scope, Selection, Verdict


class TurnState(TypedDict, total=False):
    """All keys of a turn; which are set tells how far it came."""

    question: str
    locale: str
    scope: Scope
    history: tuple[Exchange, ...]
    query: str
    passages: list[Passage]
    near: bool
    draft: "Draft"
    selection: Selection
    earlier: tuple[Exchange, ...]
    verdict: Verdict | None
    answer: Answer


class Draft(TypedDict):
    """A grounded answer as it was shown, before it is checked."""

    text: str
    marks: list[tuple[int, int]]
    notices: tuple[Notice, ...]
    model: str
    tokens: int | None
    input_tokens: int | None
    truncated: bool


class Question(TypedDict):
    question: str
    locale: str


class FollowUp(Question):
    history: tuple[Exchange, ...]


class Condensed(TypedDict):
    query: str


class Search(Condensed):
    scope: Scope


class Retrieved(TypedDict):
    passages: list[Passage]


class Evidence(Question, Retrieved, Condensed):
    history: tuple[Exchange, ...]


class Grounds(TypedDict):
    near: bool


class Drafted(TypedDict):
    draft: Draft


class ToCheck(Question, Retrieved, Drafted):
    scope: Scope


class ToDecline(Question, Retrieved):
    pass


class Selected(Question):
    selection: Selection


class Assessed(TypedDict):
    verdict: Verdict | None


class ToAnswerSelection(Selected, Assessed):
    earlier: tuple[Exchange, ...]


class Answered(TypedDict):
    answer: Answer
