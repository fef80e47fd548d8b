"""What readers may send, parsed at the edge: everything here was checked, and nothing behind it checks again."""

import json
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator
from pydantic_core import PydanticCustomError

from graph.terms import composed
from graph.types import Frozen, Mode, Scope, Selection
from persistence import messages
from persistence.messages import UserMetadata
from persistence.postgres import storable

MESSAGE_LIMIT = 4_000  # code points
SELECTION_LIMIT = 20_000  # code points
TITLE_LIMIT = 200  # code points
REASON_LIMIT = 100  # code points
LINE_LIMIT = 2_000  # code points
METADATA_LIMIT = 4_096  # bytes of its JSON
BODY_LIMIT = 256 * 1024  # bytes

_METADATA_DEPTH = 16


def _storable(text: str) -> str:
    """Refuse what Postgres cannot hold; nothing is normalised or stripped, for offsets count what was sent."""
    if storable(text) != text:
        raise PydanticCustomError("not_storable", "Text must not contain NUL or lone surrogates.")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "This text is blank.")
    return text


def _selection_not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("selection_blank", "The selected text is blank.")
    return text


STORABLE = AfterValidator(_storable)
Line = Annotated[str, Field(max_length=LINE_LIMIT), STORABLE]
Offset = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
Message = Annotated[str, Field(max_length=MESSAGE_LIMIT), STORABLE, AfterValidator(_not_blank)]
SelectedText = Annotated[str, Field(max_length=SELECTION_LIMIT), STORABLE, AfterValidator(_selection_not_blank)]
Query = Annotated[str, Field(min_length=1, max_length=MESSAGE_LIMIT), STORABLE]
Found = Annotated[int, Field(ge=1, le=20)]
"""How many passages a search returns at most."""

Title = Annotated[str, Field(max_length=TITLE_LIMIT), STORABLE, AfterValidator(_not_blank)]


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    """Refuse a client's own data when it is too large, too deep or not to be stored."""
    for value, depth in _walk(metadata):
        if depth > _METADATA_DEPTH:
            raise PydanticCustomError("metadata_too_deep", "Metadata must not be nested deeper than 16 levels.")
        if isinstance(value, str):
            _storable(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise PydanticCustomError("not_finite", "Metadata must not contain NaN or Infinity.")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > METADATA_LIMIT:
        raise PydanticCustomError("metadata_too_large", "Metadata must not be larger than 4 KiB.")
    return metadata


def _walk(root: dict[str, Any]) -> Iterator[tuple[Any, int]]:
    """Yield every key and value with its depth, without recursion: the depth is the sender's choice."""
    open_values: list[tuple[Any, int]] = [(root, 0)]
    while open_values:
        value, depth = open_values.pop()
        yield value, depth
        if isinstance(value, dict):
            open_values += [(part, depth + 1) for item in value.items() for part in item]
        elif isinstance(value, list):
            open_values += [(part, depth + 1) for part in value]


ClientMetadata = Annotated[dict[str, Any], AfterValidator(_small)]


class Source(messages.Source):
    """The page the reader is on."""

    model_config = ConfigDict(extra="forbid")

    url: Line | None = None
    path: Line | None = None
    title: Line | None = None
    heading_id: Line | None = None
    version: Line | None = None
    locale: Line | None = None


class Selector(messages.Selector):
    """Where on that page the selection stands, for the client to find it again."""

    model_config = ConfigDict(extra="forbid")

    prefix: Line | None = None
    suffix: Line | None = None
    start: Offset | None = None
    end: Offset | None = None


class ChatRequest(Frozen):
    """A question, with what the reader marked and where they are."""

    message: Message
    session_id: UUID | None = None
    thread_id: UUID | None = None
    client_message_id: UUID | None = None
    selected_text: SelectedText | None = None
    selected_text_mode: StrictBool | None = None
    source: Source | None = None
    selector: Selector | None = None
    metadata: ClientMetadata | None = None

    @model_validator(mode="after")
    def _selection_is_there(self) -> Self:
        if self.selected_text_mode and self.selected_text is None:
            raise PydanticCustomError("selection_missing", "selected_text_mode needs selected_text.")
        return self

    @cached_property
    def question(self) -> str:
        """The message as it is searched and answered, in NFC; what is stored is the message as it was sent."""
        return composed(self.message)

    @property
    def mode(self) -> Mode:
        """The kind of turn: any selected text makes it constrained, whatever `selected_text_mode` says."""
        return "grounded" if self.selected_text is None else "constrained"

    @cached_property
    def scope(self) -> Scope:
        """Where in the docs the reader is."""
        at = self.source or Source()
        return Scope(version=at.version, locale=at.locale, path=at.path)

    @property
    def user_metadata(self) -> UserMetadata:
        """What is stored with the question."""
        return UserMetadata(
            selection=None if self.selected_text is None else Selection(text=self.selected_text),
            source=self.source,
            selector=self.selector,
            client=self.metadata or {},
        )


class StoredRequest(ChatRequest):
    """A question as it is stored for a later attempt, where it is not quite what the reader sent (`server.scrub`)."""

    scrubbed: bool = False


class Whereabouts(Frozen):
    """Where the reader is, as a page adds it to the free-form metadata of a ChatKit request."""

    model_config = ConfigDict(extra="ignore")

    source: Source | None = None
    selector: Selector | None = None


class SessionRequest(Frozen):
    """Who asks for a session; both are optional and the host site's own."""

    user_key: Annotated[str, Field(min_length=1, max_length=200), STORABLE] | None = None
    proof: Line | None = None


class ThreadRequest(Frozen):
    """What a new thread is called, and what the client keeps with it."""

    title: Title | None = None
    metadata: ClientMetadata | None = None


class ThreadRename(Frozen):
    """A thread's new title."""

    title: Title


class RetryRequest(Frozen):
    """Which attempt of a turn is to be replaced: the one the reader saw."""

    attempt: Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]


class FeedbackRequest(Frozen):
    """What the reader thinks of an answer."""

    rating: Literal["up", "down"]
    reason: Annotated[str, Field(max_length=REASON_LIMIT), STORABLE] | None = None
    note: Line | None = None
