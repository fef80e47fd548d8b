"""The nouns of a turn: frozen, so that a node can share them and never edit them.

All offsets count Unicode code points of the text exactly as stored or sent.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

CONSTRAINED_LABEL = "Answer constrained to provided text."

Mode = Literal["grounded", "constrained"]
Outcome = Literal["answered", "partial", "insufficient", "not_covered"]
Suspect = Literal["question", "selection", "passages"]
Widening = Literal["section", "page", "docs"]


class Frozen(BaseModel):
    """An immutable value that refuses fields nobody declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Span(Frozen):
    """A half-open range `[start, end)` of code points in a text named by the field that holds it."""

    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Scope(Frozen):
    """Where the reader is in the docs: what a search may look at.

    `path` is the reader's page below the base URL; sites with several docs plugins need it to tell their
    versions apart. A field that is None means the site's default: its default locale, its last version.
    """

    version: str | None = None
    locale: str | None = None
    path: str | None = None


class Selection(Frozen):
    """Text the reader marked on a page, exactly as sent; the only source a constrained turn has."""

    text: str = Field(min_length=1, max_length=20_000)


class Passage(Frozen):
    """A span of a documentation page, as stored in the index.

    `text` holds the page's own words in the block grammar of `graph.units`; `heading` is the path of headings
    above it joined by ` > `; `path` is below the site's base URL and carries the anchor. `score` is the cosine
    of question and passage (or, in an index without vectors, the weighted share of the question's terms it
    contains), and `coverage` that share in every index. `places` are its ranks in the searches for the parts of a
    question with several, from 1, and 0 where it was not found.
    """

    id: str
    url: str
    path: str
    title: str
    heading: str = ""
    text: str
    version: str | None = None
    locale: str | None = None
    score: float = 0.0
    coverage: float = 0.0
    places: tuple[int, ...] = ()


class PassageRef(Frozen):
    """Names a passage that an answer was given, without its text."""

    id: str
    url: str
    score: float


class Citation(Frozen):
    """Points the marker at offset `at` of the answer to the span `[start, end)` of a passage, whose text is `quote`."""

    marker: int = Field(ge=1)
    at: int = Field(ge=0)
    passage_id: str
    url: str
    path: str
    title: str
    heading: str
    quote: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Grounding(Frozen):
    """What a grounded answer had before it, and the spans of its text that no cited passage supports."""

    passages: tuple[PassageRef, ...] = ()
    unsupported: tuple[Span, ...] = ()


class NearestPage(Frozen):
    """A page near a question that the docs do not cover."""

    url: str
    path: str
    title: str


class Missing(Frozen):
    """Something a selection lacks, and the least text that would supply it, described but never stated."""

    what: str
    why: str
    minimal_text: str


class Verdict(Frozen):
    """Whether a selection answers a question; `used` are spans of the selection that do."""

    verdict: Literal["sufficient", "partial", "insufficient"]
    used: tuple[Span, ...] = ()
    missing: tuple[Missing, ...] = ()
    widen: tuple[Widening, ...] = ()


class Notice(Frozen):
    """Something the reader should know about how an answer came to be."""

    code: str
    detail: str


class Exchange(Frozen):
    """An earlier turn of the thread, as a model may see it: label and markers stripped."""

    question: str
    answer: str


class GroundedAnswer(Frozen):
    """An answer that rests on passages, or says that the docs do not cover the question."""

    mode: Literal["grounded"] = "grounded"
    text: str
    outcome: Literal["answered", "partial", "not_covered"]
    injection_suspected: tuple[Suspect, ...] = ()
    citations: tuple[Citation, ...] = ()
    grounding: Grounding = Grounding()
    nearest: tuple[NearestPage, ...] = ()
    notices: tuple[Notice, ...] = ()
    model: str
    tokens: int | None = None
    input_tokens: int | None = None
    truncated: bool = False


class ConstrainedAnswer(Frozen):
    """An answer that rests on a selection alone. The label has one legal value and begins the text."""

    mode: Literal["constrained"] = "constrained"
    label: Literal["Answer constrained to provided text."] = CONSTRAINED_LABEL
    text: str = Field(pattern=r"^Answer constrained to provided text\.\n\n")
    outcome: Literal["answered", "partial", "insufficient"]
    injection_suspected: tuple[Suspect, ...] = ()
    verdict: Verdict
    notices: tuple[Notice, ...] = ()
    model: str
    tokens: int | None = None
    input_tokens: int | None = None
    truncated: bool = False


Answer = Annotated[GroundedAnswer | ConstrainedAnswer, Field(discriminator="mode")]
