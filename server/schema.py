"""Writes the JSON Schema of what clients read and send, from which the panel's TypeScript types are generated.

After a change of the wire: `python -m server.schema > website/plugin/src/client/schema.json`, then in website/plugin
`npx vitest run client.wire -u`.
"""

import json
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from persistence.threads import Page, Thread
from server.requests import ChatRequest
from server.wire import (
    ChatAnswer,
    Config,
    MessagePage,
    SearchAnswer,
    SessionGiven,
    StreamError,
    StreamEvent,
    TurnAccepted,
    TurnState,
)

Framed = Annotated[
    StreamEvent | StreamError,
    Field(discriminator="event", description="Everything a stream can say; `event` is the name of the frame."),
]

ANSWERS = (SessionGiven, Config, Page[Thread], MessagePage, ChatAnswer, TurnAccepted, TurnState, SearchAnswer)


class _Types(GenerateJsonSchema):
    """Says of types only what a type can say: a title would become a type of its own."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave a field without a title."""
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Count on every field of an answer, unless it says itself when it is left out: defaults are sent too."""
        if self.mode == "serialization":
            return "serialization_exclude_if" not in field
        return super().field_is_required(field, total)


def wire_schema() -> dict[str, Any]:
    """Return the schema of an object with one of each: every answer, an event of a stream, a request.

    What a request contains is named `Sent...`, for a page that is sent has fewer fields than a page that is shown.
    """
    _, answers = TypeAdapter.json_schemas(
        [(kind.__name__, "serialization", TypeAdapter(kind)) for kind in ANSWERS], schema_generator=_Types
    )
    event = TypeAdapter(Framed).json_schema(mode="serialization", schema_generator=_Types)
    request = TypeAdapter(ChatRequest).json_schema(schema_generator=_Types, ref_template="#/$defs/Sent{model}")
    sent = {f"Sent{name}": kind for name, kind in request.pop("$defs").items()}
    kinds = answers["$defs"] | event.pop("$defs") | sent | {"StreamEvent": event, "ChatRequest": request}
    return {
        "title": "Wire",
        "description": "Everything that crosses the wire.",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in kinds},
        "required": list(kinds),
        "additionalProperties": False,
        "$defs": kinds,
    }


if __name__ == "__main__":
    print(json.dumps(wire_schema(), indent=2, ensure_ascii=False))
