"""Reads what the element sends, and refuses what is none of ours before anything is begun."""

import hashlib
import time
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from chatkit.types import ChatKitReq, ThreadsAddUserMessageReq, ThreadsCreateReq, UserMessageContent
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import from_json

from server.problems import invalid, not_found
from server.requests import ChatRequest, Whereabouts

Model = TypeVar("Model", bound=BaseModel)

RESENT = 60
"""Seconds for which the same body joins its turn, at least, and at most twice as long: after a broken stream the
element was seen asking five times within 25 s."""

_REQUEST: TypeAdapter[ChatKitReq] = TypeAdapter(ChatKitReq)
_NO_ACTIONS = "This server has no actions."
_NO_ATTACHMENTS = "This server takes no attachments."

# What the element asks for only where a server offers it first, by how it is answered.
_NO_STREAM = {
    "threads.add_client_tool_output": "This server has no client tools.",
    "threads.add_structured_input": "This server asks no structured questions.",
    "threads.custom_action": _NO_ACTIONS,
}
_NO_REPLY = {
    "threads.sync_custom_action": _NO_ACTIONS,
    "attachments.create": _NO_ATTACHMENTS,
    "attachments.delete": _NO_ATTACHMENTS,
    "input.transcribe": "This server takes no dictation.",
}


class NotOffered(Exception):
    """The request is one of ChatKit's, for something that this server does not have."""

    def __init__(self, detail: str, *, streamed: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        self.streamed = streamed


def read(body: bytes) -> ChatKitReq:
    """Return the request in `body`. Raises NotOffered, and Problem for what is no request at all."""
    try:
        sent = from_json(body)
    except ValueError:
        raise invalid([{"type": "json_invalid"}]) from None
    kind = sent.get("type") if isinstance(sent, dict) else None
    if isinstance(kind, str) and (detail := (_NO_STREAM | _NO_REPLY).get(kind)):
        raise NotOffered(detail, streamed=kind in _NO_STREAM)
    try:
        asked = _REQUEST.validate_python(sent)
    except ValidationError as error:
        raise invalid(error.errors()) from None
    if isinstance(asked, ThreadsCreateReq | ThreadsAddUserMessageReq) and asked.params.input.attachments:
        raise NotOffered(_NO_ATTACHMENTS, streamed=True)
    return asked


def question_of(asked: ThreadsCreateReq | ThreadsAddUserMessageReq) -> ChatRequest:
    """Return what is asked, with its quote as the selection. Raises Problem where `POST /chat` would."""
    where = checked(Whereabouts, asked.metadata)
    thread_id = id_of(asked.params.thread_id, "thread") if isinstance(asked, ThreadsAddUserMessageReq) else None
    quote = asked.params.input.quoted_text
    return checked(
        ChatRequest,
        {
            "message": _text(asked.params.input.content),
            "thread_id": thread_id,
            "selected_text": quote if quote and quote.strip() else None,  # the element sends "" for no quote
            "source": where.source,
            "selector": where.selector,
        },
    )


def checked(kind: type[Model], values: dict[str, Any]) -> Model:
    """Return `values` as a model of ours. Raises Problem when they do not validate."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise invalid(error.errors()) from None


def id_of(text: str, what: str) -> UUID:
    """Return an id of ours; any other text is that of a `what` that does not exist. Raises Problem then."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found(what) from None


def message_ids(session_id: UUID, frame: str, body: bytes) -> tuple[UUID, UUID]:
    """Return the ids that a body sent in this minute has as a client's message, and the one of the minute before."""
    minute = int(time.time() / RESENT)
    return _message_id(session_id, frame, body, minute), _message_id(session_id, frame, body, minute - 1)


def _message_id(session_id: UUID, frame: str, body: bytes, minute: int) -> UUID:
    return UUID(bytes=hashlib.sha256(f"{session_id} {frame} {minute}\n".encode() + body).digest()[:16])


def _text(content: Sequence[UserMessageContent]) -> str:
    """Join the parts of a message; a tag is written as the reader typed it."""
    return "".join(part.text if part.type == "input_text" else f"@{part.text}" for part in content)
