"""A page of a site that was not named gets nothing from any route, and has nothing done."""

from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest

from persistence.postgres import Database
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

OURS = "https://docs.example"
STRANGE = (
    "https://evil.example",
    "https://docs.example.evil",
    "https://docs.example:8443",
    "http://docs.example",
    "https://docs.example/",
    "HTTPS://DOCS.EXAMPLE",
    "null",
    "",
    "https://docs.example, https://evil.example",
)


def _routes() -> list[tuple[str, str]]:
    app = create_app(Settings(_env_file=None, chatkit=True))  # pyright: ignore[reportCallIssue]
    found = [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]
    assert len(found) > 20
    return sorted([*found, ("GET", "/openapi.json"), ("GET", "/nowhere")])


ROUTES = _routes()


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    app = create_app(settings.model_copy(update={"chatkit": True}), opening=opening)
    async with in_process(app) as client:
        yield client


def _filled(path: str) -> str:
    for name in ("thread_id", "turn_id", "message_id"):
        path = path.replace(f"{{{name}}}", "019abf3e-6c1d-7c4e-9a55-0b7a4e2d9d10")
    return path


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_route_answers_no_strange_page(client: httpx.AsyncClient, method: str, path: str) -> None:
    for origin in STRANGE:
        answer = await client.request(method, _filled(path), headers={"Origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "origin_refused"), origin
        assert "access-control-allow-origin" not in answer.headers
        preflight = {"Origin": origin, "Access-Control-Request-Method": method}
        assert (await client.options(_filled(path), headers=preflight)).status_code == 403


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_route_answers_our_pages_and_programs_that_name_none(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    ours = await client.request(method, _filled(path), headers={"Origin": OURS})
    none = await client.request(method, _filled(path))
    assert ours.status_code == none.status_code
    assert b"origin_refused" not in ours.content
    assert ours.headers["access-control-allow-origin"] == OURS  # of problems too, so that a page can read them
    assert "access-control-allow-origin" not in none.headers
    preflight = {"Origin": OURS, "Access-Control-Request-Method": method}
    allowed = await client.options(_filled(path), headers=preflight)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, OURS)


async def test_two_origins_are_as_bad_as_the_worse(client: httpx.AsyncClient) -> None:
    answer = await client.get("/config", headers=[("Origin", OURS), ("Origin", "https://evil.example")])
    assert answer.status_code == 403


async def test_a_strange_page_gets_no_session(client: httpx.AsyncClient, database: Database) -> None:
    before = await database.fetchval("select count(*) from sessions")
    await client.post("/sessions", json={}, headers={"Origin": "https://evil.example"})
    assert await database.fetchval("select count(*) from sessions") == before


async def test_no_page_may_send_the_admin_token(client: httpx.AsyncClient) -> None:
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "citeside-admin-token",
    }
    assert (await client.options("/chat", headers=asked)).status_code == 400
