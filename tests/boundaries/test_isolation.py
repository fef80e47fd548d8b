"""Who may see what: each route asked by its owner, another session, and with every kind of token that opens nothing.

With -s the whole table is printed.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest

from server.app import CitesideAPI, create_app
from server.service import open_service
from server.settings import Settings
from tests.boundaries.routes import ASKED, REQUESTS, Request, routes_of
from tests.postgres_fixtures import connection_to
from tests.server.http import Reader, in_process
from tests.server.passages import ingest
from tests.server.stand_ins import Scripted, answerers

pytestmark = pytest.mark.anyio

ASKING = ("own", "other", "no token", "garbage", "expired", "revoked")


@pytest.fixture(scope="module")
def everything(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with every route switched on, and an index to search."""
    return settings.model_copy(update={"chatkit": True, "mcp": True, "data_dir": tmp_path_factory.mktemp("isolated")})


@pytest.fixture(scope="module")
async def client(everything: Settings) -> AsyncIterator[httpx.AsyncClient]:
    await ingest(everything.data_dir)
    app = create_app(everything, opening=partial(open_service, answerers=answerers(Scripted())))
    async with in_process(app) as client:
        yield client


@dataclass
class Conversation:
    """A reader who asked once, with the ids of all that came of it."""

    reader: Reader
    ids: dict[str, str]

    @classmethod
    async def begin(cls, client: httpx.AsyncClient) -> "Conversation":
        reader = await Reader.arrive(client)
        answer = (await reader.request("POST", "/chat", **ASKED)).raise_for_status().json()
        listed = await reader.messages(answer["thread_id"])
        ids = {
            "session_id": str(reader.session),
            "thread_id": answer["thread_id"],
            "turn_id": answer["turn_id"],
            "user_message_id": listed[0]["id"],
            "message_id": answer["message"]["id"],
        }
        return cls(reader, ids)

    async def stored(self) -> Any:
        """Return all that is stored about the reader."""
        return (await self.reader.request("GET", "/sessions/me/export")).raise_for_status().json()


@pytest.fixture(scope="module")
async def shut(client: httpx.AsyncClient, database_url: str) -> dict[str, Conversation]:
    """Readers whose sessions expired and were revoked."""
    expired, revoked = await Conversation.begin(client), await Conversation.begin(client)
    async with connection_to(database_url) as connection:
        for change, gone in (
            ("last_seen_at = now() - interval '31 days'", expired),
            ("revoked_at = now()", revoked),
        ):
            await connection.execute(f"update sessions set {change} where id = $1", gone.reader.session)
    return {"expired": expired, "revoked": revoked}


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, dict[str, int]]]:
    """The statuses by request and by who asked; told with -s."""
    rows: dict[str, dict[str, int]] = {}
    yield rows
    print(f"\n{'':<58}" + "".join(f"{who:>10}" for who in ASKING))
    for name, row in rows.items():
        print(f"{name:<58}" + "".join(f"{row[who]:>10}" for who in ASKING))


def told(answer: httpx.Response) -> tuple[int, dict[str, str], Any]:
    """Return all of an answer but what differs with every one."""
    headers = {name: value for name, value in answer.headers.items() if name != "date" and not name.endswith("-id")}
    body = answer.text
    if "json" in headers.get("content-type", ""):
        body = answer.json()
        if isinstance(body, dict):
            body.pop("request_id", None)
    return answer.status_code, headers, body


def beside(id: str) -> str:
    """Return the id of nothing, which sorts where `id` does."""
    return id[:-1] + ("0" if id[-1] != "0" else "1")


def test_every_route_is_asked(everything: Settings) -> None:
    app = create_app(everything)
    assert isinstance(app, CitesideAPI)
    assert routes_of(app) == {(request.method, request.route) for request in REQUESTS}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.name)
async def test_a_route_is_open_to_its_owner_alone(
    request_: Request, client: httpx.AsyncClient, shut: dict[str, Conversation], table: dict[str, dict[str, int]]
) -> None:
    owner, stranger = await Conversation.begin(client), await Conversation.begin(client)

    async def asked(headers: dict[str, str], ids: dict[str, str]) -> httpx.Response:
        path, body = request_.filled(ids)
        return await client.request(request_.method, path, headers=headers | request_.headers, json=body)

    row = table.setdefault(request_.name, {})
    without_session = {
        "no token": ({}, owner),
        "garbage": ({"Authorization": "Bearer garbage"}, owner),
        "expired": (shut["expired"].reader.headers, shut["expired"]),
        "revoked": (shut["revoked"].reader.headers, shut["revoked"]),
    }
    before = await owner.stored()
    answers = {who: await asked(headers, of.ids) for who, (headers, of) in without_session.items()}
    row |= {who: answer.status_code for who, answer in answers.items()}
    if request_.kind == "operators":
        answers |= {"other": await asked(stranger.reader.headers, {}), "own": await asked(owner.reader.headers, {})}
        row |= {who: answer.status_code for who, answer in answers.items()}
        assert {(answer.status_code, answer.json()["code"]) for answer in answers.values()} == {(403, "metrics_off")}
        return
    if request_.kind == "public":
        assert {answer.is_success for answer in answers.values()} == {True}
    else:
        if request_.kind == "optional":
            assert answers.pop("no token").is_success
        assert {answer.json()["code"] for answer in answers.values()} == {"session_required"}
        assert all(told(answer) == told(answers["garbage"]) for answer in answers.values())

    of_nobody = await asked(stranger.reader.headers, {name: beside(value) for name, value in owner.ids.items()})
    of_another = await asked(stranger.reader.headers, owner.ids)
    row["other"] = of_another.status_code
    if request_.kind == "theirs":
        assert told(of_another) == told(of_nobody)
        assert of_another.status_code == request_.unknown
    else:
        assert of_another.is_success or of_another.status_code == 401  # it erased itself with the request before
        assert not [name for name, value in owner.ids.items() if value in of_another.text]
    assert await owner.stored() == before

    own = await asked(owner.reader.headers, owner.ids)
    row["own"] = own.status_code
    assert own.is_success, own.text
