"""Says over HTTP what went wrong: RFC 9457 problem details with a stable `code`, and never a word of the input."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from graph.errors import CitesideError
from server.document import PROBLEM
from server.logs import REQUEST, log_for

log = log_for(__name__)

# What a reader may know of a failure; what the operator needs (addresses, seconds) goes to the log.
FAILURES = {
    "model_unavailable": "The language model cannot be reached. Try again in a moment.",
    "model_failed": "The language model broke off. What it had written is kept; try again.",
    "truncated": "The language model stopped, perhaps before the end. What it had written is kept; try again.",
    "filtered": "A content filter stopped the answer. What was written is kept; try other words.",
    "index_unavailable": "The documentation cannot be searched. Try again in a moment.",
    "index_missing": "The documentation has not been indexed yet.",
    "store_unavailable": "Conversations cannot be read or saved. Try again in a moment.",
    "overloaded": "Too many questions came at once. Try again in a moment.",
    "timeout": "The answer took too long. What was written is kept; try again.",
    "interrupted": "The server stopped while it answered. What was written is kept; try again.",
    "internal": "Something went wrong on the server.",
}
RETRY_AFTER = 5  # seconds; for what mends itself
_CODES = {400: "invalid_json", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
_DETAILS = {
    400: "The body is not JSON that can be read.",
    404: "There is nothing here.",
    405: "This method is not allowed here.",
    413: "The body is larger than 256 KiB.",
}


class Problem(HTTPException):
    """An error answer: its status, a code for programs, a sentence for people, further members beside them."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after: int | None = None, **members: Any) -> None:
        headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
        super().__init__(status, detail, headers)
        self.code = code
        self.members = members if retry_after is None else {"retry_after": retry_after, **members}


class Unauthorized(Problem):
    """No token, or one that is unknown, expired or revoked: which of them is nobody's business."""

    def __init__(self) -> None:
        super().__init__(401, "session_required", "Send the token of a session as Authorization: Bearer.")
        self.headers = {"WWW-Authenticate": "Bearer"}


def failure(code: str, **members: Any) -> Problem:
    """Return the 503 of a failure in `FAILURES`, with when to come back."""
    return Problem(503, code, FAILURES[code], retry_after=RETRY_AFTER, **members)


def not_found(what: str) -> Problem:
    """Return the one 404 for what does not exist and for what belongs to somebody else."""
    return Problem(404, f"{what}_unknown", f"There is no such {what}.")


def problem_body(problem: Problem) -> dict[str, Any]:
    """Return what is told of a problem, with the id of the request it answers."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status_code).phrase,
        "status": problem.status_code,
        "code": problem.code,
        "detail": problem.detail,
        **problem.members,
    }
    if request := REQUEST.get():
        request.problem = problem.code
        body["request_id"] = request.id
    return body


def respond(problem: Problem) -> JSONResponse:
    """Render a problem as `application/problem+json`."""
    return JSONResponse(problem_body(problem), problem.status_code, problem.headers, media_type=PROBLEM)


def answer_with_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem: ours, the framework's, and those nobody foresaw."""

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error, Problem):
            return respond(error)
        status = error.status_code
        problem = Problem(status, _CODES.get(status, "http_error"), _DETAILS.get(status, HTTPStatus(status).phrase))
        problem.headers = error.headers
        return respond(problem)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return respond(invalid(error.errors()))

    @app.exception_handler(CitesideError)
    async def _failed(_: Request, error: CitesideError) -> JSONResponse:
        log.error("request failed", code=error.code, exc_info=error)
        return respond(failure(error.code if error.code in FAILURES else "internal"))

    @app.exception_handler(Exception)
    async def _unforeseen(_: Request, __: Exception) -> JSONResponse:
        return respond(Problem(500, "internal", FAILURES["internal"]))


# Errors that speak for the whole request: the panel acts on them.
_TELLING = ("selection_blank", "selection_missing")


def invalid(errors: Sequence[Any]) -> Problem:
    """Return the problem of a request that does not validate: which fields and why, without what they held.

    Pydantic puts input into `input`, into the location of an unknown field and into messages that explain a parser's
    complaint or an unknown tag (those with `error` or `tag` in their context); all of it is left out.
    """
    types = [error["type"] for error in errors]
    if "json_invalid" in types:
        return Problem(400, _CODES[400], _DETAILS[400])
    found = []
    for error in errors:
        loc = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
        detail = "This value cannot be read." if {"error", "tag"} & error.get("ctx", {}).keys() else error["msg"]
        found.append({"loc": loc, "code": error["type"], "detail": detail})
    code = next((telling for telling in _TELLING if telling in types), "invalid_request")
    detail = next((error["detail"] for error in found if error["code"] == code), "The request does not validate.")
    return Problem(422, code, detail, errors=found)
