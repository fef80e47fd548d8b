"""Writes one JSON object a line: ids, counts, codes, milliseconds; never words of a reader, a page or a model."""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.errors import CitesideError
from persistence.ids import new_id

if TYPE_CHECKING:
    from server.metrics import Meters

_OWN = ("server", "persistence", "graph", "evals")
_PLAIN_SPOKEN = (*_OWN, "uvicorn")
"""Loggers whose messages are known to hold no words of a reader, at least in their first line."""
_ROOT = str(Path(__file__).parents[1])
_TRACE = (b"traceparent", b"tracestate")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class Request:
    """The request that is being answered, for whoever writes or counts something on its behalf."""

    id: str
    trace: Mapping[str, str]
    """The W3C headers of the trace it belongs to."""
    problem: str | None = None
    """The code of the problem it was answered with."""


REQUEST: ContextVar[Request | None] = ContextVar("citeside_request", default=None)
"""The request at hand; a turn that it began keeps it to its end."""

TURN_ID: ContextVar[UUID | None] = ContextVar("citeside_turn_id", default=None)
"""The turn whose graph is running."""


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger whose keyword arguments become members of the line: `log.info("turn ended", turn_id=id)`."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Move what logging does not know into the record's `fields`."""
        exc_info = kwargs.pop("exc_info", None)
        return msg, {"exc_info": exc_info, "extra": {"fields": dict(kwargs)}}


def log_for(module: str) -> Log:
    """Return the log of a module."""
    return Log(logging.getLogger(module))


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON.

    Of an exception only its type and where it was raised are written: messages of drivers and parsers quote the
    values they choke on. Our own errors explain themselves without them, so their message is kept. Of what a library
    says only the template is: what it fills in, or put together itself, may be a request's body (openai), a trace
    (langsmith) or the exception of a task (asyncio).
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _said(record),
        }
        if request := REQUEST.get():
            line["request_id"] = request.id
        if turn_id := TURN_ID.get():
            line["turn_id"] = turn_id
        line |= getattr(record, "fields", {})
        if not _is_of(record, _PLAIN_SPOKEN):
            line["by"] = f"{record.module}:{record.lineno} {record.funcName}"
        if record.exc_info and (error := record.exc_info[1]):
            line["error"] = " < ".join(type(link).__qualname__ for link in _chain(error))
            line["at"] = [
                f"{frame.f_code.co_filename.removeprefix(_ROOT).lstrip('/')}:{number} {frame.f_code.co_name}"
                for frame, number in walk_tb(error.__traceback__)
            ][-6:]
            if isinstance(error, CitesideError):
                line["detail"] = str(error)
        return json.dumps(line, default=str, ensure_ascii=False)


def _is_of(record: logging.LogRecord, names: Sequence[str]) -> bool:
    return record.name.partition(".")[0] in names


def _said(record: logging.LogRecord) -> str:
    if _is_of(record, _PLAIN_SPOKEN):
        return record.getMessage().partition("\n")[0]  # uvicorn writes the stack trace of a start that failed
    return str(record.msg) if record.args and isinstance(record.msg, str) else "withheld"


def _is_wanted(record: logging.LogRecord) -> bool:
    """Tell whether a record is ours, or a warning: a library's own switch (OPENAI_LOG=debug) turns on no more."""
    return record.levelno >= logging.WARNING or _is_of(record, _OWN)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def configure_logs() -> None:
    """Send all logging to stderr as JSON lines: ours from INFO on, the libraries' from WARNING on.

    What Python would print by itself goes there too, for it prints messages of exceptions.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(_is_wanted)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _OWN:
        logging.getLogger(name).setLevel(logging.INFO)
    log = log_for(__name__)
    sys.excepthook = lambda kind, error, _: log.error("program failed", exc_info=error)
    sys.unraisablehook = lambda what: log.error("error ignored", exc_info=what.exc_value)
    threading.excepthook = lambda what: log.error("thread failed", exc_info=what.exc_value)


class RequestLog:
    """Gives each request an id, counts it and writes one line for it, in place of uvicorn's access log; exceptions are
    kept from uvicorn's.

    The route's template is written, not the path: ids of readers and their search words stand in paths and queries.
    An exception was answered further in; uvicorn would only print its message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = log_for(__name__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and write its line when its answer is complete."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        meters: Meters = scope["app"].state.service.meters
        began = time.perf_counter()
        request = _request(scope)
        fields: dict[str, Any] = {"method": scope["method"]}
        answered_after, streams = 0.0, False

        async def noting(message: Message) -> None:
            nonlocal answered_after, streams
            if message["type"] == "http.response.start":
                answered_after = time.perf_counter() - began
                fields["status"] = message["status"]
                headers = dict(message["headers"])
                if streams := headers.get(b"content-type", b"").startswith(b"text/event-stream"):
                    meters.streams.inc()
                if turn_id := headers.get(b"citeside-turn-id"):
                    fields["turn_id"] = turn_id.decode()
                message["headers"] = [*message["headers"], (b"x-request-id", request.id.encode())]
            await send(message)

        failed = None
        here = REQUEST.set(request)
        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            failed = error
        took = time.perf_counter() - began
        if streams:
            meters.streams.dec()
        fields["route"] = getattr(scope.get("route"), "path", None)
        meters.answered(
            fields["method"], fields["route"], fields.get("status"), answered_after or took, request.problem
        )
        if request.problem:
            fields["code"] = request.problem
        fields["ms"] = round(took * 1e3, 1)
        self.log.log(logging.ERROR if failed else logging.INFO, "request", exc_info=failed, **fields)
        REQUEST.reset(here)


def _request(scope: Scope) -> Request:
    """Return the request under the id that a proxy gave it, if it looks like one, else under a new one."""
    request_id, trace = None, {}
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name in _TRACE:
            trace[name.decode()] = value.decode("latin-1")
    return Request(request_id or new_id().hex, trace)
