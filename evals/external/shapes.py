"""What a line of each file from elsewhere has to hold; further fields are left alone."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

_Texts = Annotated[list[str], Field(min_length=1)]


@with_config(ConfigDict(strict=True))
class _Gold(TypedDict):
    page: str


@with_config(ConfigDict(strict=True))
class _Section(TypedDict):
    anchor: str
    heading: str
    level: int
    text: str


@with_config(ConfigDict(strict=True))
class _Page(TypedDict):
    site: str
    page: str
    title: str
    sections: list[_Section]


@with_config(ConfigDict(strict=True))
class _Issue(TypedDict):
    qid: str
    site: str
    query: str
    title: str
    gold: Annotated[list[_Gold], Field(min_length=1)]


@with_config(ConfigDict(strict=True))
class _Chunk(TypedDict):
    chunk: str
    page: str
    heading: str
    text: str


@with_config(ConfigDict(strict=True))
class _DocsQuestion(TypedDict):
    qid: str
    query: str
    gold_pages: _Texts
    reference_answer: str


@with_config(ConfigDict(strict=True))
class _Squad(TypedDict):
    id: str
    article: str
    question: str
    context: str
    answerable: bool


@with_config(ConfigDict(strict=True))
class _Clapnq(TypedDict):
    id: str
    question: str
    title: str
    context: str
    answerable: bool
    answers: list[str]


@with_config(ConfigDict(strict=True))
class _Said(TypedDict):
    text: str


@with_config(ConfigDict(strict=True))
class _Mtrag(TypedDict):
    id: str
    history: list[_Said]
    question: str
    contexts: list[str]
    label: Literal["ANSWERABLE", "PARTIAL"]


@with_config(ConfigDict(strict=True))
class _Claim(TypedDict):
    id: str
    source: str
    claim: str
    passage: str
    label: Literal["supported", "partial", "unsupported"]


SHAPES: Mapping[str, TypeAdapter[Any]] = {
    "docs_retrieval.pages.jsonl": TypeAdapter(_Page),
    "docs_retrieval.queries.jsonl": TypeAdapter(_Issue),
    "docs_qa_anthropic.chunks.jsonl": TypeAdapter(_Chunk),
    "docs_qa_anthropic.queries.jsonl": TypeAdapter(_DocsQuestion),
    "sufficiency_squad2.jsonl": TypeAdapter(_Squad),
    "sufficiency_clapnq.jsonl": TypeAdapter(_Clapnq),
    "sufficiency_mtragun.jsonl": TypeAdapter(_Mtrag),
    "grounding.jsonl": TypeAdapter(_Claim),
}
