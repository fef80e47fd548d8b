"""What readers get: the shapes of the HTTP contract, which only grows."""

from datetime import datetime
from typing import Annotated, Literal, Self, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field

from graph.events import Event
from graph.types import Citation, Frozen, Grounding, Mode, NearestPage, Notice, Outcome, Passage, Selection, Verdict
from persistence.messages import Failure, Message, MessageStatus, ReaderFeedback, Selector, Source
from persistence.turns import Ended, TurnStatus
from server.requests import BODY_LIMIT, MESSAGE_LIMIT, METADATA_LIMIT, SELECTION_LIMIT


class SessionGiven(Frozen):
    """A new session and, this once, its token."""

    session_id: UUID
    token: str
    expires_at: datetime


class _Shown(Frozen):
    """What a reader sees of something stored: the fields named here, from a message and its metadata or a turn."""

    model_config = ConfigDict(extra="ignore")


class ShownQuestion(_Shown):
    """A message of the reader."""

    id: UUID
    turn_id: UUID
    attempt: int
    role: Literal["user"]
    content: str
    status: MessageStatus
    created_at: datetime
    selection: Selection | None
    source: Source | None
    selector: Selector | None


class ShownAnswer(_Shown):
    """A message of the assistant, whole; offsets in it count code points of `content`."""

    id: UUID
    turn_id: UUID
    attempt: int
    role: Literal["assistant"]
    content: str
    status: MessageStatus
    mode: Mode
    label: str | None
    outcome: Outcome | None
    notices: tuple[Notice, ...]
    created_at: datetime
    model: str | None
    tokens: int | None
    citations: tuple[Citation, ...]
    grounding: Grounding
    verdict: Verdict | None
    nearest: tuple[NearestPage, ...]


class ListedAnswer(ShownAnswer):
    """An answer in a list, with what the reader thought of it."""

    feedback: ReaderFeedback | None


Shown = TypeVar("Shown", bound=_Shown)


def shown(kind: type[Shown], message: Message) -> Shown:
    """Return what `kind` shows of a message."""
    return kind.model_validate(dict(message.metadata) | dict(message))


class MessagePage(Frozen):
    """A page of messages; `after` continues the list."""

    data: tuple[Annotated[ShownQuestion | ListedAnswer, Field(discriminator="role")], ...]
    has_more: bool
    after: UUID | None


class TurnState(_Shown):
    """How a turn stands; `message_id` is the answer of its current attempt."""

    id: UUID
    thread_id: UUID
    user_message_id: UUID
    message_id: UUID
    mode: Mode
    status: TurnStatus
    attempt: int
    error: Failure | None
    created_at: datetime
    finished_at: datetime | None


class TurnAccepted(Frozen):
    """A turn that takes longer than a plain request waits."""

    turn_id: UUID


class ChatAnswer(Frozen):
    """The stored answer of a turn."""

    thread_id: UUID
    turn_id: UUID
    message: ShownAnswer


class FoundPassage(Frozen):
    """A passage that a search found."""

    passage_id: str
    url: str
    path: str
    title: str
    heading: str
    text: str
    score: float
    coverage: float

    @classmethod
    def of(cls, passage: Passage) -> Self:
        """Return what a reader sees of a passage."""
        return cls(passage_id=passage.id, **passage.model_dump(include=set(cls.model_fields) - {"passage_id"}))


class SearchAnswer(Frozen):
    """Passages, best first."""

    data: tuple[FoundPassage, ...]


class Limits(Frozen):
    """The largest request, text in code points and the rest in bytes, and how many turns a session may ask (0: any)."""

    message: int = MESSAGE_LIMIT
    selected_text: int = SELECTION_LIMIT
    metadata: int = METADATA_LIMIT
    body: int = BODY_LIMIT
    turns_per_minute: int = 0
    turns_per_hour: int = 0


class Config(Frozen):
    """What this server can do; `features` are request fields and routes that a client may use.

    A conversation is deleted `retention_days` after it was continued last; 0 keeps it.
    """

    version: str
    features: tuple[str, ...]
    limits: Limits
    model: str
    disclosures: tuple[Notice, ...]
    retention_days: int


class Ready(Frozen):
    """What the server answers from."""

    status: Literal["ready"] = "ready"
    passages: int
    model: str


class TurnOpened(Frozen):
    """The first event of a stream: which turn it is. With `reset`, what was shown of it before does not count."""

    event: Literal["turn"] = "turn"
    thread_id: UUID
    turn_id: UUID
    user_message_id: UUID
    message_id: UUID
    mode: Mode
    label: str | None
    attempt: int
    reset: bool = False


class MessageGiven(ShownAnswer):
    """The answer as it is stored, after its text."""

    event: Literal["message"] = "message"


def _absent(value: object) -> bool:
    return value is None


class End(Frozen):
    """The last event: how the turn ended, and how many code points its text has."""

    event: Literal["end"] = "end"
    status: Ended
    length: int
    code: str | None = Field(default=None, exclude_if=_absent)
    detail: str | None = Field(default=None, exclude_if=_absent)
    retry: bool | None = Field(default=None, exclude_if=_absent)
    truncated: bool | None = Field(default=None, exclude_if=_absent)


class StreamError(Frozen):
    """This connection must be made again; the turn is not affected."""

    event: Literal["error"] = "error"
    code: str
    retry: bool


StreamEvent = TurnOpened | Event | MessageGiven | End
"""Everything a stream says about its turn."""
