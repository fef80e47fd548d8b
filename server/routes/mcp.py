"""Serves the Model Context Protocol at `/mcp`: streamable HTTP, every request for itself, whichever worker gets it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Request, Response
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.types import Receive, Scope, Send

from server.mcp.calls import mcp_server
from server.problems import Unauthorized
from server.requests import BODY_LIMIT
from server.routes.deps import BearerDep, ServiceDep, asker_of
from server.service import Service

router = APIRouter(tags=["mcp"])


@asynccontextmanager
async def open_mcp(service: Service) -> AsyncIterator[StreamableHTTPSessionManager]:
    """Give what answers the protocol's requests. Calls that still run are cancelled at the end."""
    manager = StreamableHTTPSessionManager(mcp_server(service), stateless=True, max_request_body_size=BODY_LIMIT)
    async with manager.run():
        yield manager


class _Handed(Response):
    """An answer that the protocol's own SDK makes of the request."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        super().__init__()
        self.manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on."""
        await self.manager.handle_request(scope, receive, send)


# Its contract is the protocol's, so that it stands in no schema of ours.
@router.post("/mcp", include_in_schema=False)
async def mcp(request: Request, service: ServiceDep, bearer: BearerDep) -> Response:
    """Answer a request of a client, in its session when it sends a token."""
    if "authorization" in request.headers and (bearer is None or not await service.sessions.authenticate(bearer)):
        raise Unauthorized()
    request.state.asker = asker_of(request, service, bearer or "")
    return _Handed(request.app.state.mcp)
