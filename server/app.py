"""The ASGI application: routes inside, and around them what every answer passes through."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graph.errors import ConfigurationError
from server.document import with_problems
from server.logs import RequestLog
from server.problems import Problem, answer_with_problems, respond
from server.requests import BODY_LIMIT
from server.routes import chat, feedback, meta, search, sessions, threads, turns
from server.service import Service, open_service
from server.settings import Settings, load_settings

Opening = Callable[[Settings], AbstractAsyncContextManager[Service]]


def create_app(settings: Settings | None = None, *, opening: Opening = open_service) -> FastAPI:
    """Return the application; its lifespan opens the service, with the environment's settings when none are given."""
    settings = settings or load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening(settings) as service, AsyncExitStack() as stack:
            app.state.service = service
            if mcp:
                app.state.mcp = await stack.enter_async_context(mcp.open_mcp(service))
            _settle()
            yield

    chatkit = _optional("chatkit", "openai-chatkit") if settings.chatkit else None
    mcp = _optional("mcp", "mcp") if settings.mcp else None
    app = CitesideAPI(
        settings.cors_origins,
        ("chatkit-frame-instance-id",) if chatkit else (),
        title="Citeside",
        version=version("citeside"),
        lifespan=lifespan,
        redirect_slashes=False,
        # FastAPI's own would export readers' search words, with the queries of their requests.
        telemetry={"tracing": False, "metrics": False, "auto_configure": False},
        docs_url=None,
        redoc_url=None,
    )
    answer_with_problems(app)
    for routes in (meta, sessions, threads, chat, turns, feedback, search):
        app.include_router(routes.router)
    for optional in filter(None, (chatkit, mcp)):
        app.include_router(optional.router)
    return app


def _optional(name: str, package: str) -> Any:
    """Load the routes of an extra, which take a quarter of a second and some megabytes, for those who want them.

    Raises ConfigurationError when the extra is not installed.
    """
    try:
        return import_module(f"server.routes.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ConfigurationError(
            f"CITESIDE_{name.upper()} is on, but the package {package} is not installed: install citeside[{name}], or "
            "turn the setting off"
        ) from None


@cache
def _settle() -> None:
    """Keep the garbage collector from what lives as long as the process, and from looking after every few objects.

    Else it takes a tenth of the processor's time (1.5 of 15 ms a turn): a turn makes thousands of objects, and next to
    none of them in cycles. A start leaves no garbage (10 of 160,000 objects), so none is looked for first. Done once:
    an application that is opened later in the same process is garbage when it has ended.
    """
    gc.freeze()
    gc.set_threshold(10_000)


class CitesideAPI(FastAPI):
    """FastAPI with CORS around all of it: its own outermost layer answers what nobody foresaw, and a browser could
    not read that answer if CORS stood further in, where `add_middleware` puts it."""

    def __init__(self, origins: tuple[str, ...], headers: tuple[str, ...], **options: object) -> None:
        super().__init__(**options)  # pyright: ignore[reportArgumentType]
        self.origins = origins
        self.headers = headers

    def openapi(self) -> dict[str, Any]:
        """Return the document of the contract, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = with_problems(super().openapi())
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Return the request log around CORS around the rules for bodies around FastAPI's own stack.

        Whoever comes from an origin that is not ours is turned away before all that: no header could let them read why.
        """
        cors = CORSMiddleware(
            JsonBodies(super().build_middleware_stack()),
            allow_origins=self.origins,
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("authorization", "content-type", "last-event-id", *self.headers),
            expose_headers=("Retry-After", "Citeside-Turn-Id", "X-Request-Id"),
            max_age=7200,
        )
        return RequestLog(KnownOrigins(cors, self.origins))


class KnownOrigins:
    """Refuses requests of pages that are not ours: browsers name the page's origin, and other programs name none.

    CORS alone would keep a strange page from reading the answer, and have the question asked all the same.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self.app = app
        self.origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when it names no origin, or one of ours."""
        if scope["type"] == "http" and not self.origins.issuperset(Headers(scope=scope).getlist("origin")):
            await respond(_strange_origin())(scope, receive, send)
            return
        await self.app(scope, receive, send)


def _strange_origin() -> Problem:
    return Problem(
        403, "origin_refused", "Pages of this origin may not ask; CITESIDE_CORS_ORIGINS lists those that may."
    )


class JsonBodies:
    """Refuses bodies that are too large, or announce themselves as something else than JSON.

    FastAPI's own `max_body_size` answers in plain text, and puts three layers around every piece of an answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong with its body."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if problem := _refusal(headers):
                await respond(problem)(scope, receive, send)
                return
            if "transfer-encoding" in headers:
                receive = _limited(receive)
        await self.app(scope, receive, send)


def _refusal(headers: Headers) -> Problem | None:
    length = int(headers.get("content-length", "0"))
    if length > BODY_LIMIT:
        return _too_large()
    has_body = length > 0 or "transfer-encoding" in headers
    if has_body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return Problem(415, "not_json", "The body must be sent as application/json.")
    return None


def _limited(receive: Receive) -> Receive:
    """Count a body that does not announce its size while it comes; whoever reads too much of it gets a Problem."""
    length = 0

    async def counted() -> Message:
        nonlocal length
        message = await receive()
        length += len(message.get("body", b""))
        if length > BODY_LIMIT:
            raise _too_large()
        return message

    return counted


def _too_large() -> Problem:
    return Problem(413, "body_too_large", "The body is larger than 256 KiB.")
