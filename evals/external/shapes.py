"""What a line of each file from elsewhere has to hold; further fields are left alone."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

_Texts = Annotated[list[str], Field(min_length=1)]


class _Gold(TypedDict):
    page: str


class _Section(TypedDict):
    anchor: str
    heading: str
    level: int
    text: str


class _Page(TypedDict):
    site: str
    page: str
    title: str
    sections: list[_Section]


class _Issue(TypedDict):
    qid: str
    site: str
    query: str
    title: str
    gold: Annotated[list[_Gold], Field(min_length=1)]


class _Chunk(TypedDict):
    chunk: str
    page: str
    heading: str
    text: str


class _DocsQuestion(TypedDict):
    qid: str
    query: str
    gold_pages: _Texts
    reference_answer: str


class _Answerable(TypedDict):
    id: str
    question: str
    context: str
    answerable: bool


class _Squad(_Answerable):
    article: str


class _Clapnq(_Answerable):
    title: str
    answers: list[str]


class _Said(TypedDict):
    text: str


class _Mtrag(TypedDict):
    id: str
    history: list[_Said]
    question: str
    contexts: list[str]
    label: Literal["ANSWERABLE", "PARTIAL"]


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
