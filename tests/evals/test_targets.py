"""How a server that is asked too often is waited for, and one that stops or is none of ours refused."""

import asyncio
import time
from functools import partial

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from evals.targets import TargetAway, in_process, over_http, pause_of
from server import turns
from server.app import create_app
from server.requests import ChatRequest
from server.service import open_service
from server.settings import Settings
from tests.server.http import on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers
from tests.unlimited import NO_LIMITS


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), ("0", 0.0), (None, 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-5", 1.0)]
)
def test_a_pause_is_what_the_server_says_or_a_second(told: str | None, seconds: float) -> None:
    headers = {} if told is None else {"Retry-After": told}
    assert pause_of(httpx.Response(429, headers=headers)) == seconds


@pytest.mark.anyio
async def test_a_page_that_answers_in_the_servers_place_is_told() -> None:
    app = FastAPI()
    app.add_api_route("/{path:path}", lambda: HTMLResponse("<p>Welcome"), methods=["GET", "POST"])
    async with on_a_port(app) as client:
        with pytest.raises(TargetAway, match="does not answer as a server of this version"):
            async with over_http(str(client.base_url)):
                pass


class Busy:
    """An application that has the first question asked again after a second."""

    def __init__(self, app: FastAPI) -> None:
        self.app: ASGIApp = app
        self.refused = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the first question, and pass all else on."""
        app = self.app
        if scope["type"] == "http" and scope["path"] == "/chat/stream" and not self.refused:
            self.refused, app = True, JSONResponse({}, 429, {"Retry-After": "1"})
        await app(scope, receive, send)


@pytest.mark.anyio
async def test_the_pause_that_a_server_asks_for_is_no_time_of_its_answer(served: Settings) -> None:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    busy = Busy(create_app(served.model_copy(update=NO_LIMITS), opening=opening))
    async with on_a_port(busy) as client, over_http(str(client.base_url)) as target:  # pyright: ignore[reportArgumentType]
        began = time.perf_counter()
        told = await target.ask(ChatRequest(message="How long does a session last?"))
        assert busy.refused and told.end.status == "completed"
        assert time.perf_counter() - began - told.total_s >= 1


@pytest.mark.anyio
async def test_a_turn_that_a_stopping_server_ends_is_no_answer_to_be_scored(
    served: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "DRAIN", 0.05)
    model = Scripted()
    model.may_go_on.clear()
    own = served.model_copy(update=NO_LIMITS)
    async with in_process(own, answerers=answerers(model), worsen=lambda index: KnownPassages()) as target:
        asking = asyncio.create_task(target.ask(ChatRequest(message="How long does a session last?")))
        while not model.seen:
            await asyncio.sleep(0.01)
    with pytest.raises(TargetAway, match="a turn was interrupted: the server was stopped"):
        await asking
