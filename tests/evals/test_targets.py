"""How a server that is asked too often is waited for, and one that is none of ours refused."""

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from evals.targets import TargetAway, over_http, pause_of
from tests.server.http import on_a_port


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
