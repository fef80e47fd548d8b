"""What the checks of a deployment share: its address, a client, and the session and the turn that they make."""

import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from persistence.postgres import is_local
from server.doctor.machine import secrets_of
from server.settings import Settings

if TYPE_CHECKING:
    from server.doctor.watch import Watched

SECONDS = 20.0


@dataclass(slots=True)
class Deployment:
    """A server at `url`, asked as a page of `origin` would; `settings` are those of this machine."""

    url: str
    origin: str
    settings: Settings
    client: httpx.AsyncClient
    token: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    watched: "Watched | None" = None

    @property
    def secrets(self) -> Iterable[str]:
        """The settings' secrets and the token of the session that was made."""
        return [*secrets_of(self.settings), *([self.token] if self.token else [])]

    @property
    def is_here(self) -> bool:
        """Tell whether it is asked on this machine, without what stands before it elsewhere."""
        return is_local(urlsplit(self.url).hostname or "")

    @property
    def headers(self) -> dict[str, str]:
        """What a page of the origin sends with the session that was made."""
        origin = {"Origin": self.origin} if self.origin else {}
        return origin | ({"Authorization": f"Bearer {self.token}"} if self.token else {})


@asynccontextmanager
async def open_deployment(url: str, origin: str, settings: Settings) -> AsyncIterator[Deployment]:
    """Open a client for the server at `url`; nothing is sent yet. Loopback is asked without the environment's proxy."""
    here = is_local(urlsplit(url).hostname or "")
    authorities = ssl.create_default_context()  # the system's, as for Postgres
    async with httpx.AsyncClient(
        base_url=url, timeout=SECONDS, trust_env=not here, http2=True, verify=authorities
    ) as client:
        yield Deployment(url, origin, settings, client)


def said(response: httpx.Response) -> str:
    """Return the status of an answer, and the code of its problem when it is one of ours."""
    try:
        return f"{response.status_code} {response.json()['code']}"
    except (ValueError, KeyError, TypeError):
        server = response.headers.get("server", "")
        return f"{response.status_code}{f' from {server}' if server else ''}"


def is_ours(response: httpx.Response) -> bool:
    """Tell whether an error answer was written by Citeside, and not by something before it."""
    return response.headers.get("content-type", "").startswith("application/problem+json")
