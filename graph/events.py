"""What a turn emits while it runs; the same events reach the reader's stream, notebooks and evaluations."""

from typing import Annotated, Literal

from pydantic import Field

from graph.types import Frozen, Verdict

Step = Literal["condensing", "retrieving", "reading", "assessing", "answering", "checking"]


class Status(Frozen):
    """The turn enters a step that takes time."""

    event: Literal["status"] = "status"
    step: Step


class OfferedPassage(Frozen):
    """A passage given to the answerer, with the marker that cites it."""

    marker: int
    id: str
    url: str
    path: str
    title: str
    heading: str
    score: float


class Passages(Frozen):
    """The passages the answer may cite, best first, sent before its text."""

    event: Literal["passages"] = "passages"
    passages: tuple[OfferedPassage, ...]


class VerdictGiven(Frozen):
    """Whether the selection suffices; where a turn sends two, the last one holds."""

    event: Literal["verdict"] = "verdict"
    verdict: Verdict


class Delta(Frozen):
    """A released piece of the answer's text; pieces joined give the text exactly."""

    event: Literal["delta"] = "delta"
    text: str


Event = Annotated[Status | Passages | VerdictGiven | Delta, Field(discriminator="event")]
