"""Readers and servers for tests: in this process where that is enough, on a loopback port where it is not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import uvicorn
from fastapi import FastAPI


class Event(NamedTuple):
    """One Server-Sent Event."""

    event: str
    id: str
    data: Any


@dataclass
class Reader:
    """A browser with a session."""

    client: httpx.AsyncClient
    session: UUID
    headers: dict[str, str]

    @classmethod
    async def arrive(cls, client: httpx.AsyncClient) -> "Reader":
        """Get a session."""
        given = (await client.post("/sessions")).raise_for_status().json()
        return cls(client, UUID(given["session_id"]), {"Authorization": f"Bearer {given['token']}"})

    async def request(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Send a request with the session's token, and with a JSON body when there is one."""
        return await self.client.request(method, path, headers=self.headers, json=body or None)

    async def stream(self, message: str, **body: Any) -> list[Event]:
        """Ask, and return all events."""
        response = await self.request("POST", "/chat/stream", message=message, **body)
        assert response.status_code == 200, response.text
        return parse(response.text)

    async def messages(self, thread_id: str) -> list[dict[str, Any]]:
        """Return the messages of a thread."""
        return (await self.request("GET", f"/threads/{thread_id}/messages")).raise_for_status().json()["data"]


def parse(text: str) -> list[Event]:
    """Read a whole event stream; comments are left out."""
    found = []
    for block in text.split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\r\n") if line and not line.startswith(":"))
        if fields:
            found.append(Event(fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


@asynccontextmanager
async def in_process(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application without a socket: each answer arrives when it is complete."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        yield client


@asynccontextmanager
async def on_a_port(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application in uvicorn on a free loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, timeout_graceful_shutdown=1)
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as client:
            while not server.started:
                await asyncio.sleep(0.01)
            yield client
        server.should_exit = True
        await serving
