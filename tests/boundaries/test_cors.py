"""Which site may read which answer: every route, from every kind of origin, asked and asked whether it may be asked.

A page of a site that was named reads everything, errors too; any other page is refused, has nothing done, and gets no
header that would let it read. Programs name no origin and are answered.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest

from persistence.postgres import Database
from server.app import create_app
from server.problems import Problem, failure
from server.service import Service, open_service
from server.settings import Settings
from tests.boundaries.routes import ASKED, REQUESTS
from tests.server.http import in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

SITE = "https://docs.example"
ORIGINS: dict[str, str | None] = {
    "allowed": SITE,
    "other": "https://evil.example",
    "longer": f"{SITE}.evil.example",
    "other scheme": "http://docs.example",
    "other port": f"{SITE}:8443",
    "a path": f"{SITE}/",
    "upper case": SITE.upper(),
    "two in one": f"{SITE}, https://evil.example",
    "null": "null",
    "empty": "",
    "absent": None,
}
ROUTES = sorted({("GET", "/nowhere"), *((request.method, request.route) for request in REQUESTS)})
ASKS = {"authorization", "content-type", "last-event-id"}


@pytest.fixture(scope="module")
async def service_and_client(settings: Settings) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    app = create_app(settings.model_copy(update={"chatkit": True, "mcp": True}), opening=opening)
    async with in_process(app) as client:
        yield app.state.service, client


@pytest.fixture
def client(service_and_client: tuple[Service, httpx.AsyncClient]) -> httpx.AsyncClient:
    return service_and_client[1]


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return (await client.post("/sessions")).json()["token"]


def named(origin: str | None) -> dict[str, str]:
    return {} if origin is None else {"Origin": origin}


def check(answer: httpx.Response, origin: str | None) -> None:
    """Assert that the answer can be read by a page of `origin` when that is the site, and by no other."""
    granted = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
    if origin == SITE:
        assert granted.pop("access-control-allow-origin") == SITE
        assert "origin" in answer.headers["vary"].lower()
    else:
        assert "access-control-allow-origin" not in granted
    assert "access-control-allow-credentials" not in granted


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_a_request_is_answered_for_the_site_alone(
    client: httpx.AsyncClient, method: str, route: str, origin: str | None
) -> None:
    answer = await client.request(method, route, headers=named(origin), json={} if method == "POST" else None)
    check(answer, origin)
    assert (answer.status_code == 403 and b"origin_refused" in answer.content) == (origin not in (SITE, None))
    if origin == SITE:
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert {"retry-after", "citeside-turn-id"} <= exposed


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_a_preflight_lets_the_site_alone_ask(
    client: httpx.AsyncClient, method: str, route: str, origin: str | None
) -> None:
    asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": ", ".join(sorted(ASKS))}
    answer = await client.options(route, headers=asks | named(origin))
    check(answer, origin)
    if origin == SITE:
        assert answer.status_code == 200
        assert method in answer.headers["access-control-allow-methods"]
        assert {name.strip() for name in answer.headers["access-control-allow-headers"].lower().split(",")} >= ASKS
    elif origin is None:
        assert answer.status_code >= 400
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize("header", ["x-anything", "cookie", "chatkit-frame", "citeside-admin-token"])
async def test_a_preflight_refuses_headers_that_no_client_of_ours_sends(client: httpx.AsyncClient, header: str) -> None:
    asks = {"Origin": SITE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": header}
    assert (await client.options("/chat/stream", headers=asks)).status_code == 400


async def test_two_origins_are_as_bad_as_the_worse(client: httpx.AsyncClient) -> None:
    answer = await client.get("/config", headers=[("Origin", SITE), ("Origin", "https://evil.example")])
    assert answer.status_code == 403


async def test_a_strange_page_gets_no_session(client: httpx.AsyncClient, database: Database) -> None:
    before = await database.fetchval("select count(*) from sessions")
    await client.post("/sessions", json={}, headers={"Origin": "https://evil.example"})
    assert await database.fetchval("select count(*) from sessions") == before


TOO_MUCH = b'{"message": "' + b"x" * 300_000 + b'"}'
JSON = {"Content-Type": "application/json"}
ERRORS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "400 bad_last_event_id": ("GET", "/turns/{id}/stream", {"headers": {"Last-Event-ID": "x"}}),
    "400 invalid_json": ("POST", "/chat", {"content": b"{", "headers": JSON}),
    "401 session_required": ("GET", "/threads", {"headers": {"Authorization": "Bearer garbage"}}),
    "404 not_found": ("GET", "/nothing", {}),
    "404 thread_unknown": ("GET", "/threads/{id}", {}),
    "405 method_not_allowed": ("PUT", "/chat", {"json": {}}),
    "413 body_too_large": ("POST", "/chat/stream", {"content": TOO_MUCH, "headers": JSON}),
    "415 not_json": ("POST", "/chat/stream", {"content": b"message", "headers": {"Content-Type": "text/plain"}}),
    "422 invalid_request": ("POST", "/chat", {"json": {}}),
    "422 selection_blank": ("POST", "/chat", {"json": ASKED | {"selected_text": " "}}),
}


def error(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return f"{answer.status_code} {answer.json()['code']}"


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
@pytest.mark.parametrize("told", ERRORS)
async def test_what_went_wrong_is_told_to_the_site_alone(
    client: httpx.AsyncClient, token: str, told: str, origin: str | None
) -> None:
    method, path, sent = ERRORS[told]
    headers = {"Authorization": f"Bearer {token}"} | sent.get("headers", {}) | named(origin)
    path = path.format(id="0192f0c1-0000-7000-8000-000000000000")
    answer = await client.request(method, path, **(sent | {"headers": headers}))
    check(answer, origin)
    if origin in (SITE, None):
        assert error(answer) == told


FAULTS = {
    "429 too_many_turns": Problem(429, "too_many_turns", "Too many.", retry_after=7),
    "500 internal": RuntimeError("nobody foresaw this"),
    "503 overloaded": failure("overloaded"),
}


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
@pytest.mark.parametrize("told", FAULTS)
async def test_what_the_server_cannot_do_is_told_to_the_site_alone(
    service_and_client: tuple[Service, httpx.AsyncClient],
    token: str,
    told: str,
    origin: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service, client = service_and_client

    async def fails(*_: object, **__: object) -> None:
        raise FAULTS[told]

    monkeypatch.setattr(type(service.engine), "start", fails)
    headers = {"Authorization": f"Bearer {token}"} | named(origin)
    answer = await client.post("/chat/stream", headers=headers, json=ASKED)
    check(answer, origin)
    if origin in (SITE, None):
        assert error(answer) == told
        assert told.startswith("500") or answer.headers["retry-after"] == str(answer.json()["retry_after"])
