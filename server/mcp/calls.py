"""Answers the protocol's requests: lists the tools and calls them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

import anyio
from mcp.server import Server, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError

from graph.errors import CitesideError
from graph.events import Delta, Status
from graph.types import Scope
from persistence.limits import Limited
from persistence.turns import Joined, Started
from server.limits import Asker, refusal
from server.logs import log_for
from server.mcp.tools import INSTRUCTIONS, AskDocs, DocsAnswer, FoundPassages, GetPage, PageText, SearchDocs
from server.problems import FAILURES, Problem, Unauthorized, failure, invalid, not_found, problem_body
from server.requests import ChatRequest
from server.service import Service
from server.wire import End, MessageGiven

log = log_for(__name__)

Told = FoundPassages | PageText | DocsAnswer


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's call: by whom, with the token of a session or without, and whom to tell how far it is."""

    service: Service
    asker: Asker
    report: Callable[[float, float | None, str | None], Awaitable[None]]

    async def search(self, sent: SearchDocs) -> FoundPassages:
        """Search as `GET /search` does."""
        scope = Scope(version=sent.version, locale=sent.locale)
        try:
            return FoundPassages.of(await self.service.search(self.asker, sent.query, scope, sent.limit))
        except Limited as limited:
            raise refusal(limited) from None

    async def read(self, sent: GetPage) -> PageText:
        """Read a page from the index. Raises Problem when there is none at the address."""
        passages = await self.service.index.page(sent.page)
        if not passages:
            raise not_found("page")
        return PageText.of(passages)

    async def ask(self, sent: AskDocs) -> DocsAnswer:
        """Ask as `POST /chat` does, and say while the answer comes how many code points of it there are."""
        async with self._asking(sent.request) as turn:
            message = end = None
            length = 0
            async with aclosing(self.service.engine.follow(turn.session_id, turn.turn_id)) as events:
                async for told in events:
                    match told.event if told else None:
                        case Status(status=step):
                            await self.report(length, None, step)
                        case Delta(text=text):
                            length += len(text)
                            await self.report(length, None, None)
                        case MessageGiven() as message:
                            pass
                        case End() as end:
                            pass
                        case _:
                            pass
        assert message and end, "a stream ends in message and end"
        if not message.content:
            raise failure(end.code or "interrupted")
        return DocsAnswer.of(message, end.status)

    @asynccontextmanager
    async def _asking(self, asked: ChatRequest) -> AsyncIterator[Started | Joined]:
        """Start a turn in the client's session; else in one that is erased with all it holds when the call ends."""
        if self.asker.token:
            yield await self.service.engine.start(self.asker, asked)
            return
        if self.service.verify and not self.asker.unlimited:
            raise Unauthorized()  # else the tools would be a way around the check
        try:
            session, token = await self.service.sessions.create(charges=self.service.tariff.session(self.asker))
        except Limited as limited:
            raise refusal(limited) from None
        try:
            yield await self.service.engine.start(self.asker._replace(token=token), asked)
        finally:
            with anyio.CancelScope(shield=True):  # the turn may still run, when the client has left
                await self.service.sessions.erase(session.id)


class Offered(NamedTuple):
    """A tool: what it takes and gives, and how it is called."""

    title: str
    takes: type[BaseModel]
    gives: type[BaseModel]
    call: Callable[[Call, Any], Awaitable[Told]]


TOOLS = {
    "search_docs": Offered("Search the documentation", SearchDocs, FoundPassages, Call.search),
    "get_page": Offered("Read a page", GetPage, PageText, Call.read),
    "ask_docs": Offered("Ask the documentation", AskDocs, DocsAnswer, Call.ask),
}


def _tool(name: str, offered: Offered) -> Tool:
    return Tool(
        name=name,
        title=offered.title,
        description=" ".join((offered.takes.__doc__ or "").split()),
        input_schema=offered.takes.model_json_schema(),
        output_schema=offered.gives.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
    )


def mcp_server(service: Service) -> Server[Any]:
    """Return the server of the protocol, which keeps nothing between two requests."""
    listed = ListToolsResult(tools=[_tool(name, offered) for name, offered in TOOLS.items()])

    async def list_tools(_: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return listed

    async def call_tool(context: ServerRequestContext[Any], sent: CallToolRequestParams) -> CallToolResult:
        if (offered := TOOLS.get(sent.name)) is None:
            raise MCPError(code=INVALID_PARAMS, message=f"There is no such tool; there are {', '.join(TOOLS)}.")
        assert context.request, "over HTTP there is one"
        call = Call(service, context.request.state.asker, context.session.report_progress)
        try:
            told = await offered.call(call, offered.takes.model_validate(sent.arguments or {}))
        except Exception as error:
            return _refused(_problem(error))
        return CallToolResult(content=[TextContent(text=told.text)], structured_content=told.model_dump(mode="json"))

    return Server(
        "citeside",
        version=version("citeside"),
        title="Citeside",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _problem(error: Exception) -> Problem:
    """Return what a client is told of an error: the problem that the HTTP API answers with."""
    match error:
        case Problem():
            return error
        case ValidationError():
            return invalid(error.errors())
        case CitesideError():
            log.error("tool failed", code=error.code, exc_info=error)
            return failure(error.code if error.code in FAILURES else "internal")
        case _:
            log.error("tool failed", code="internal", exc_info=error)
            return Problem(500, "internal", FAILURES["internal"])


def _refused(problem: Problem) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=json.dumps(problem_body(problem)))], is_error=True)
