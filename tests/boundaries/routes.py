"""Every route of the application with requests that work, for tests of whom they let in and what they tell."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import FastAPI

Kind = Literal["public", "optional", "own", "theirs", "operators"]


@dataclass(frozen=True)
class Request:
    """A request that a reader makes; names in braces stand for ids of a conversation of theirs.

    `public`: needs no session. `optional`: neither, but a token that is sent must open one. `own`: is about whoever
    asks. `theirs`: names something that belongs to a session, and that another session is told does not exist, with
    the `unknown` status. `operators`: is refused to every reader. `called` tells apart requests of one route.
    """

    method: str
    route: str
    kind: Kind
    body: dict[str, Any] | None = None
    query: str = ""
    unknown: int = 404
    called: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What a table calls it: the route, and what is told apart by the body or the query."""
        named = self.called or ", ".join(key for key, value in (self.body or {}).items() if _id(value))
        return f"{self.method} {self.route}{self.query} {named}".rstrip()

    def filled(self, ids: dict[str, str]) -> tuple[str, dict[str, Any] | None]:
        """Return path and body with the ids in place."""
        return (self.route + self.query).format(**ids), self.body and _filled(self.body, ids)


def _id(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{")


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, ids) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, ids) for part in value]
    return value.format(**ids) if _id(value) else value


ASKED = {"message": "How long does a session last?"}
INPUT = {"content": [{"type": "input_text", "text": "Why?"}], "attachments": [], "inference_options": {}}


def element(kind: str, /, **params: Any) -> Request:
    """Return a request of ChatKit's element; where it names nothing, it is about whoever asks."""
    names_something = "_id}" in str(params)
    return Request(
        "POST", "/chatkit", "theirs" if names_something else "own", {"type": kind, "params": params}, called=kind
    )


def tool(name: str, **arguments: Any) -> Request:
    """Return a call of a tool by a client of the Model Context Protocol."""
    params = {"name": name, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    accepted = {"Accept": "application/json, text/event-stream"}
    return Request("POST", "/mcp", "optional", body, called=name, headers=accepted)


REQUESTS = (
    Request("GET", "/openapi.json", "public"),
    Request("GET", "/config", "public"),
    Request("GET", "/healthz", "public"),
    Request("GET", "/readyz", "public"),
    Request("GET", "/metrics", "operators"),
    Request("POST", "/sessions", "public", {}),
    Request("GET", "/sessions/me/export", "own"),
    Request("DELETE", "/sessions/me", "own"),
    Request("POST", "/threads", "own", {}),
    Request("GET", "/threads", "own"),
    Request("GET", "/threads", "theirs", query="?after={thread_id}", unknown=200),
    Request("GET", "/threads/{thread_id}", "theirs"),
    Request("PATCH", "/threads/{thread_id}", "theirs", {"title": "Mine"}),
    Request("DELETE", "/threads/{thread_id}", "theirs"),
    Request("GET", "/threads/{thread_id}/messages", "theirs"),
    Request("POST", "/chat", "own", ASKED),
    Request("POST", "/chat", "theirs", ASKED | {"thread_id": "{thread_id}"}),
    Request("POST", "/chat", "theirs", ASKED | {"session_id": "{session_id}"}),
    Request("POST", "/chat/stream", "own", ASKED),
    Request("POST", "/chat/stream", "theirs", ASKED | {"thread_id": "{thread_id}"}),
    Request("POST", "/chat/stream", "theirs", ASKED | {"session_id": "{session_id}"}),
    Request("GET", "/turns/{turn_id}", "theirs"),
    Request("GET", "/turns/{turn_id}/stream", "theirs"),
    Request("POST", "/turns/{turn_id}/stop", "theirs"),
    Request("POST", "/turns/{turn_id}/retry", "theirs", {"attempt": 1}),
    Request("PUT", "/messages/{message_id}/feedback", "theirs", {"rating": "up"}),
    Request("GET", "/search", "own", query="?q=expiry"),
    element("threads.create", input=INPUT),
    element("threads.list", limit=20),
    element("threads.get_by_id", thread_id="{thread_id}"),
    element("threads.update", thread_id="{thread_id}", title="Mine"),
    element("threads.delete", thread_id="{thread_id}"),
    element("threads.add_user_message", thread_id="{thread_id}", input=INPUT),
    element("threads.retry_after_item", thread_id="{thread_id}", item_id="{user_message_id}"),
    element("items.list", thread_id="{thread_id}"),
    tool("search_docs", query="expiry"),
    tool("get_page", page="sessions"),
    tool("ask_docs", question="How long does a session last?"),
    element("items.feedback", thread_id="{thread_id}", item_ids=["{message_id}"], kind="positive"),
)


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Return method and path of every route."""

    def of(routes: Any) -> Iterator[tuple[str, str]]:
        for route in routes:
            inner = getattr(route, "original_router", None) or getattr(route, "app", None)
            if hasattr(route, "methods"):
                yield from ((method, route.path) for method in route.methods - {"HEAD"})
            elif inner is not None and hasattr(inner, "routes"):
                yield from of(inner.routes)
            else:
                raise AssertionError(f"{route!r} is a kind of route that no test knows")

    return set(of(app.routes))
