"""Neither readers' words nor the operator's secrets get into a log or onto a terminal, whatever is asked and fails.

A server of its own is asked on every route it has, rightly and wrongly, with a word that occurs nowhere else; then all
that it, its model's client and its Postgres wrote down is searched for that word. Its secrets are such words too.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from persistence.embedded_postgres import EmbeddedPostgres
from persistence.embeddings import open_embedder
from persistence.ingest import ingest
from server.app import create_app
from server.cli.child import CITESIDE
from server.cli.serve import running_server
from server.settings import Settings
from tests.postgres_fixtures import connection_to
from tests.server.http import on_a_port
from tests.unlimited import NO_LIMITS_IN_THE_ENVIRONMENT

pytestmark = pytest.mark.anyio

WORD = "xyzzyquux"
BROKEN = "plughplover"
"""A question with this word breaks a rule that the test laid on the database."""

SECRETS = {
    name: f"canary{number}yranac"
    for number, name in enumerate(("OPENAI_API_KEY", "QDRANT_API_KEY", "CITESIDE_ADMIN_TOKEN", "LANGSMITH_API_KEY"))
}
PASSWORD = "-".join(("canary", "of", "a", "database"))
CANARIES = (WORD, BROKEN, PASSWORD, *SECRETS.values())
NOWHERE = "http://127.0.0.1:9"

PAGE = f"""<!doctype html><html lang=en><head><title>Ports</title></head><body><main><article><h1>Ports</h1>
<p>The server listens on port 8000. A {WORD} is a word of this page.</p></article></main></body></html>"""


def model() -> FastAPI:
    """Return a model that answers, or fails in the way the question names, repeating all it was sent."""
    app = FastAPI()

    @app.post("/v1/{path:path}")
    async def say(request: Request, path: str) -> Response:
        sent = (await request.body()).decode() + request.headers.get("authorization", "")
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

        def line(text: str, finish: str | None = None) -> str:
            choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
            return f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"

        for status in (400, 401, 429, 500):
            if f"fail {status}" in sent:
                error = {"message": f"cannot read {sent}", "type": "x", "code": sent}
                return JSONResponse({"error": error}, status)
        said = "".join(line(f"The server {WORD} listens on port 8000. [1]\n\n") for _ in range(20))
        if "fail malformed" in sent:
            return Response(said + f"data: {{not json {WORD}\n\n", media_type="text/event-stream")
        if "fail event" in sent:
            event = json.dumps({"error": {"message": sent, "code": sent}})
            return Response(f"{said}data: {event}\n\n", media_type="text/event-stream")
        if "fail short" in sent:
            return Response(said, media_type="text/event-stream")
        return Response(said + line("", "stop") + "data: [DONE]\n\n", media_type="text/event-stream")

    return app


@asynccontextmanager
async def serving(data_dir: Path, env: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """Run a server whose output is in `server.out` of its data folder."""
    with (data_dir / "server.out").open("wb") as out:
        words = [*CITESIDE, "serve", "--port", "0", "--data-dir", str(data_dir)]
        child = subprocess.Popen(words, stdout=out, stderr=out, env=os.environ | NO_LIMITS_IN_THE_ENVIRONMENT | env)
        try:
            async with asyncio.timeout(120):
                while not (url := running_server(data_dir)):
                    assert child.poll() is None, (data_dir / "server.out").read_text()
                    await asyncio.sleep(0.05)
            async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                yield client
        finally:
            child.terminate()
            await asyncio.to_thread(child.wait, 60)


async def ask_wrongly_on_every_route(client: httpx.AsyncClient, headers: dict[str, str]) -> set[str]:
    """Ask on each route with the word in path, query, headers and body; return the routes' templates."""
    templates: set[str] = set()
    settings = Settings(_env_file=None, chatkit=True)  # pyright: ignore[reportCallIssue]
    for route in create_app(settings).routes:
        if not isinstance(route, APIRoute):
            continue
        templates.add(route.path)
        for value in (WORD, str(uuid4())):
            path = route.path.format(**dict.fromkeys(route.param_convertors, value))
            for method in route.methods - {"DELETE"} if "/me" in path else route.methods:
                for body in (f"{{{WORD}", json.dumps({WORD: WORD}), f'{{"message": NaN, "x": "{WORD}"}}'):
                    for kind in ("application/json", f"text/{WORD}"):
                        await client.request(
                            method,
                            path,
                            params={WORD: WORD, "q": WORD, "after": WORD, "limit": WORD},
                            content=body,
                            headers={
                                "content-type": kind,
                                "last-event-id": WORD,
                                "origin": f"http://{WORD}",
                                **headers,
                            },
                        )
    return templates


async def converse(client: httpx.AsyncClient) -> None:
    """Use every part as it is meant to be used, and have the model and the database fail."""
    session = (await client.post("/sessions", json={"user_key": f"{WORD}-user"})).raise_for_status().json()
    client.headers["authorization"] = f"Bearer {session['token']}"
    source = {"path": f"/{WORD}", "title": WORD}
    asked = {"message": f"On which port does {WORD} listen?", "source": source, "metadata": {WORD: WORD}}
    first = (await client.post("/chat", json=asked)).raise_for_status().json()
    marked = {"selected_text": f"The {WORD} listens on port 8000.", "selector": {"prefix": WORD}}
    await client.post("/chat/stream", json={**asked, **marked})
    for fault in ("malformed", "event", "short", "400", "401", "429", "500"):  # the last ones have the model spared
        for kind in ({}, marked):
            await client.post("/chat", json={**asked, **kind, "message": f"{asked['message']} fail {fault}"})
    turn = f"/turns/{first['turn_id']}"
    for method, path, body in (
        ("GET", turn, None),
        ("GET", f"{turn}/stream", None),
        ("POST", f"{turn}/stop", None),
        ("POST", f"{turn}/retry", {"attempt": 1}),
        ("PATCH", f"/threads/{first['thread_id']}", {"title": WORD}),
        ("GET", f"/threads/{first['thread_id']}/messages", None),
        ("PUT", f"/messages/{first['message']['id']}/feedback", {"rating": "down", "note": WORD, "reason": WORD}),
        ("GET", f"/search?q={WORD}", None),
        ("GET", "/sessions/me/export", None),
        ("POST", "/threads", {"title": WORD}),
    ):
        answer = await client.request(method, path, json=body)
        assert answer.is_success, (method, path, answer.text)
    content = [{"type": "input_text", "text": WORD}]
    message = {"content": content, "attachments": [], "quoted_text": WORD, "inference_options": {}}
    for kind, params in (
        ("threads.create", {"input": message}),
        ("threads.list", {}),
        ("threads.update", {"thread_id": first["thread_id"], "title": WORD}),
        (WORD, {WORD: WORD}),
    ):
        await client.post("/chatkit", json={"type": kind, "params": params})
    refused = [
        await client.post("/chat", json={"message": f"{BROKEN} {WORD}?"}),
        await client.post("/threads", json={"title": f"{BROKEN} {WORD}"}),
    ]
    assert [answer.status_code for answer in refused] == [500, 500]


async def test_no_word_of_a_reader_and_no_secret_is_logged(tmp_path: Path) -> None:
    page = tmp_path / "site" / "ports" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    data_dir = tmp_path / "data"
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    await asyncio.to_thread(
        ingest, str(tmp_path / "site"), data_dir=data_dir, embedder=embedder, base_url="http://docs.example/"
    )
    async with on_a_port(model()) as answering:
        env = SECRETS | {
            "OPENAI_BASE_URL": str(answering.base_url.join("v1")),
            "OPENAI_LOG": "debug",
            "CITESIDE_CHATKIT": "true",
            "LANGSMITH_TRACING": "true",
            "LANGSMITH_ENDPOINT": NOWHERE,
        }
        async with serving(data_dir, env) as client:
            async with connection_to(EmbeddedPostgres(data_dir / "postgres").url) as connection:
                for table, column in (("messages", "content"), ("threads", "title")):
                    rule = f"alter table {table} add check ({column} not like '%{BROKEN}%')"
                    await connection.execute(rule.replace(BROKEN, f"{BROKEN[:5]}%{BROKEN[5:]}"))
            await converse(client)
            templates = await ask_wrongly_on_every_route(client, {})
            templates |= await ask_wrongly_on_every_route(client, {"authorization": f"Bearer {WORD}"})
            assert (await client.delete("/sessions/me")).status_code == 204
    out = (data_dir / "server.out").read_text()
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert {line.get("route") for line in lines if line["event"] == "request"} >= templates
    assert {"turn failed", "turn ended", "request", "model unavailable"} <= {line["event"] for line in lines}
    assert any("CheckViolation" in line.get("error", "") for line in lines)
    logs = {str(file.relative_to(data_dir)): file.read_text(errors="replace") for file in data_dir.rglob("*.log")}
    assert "postgres/postgres.log" in logs
    told = {"server.out": out, **logs}
    assert [(name, canary) for name, text in told.items() for canary in CANARIES if canary in text] == []


COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "no database there": (["prune"], {"DATABASE_URL": f"postgresql://jo:{PASSWORD}@127.0.0.1:9/docs"}),
    "serve without a database": (
        ["serve", "--port", "0"],
        {"DATABASE_URL": f"postgresql://jo:{PASSWORD}@127.0.0.1:9/x"},
    ),
    "an address that cannot be read": (["migrate"], {"DATABASE_URL": f"postgresql://jo:{PASSWORD}@[::1:5432/docs"}),
    "another kind of address": (["gaps"], {"DATABASE_URL": f"mysql://jo:{PASSWORD}@db/docs"}),
    "a port that is none": (["sessions", "export", str(uuid4())], {"DATABASE_URL": f"postgresql://a:{PASSWORD}@h:x/d"}),
    "an unknown parameter": (
        ["migrate"],
        {"DATABASE_URL": f"postgresql://jo:{PASSWORD}@127.0.0.1:9/docs?password_encryption={PASSWORD}"},
    ),
    "no Qdrant there": (["ingest", "SITE"], {"QDRANT_URL": f"http://jo:{PASSWORD}@127.0.0.1:9"}),
    "no embedding model there": (
        ["ingest", "SITE"],
        {"CITESIDE_EMBEDDING_MODEL": "small", "OPENAI_BASE_URL": f"http://jo:{PASSWORD}@127.0.0.1:9/v1"},
    ),
    "an embedding model that repeats the key": (["ingest", "SITE"], {"CITESIDE_EMBEDDING_MODEL": "fail 401"}),
    "wrong settings beside secrets": (["prune"], {"CITESIDE_PORT": PASSWORD, "QDRANT_URL": f"jo:{PASSWORD}"}),
    "a hook that is not there": (["serve", "--port", "0"], {"CITESIDE_SCRUB": "no_such:hook"}),
    "all is well": (["prune", "--dry-run"], {}),
    "help": (["serve", "--help"], {}),
    "a question": (["ask", "How long?", "--selected-text", "TEXT"], {}),
    "the questions left open": (["gaps"], {}),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_no_command_prints_a_secret(name: str, tmp_path: Path, data_dir: Path, database_url: str) -> None:
    words, changed = COMMANDS[name]
    page = tmp_path / "site" / "ports" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    (tmp_path / "text").write_text("It lasts an hour.")
    words = [{"SITE": str(tmp_path / "site"), "TEXT": str(tmp_path / "text")}.get(word, word) for word in words]
    words += ["--base-url", "http://docs.example/"] if words[0] == "ingest" else []
    async with on_a_port(model()) as answering:
        env = (
            os.environ | SECRETS | {"DATABASE_URL": database_url, "OPENAI_BASE_URL": str(answering.base_url.join("v1"))}
        )
        command = [*CITESIDE, *words, *([] if name == "help" else ["--data-dir", str(data_dir)])]
        done = await asyncio.to_thread(
            subprocess.run, command, env=env | changed, cwd=tmp_path, capture_output=True, text=True, timeout=100
        )
    fails = name not in ("all is well", "help", "a question", "the questions left open")
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    log = data_dir / "server.log"
    told = done.stdout + done.stderr + (log.read_text() if log.exists() else "")
    assert [secret for secret in (PASSWORD, *SECRETS.values()) if secret in told] == []
    assert "Traceback" not in told
