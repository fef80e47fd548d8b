"""Says in the OpenAPI document what FastAPI cannot know: which problems a route answers with, and their shape."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

PROBLEM = "application/problem+json"

Responses = dict[int | str, dict[str, Any]]


class InvalidField(BaseModel):
    """A field that does not validate, and why; never what it held."""

    loc: tuple[str | int, ...]
    code: str
    detail: str


class ProblemDetails(BaseModel):
    """An error (RFC 9457): `code` is for programs and never changes, `detail` is for people."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    retry_after: int | None = Field(default=None, description="Seconds after which to ask again, as in Retry-After.")
    turn_id: UUID | None = Field(default=None, description="The turn that failed, or that still runs.")
    errors: tuple[InvalidField, ...] | None = Field(default=None, description="With 422: the fields and why.")


def problems(*statuses: int) -> Responses:
    """Return what a route says of the problems that are its own; those of all routes are added by `with_problems`."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Add to FastAPI's document the problems that follow from what a request carries, in place of its own 422."""
    for operations in document["paths"].values():
        for operation in operations.values():
            general = {str(status): told for status, told in problems(*_general(operation)).items()}
            answers = operation["responses"]
            answers.pop("422", None)
            operation["responses"] = dict(sorted((answers | general).items()))
    schemas = document["components"]["schemas"]
    for framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework, None)
    own = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] = dict(sorted((schemas | own.pop("$defs") | {"Problem": own}).items()))
    return document


def _general(operation: dict[str, Any]) -> set[int]:
    statuses = {403, 500}  # the wrong origin is refused everywhere
    if "security" in operation:
        statuses |= {401, 503}  # whoever is asked for a token is looked up in the store
    if "parameters" in operation:
        statuses |= {422}
    if "requestBody" in operation:
        statuses |= {400, 413, 415, 422}
    return statuses
