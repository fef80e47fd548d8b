"""What routes ask for: the service, and the session of whoever asks."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from persistence.sessions import Session
from server.problems import Problem
from server.service import Service

_bearer = HTTPBearer(auto_error=False, description="The token that POST /sessions gave.")


def _service(request: Request) -> Service:
    return request.app.state.service


ServiceDep = Annotated[Service, Depends(_service)]


async def _session(
    service: ServiceDep, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Session:
    session = await service.sessions.authenticate(bearer.credentials) if bearer else None
    if session is None:
        raise Unauthorized()
    return session


class Unauthorized(Problem):
    """No token, or one that is unknown, expired or revoked: which of them is nobody's business."""

    def __init__(self) -> None:
        super().__init__(401, "session_required", "Send the token of a session as Authorization: Bearer.")
        self.headers = {"WWW-Authenticate": "Bearer"}


SessionDep = Annotated[Session, Depends(_session)]
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]
