"""Where a hook decides who gets a session, nobody gets one who was not checked, least of all when the check fails."""

import importlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Form

from graph.errors import ConfigurationError
from server.app import create_app
from server.proofs import open_verify
from server.service import open_service
from server.settings import Settings
from tests.server.http import in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

SECRET = "secret"


@asynccontextmanager
async def serving(settings: Settings, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(settings.model_copy(update=changed), opening=opening)) as client:
        yield client


HOOKS = """
async def knows(proof, address):
    if proof == "broken":
        raise RuntimeError(proof)
    return proof == f"I am at {address}"

async def nods(proof, address):
    return 1

def blocks(proof, address):
    return True

a_text = "no function"
"""


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_hooks.py").write_text(HOOKS)
    (tmp_path / "broken_hooks.py").write_text("import broken")
    (tmp_path / "outdated_hooks.py").write_text("import json\njson.no_such_function")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("our_hooks", "broken_hooks", "outdated_hooks"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("hooks")
async def test_a_session_is_given_to_whoever_the_hook_believes(settings: Settings) -> None:
    async with serving(settings, verify="our_hooks:knows", admin_token=None) as client:
        seen = [
            (answer.status_code, answer.json().get("code"))
            for proof in (None, "I am elsewhere", "broken", "I am at 127.0.0.1")
            for answer in [await client.post("/sessions", json={"proof": proof} if proof else {})]
        ]
        assert "proof" in (await client.get("/config")).json()["features"]
    assert seen == [(403, "proof_required"), (403, "proof_refused"), (503, "proof_unchecked"), (201, None)]


@pytest.mark.usefixtures("hooks")
async def test_only_a_plain_yes_is_one(settings: Settings) -> None:
    async with serving(settings, verify="our_hooks:nods") as client:
        assert (await client.post("/sessions", json={"proof": "p"})).status_code == 403


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere:verify", "there is no module nowhere"),
        ("our_hooks:missing", "the module our_hooks has no missing"),
        ("our_hooks:a_text", "is no function"),
        ("our_hooks:blocks", "wants a function written with `async def`"),
    ],
)
def test_a_hook_that_is_not_there_stops_the_start(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        open_verify(name)
    assert f"CITESIDE_VERIFY={name}" in str(refused.value)


@pytest.mark.usefixtures("hooks")
def test_what_a_hook_itself_lacks_is_its_own_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'broken'"):
        open_verify("broken_hooks:verify")
    with pytest.raises(AttributeError, match="no_such_function"):
        open_verify("outdated_hooks:verify")


class Siteverify:
    """Cloudflare's side of Turnstile, as its documents describe it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.seen: list[dict[str, str]] = []
        self.away = False

        @self.app.post("/turnstile/v0/siteverify")
        async def siteverify(secret: str = Form(), response: str = Form()) -> Any:
            self.seen.append({"secret": secret, "response": response})
            if self.away:
                return "no JSON object"
            if secret != SECRET:
                return {"success": False, "error-codes": ["invalid-input-secret"]}
            if response != "good":
                return {"success": False, "error-codes": ["invalid-input-response"]}
            return {"success": True, "error-codes": [], "hostname": "docs.example"}


@pytest.fixture
async def cloudflare() -> AsyncIterator[tuple[Siteverify, str]]:
    siteverify = Siteverify()
    async with on_a_port(siteverify.app) as client:
        yield siteverify, f"{client.base_url}/turnstile/v0/siteverify"


def turnstile(monkeypatch: pytest.MonkeyPatch, secret: str, url: str = "") -> ModuleType:
    monkeypatch.setenv("TURNSTILE_SECRET", secret)
    monkeypatch.delitem(sys.modules, "server.turnstile", raising=False)
    module = importlib.import_module("server.turnstile")
    assert module.SITEVERIFY == "https://challenges.cloudflare.com/turnstile/v0/siteverify"
    monkeypatch.setattr(module, "SITEVERIFY", url)
    return module


async def test_turnstile_tells_readers_from_robots(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, cloudflare: tuple[Siteverify, str]
) -> None:
    siteverify, url = cloudflare
    turnstile(monkeypatch, SECRET, url)
    async with serving(settings, verify="server.turnstile:verify") as client:
        good, bad = [await client.post("/sessions", json={"proof": proof}) for proof in ("good", "bad")]
        siteverify.away = True
        away = await client.post("/sessions", json={"proof": "good"})
    assert (good.status_code, bad.json()["code"], away.json()["code"]) == (201, "proof_refused", "proof_unchecked")
    assert siteverify.seen[0] == {"secret": SECRET, "response": "good"}


@pytest.mark.parametrize("wrong", ["secret", "address"])
async def test_a_turnstile_that_cannot_be_asked_lets_nobody_in(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, cloudflare: tuple[Siteverify, str], wrong: str
) -> None:
    url = cloudflare[1] if wrong == "secret" else "http://127.0.0.1:9/"
    turnstile(monkeypatch, "another" if wrong == "secret" else SECRET, url)
    async with serving(settings, verify="server.turnstile:verify") as client:
        answer = await client.post("/sessions", json={"proof": "good"})
    assert (answer.status_code, answer.json()["code"]) == (503, "proof_unchecked")


def test_turnstile_without_its_secret_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="needs TURNSTILE_SECRET"):
        turnstile(monkeypatch, "")
