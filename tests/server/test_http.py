"""The rest of the HTTP contract: sessions, threads, lists, feedback, search, health, and who may see what."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from server.app import create_app
from server.settings import Settings
from tests.server.http import Reader, in_process
from tests.server.passages import ingest
from tests.server.stand_ins import PASSAGE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reader(client: httpx.AsyncClient) -> Reader:
    """A reader with a session of their own."""
    return await Reader.arrive(client)


QUESTION = "How long does a session last?"


def code(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eA=="}])
async def test_without_a_token_nothing_is_told(reader: Reader, header: dict[str, str]) -> None:
    for method, path in [
        ("GET", "/threads"),
        ("POST", "/chat"),
        ("GET", "/search?q=a"),
        ("GET", "/sessions/me/export"),
    ]:
        body = {"message": "Why?"} if method == "POST" else None
        answer = await reader.client.request(method, path, headers=header, json=body)
        assert code(answer) == (401, "session_required")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_what_belongs_to_another_session_does_not_exist(reader: Reader) -> None:
    answer = (await reader.request("POST", "/chat", message=QUESTION)).json()
    stranger = await Reader.arrive(reader.client)
    thread, turn, message = answer["thread_id"], answer["turn_id"], answer["message"]["id"]
    requests: list[tuple[str, str, dict[str, Any], str]] = [
        ("GET", "/threads/{}", {}, "thread_unknown"),
        ("PATCH", "/threads/{}", {"title": "Mine"}, "thread_unknown"),
        ("DELETE", "/threads/{}", {}, "thread_unknown"),
        ("GET", "/threads/{}/messages", {}, "thread_unknown"),
        ("GET", "/turns/{}", {}, "turn_unknown"),
        ("PUT", "/messages/{}/feedback", {"rating": "up"}, "message_unknown"),
    ]
    for method, path, body, unknown in requests:
        theirs = {"threads": thread, "turns": turn, "messages": message}[path.split("/")[1]]
        of_another = await stranger.request(method, path.format(theirs), **body)
        of_nobody = await stranger.request(method, path.format(uuid4()), **body)
        assert code(of_another) == (404, unknown)
        assert of_another.json() | {"request_id": None} == of_nobody.json() | {"request_id": None}
    asked = await stranger.request("POST", "/chat", message=QUESTION, thread_id=thread)
    assert code(asked) == (404, "thread_unknown")
    named = await stranger.request("POST", "/chat", message=QUESTION, session_id=str(reader.session))
    assert code(named) == (404, "session_unknown")
    assert (await stranger.request("GET", "/threads")).json()["data"] == []


async def test_a_reader_downloads_and_erases_everything(reader: Reader) -> None:
    answer = (await reader.request("POST", "/chat", message=QUESTION)).json()
    await reader.request("PUT", f"/messages/{answer['message']['id']}/feedback", rating="down", note="Too short")
    exported = (await reader.request("GET", "/sessions/me/export")).json()
    (thread,) = exported["threads"]
    assert exported["session"]["id"] == str(reader.session)
    assert [message["content"] for message in thread["messages"]] == [QUESTION, answer["message"]["content"]]
    assert thread["messages"][1]["feedback"]["note"] == "Too short"
    assert (await reader.request("DELETE", "/sessions/me")).status_code == 204
    assert code(await reader.request("GET", "/threads")) == (401, "session_required")


async def test_a_session_is_given_for_thirty_days_with_a_user_key_or_without(reader: Reader) -> None:
    given = await reader.client.post("/sessions", json={"user_key": "u-1", "proof": "p"})
    assert given.status_code == 201
    assert given.json().keys() == {"session_id", "token", "expires_at"}


async def test_a_thread_is_made_named_renamed_and_deleted(reader: Reader) -> None:
    made = await reader.request("POST", "/threads", title="Deployment", metadata={"k": "v"})
    thread = made.json()
    assert made.status_code == 201
    assert thread == {
        "id": thread["id"],
        "title": "Deployment",
        "created_at": thread["created_at"],
        "updated_at": thread["updated_at"],
        "metadata": {"k": "v"},
        "running_turn_id": None,
    }
    renamed = await reader.request("PATCH", f"/threads/{thread['id']}", title="Sessions")
    assert renamed.json() == (await reader.request("GET", f"/threads/{thread['id']}")).json()
    assert renamed.json()["title"] == "Sessions"
    assert (await reader.request("DELETE", f"/threads/{thread['id']}")).status_code == 204
    assert code(await reader.request("GET", f"/threads/{thread['id']}")) == (404, "thread_unknown")


async def test_a_thread_is_called_what_was_first_asked_in_it(reader: Reader) -> None:
    asked = "x" * 59 + "🙂 and more"
    thread_id = (await reader.request("POST", "/chat", message=asked)).json()["thread_id"]
    await reader.request("POST", "/chat", message=QUESTION, thread_id=thread_id)
    assert (await reader.request("GET", f"/threads/{thread_id}")).json()["title"] == asked[:60]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_lists_come_in_pages(reader: Reader, order: str) -> None:
    made = [(await reader.request("POST", "/threads")).json()["id"] for _ in range(5)]
    seen: list[str] = []
    after = ""
    while True:
        page = (await reader.request("GET", f"/threads?limit=2&order={order}{after}")).json()
        seen += [thread["id"] for thread in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['after']}"
    assert seen == (made if order == "asc" else made[::-1])


async def test_messages_come_in_pages(reader: Reader) -> None:
    thread_id = (await reader.request("POST", "/chat", message="One?")).json()["thread_id"]
    await reader.request("POST", "/chat", message="Two?", thread_id=thread_id)
    path = f"/threads/{thread_id}/messages"
    first = (await reader.request("GET", f"{path}?limit=3")).json()
    rest = (await reader.request("GET", f"{path}?limit=3&after={first['after']}")).json()
    assert [m["role"] for m in first["data"] + rest["data"]] == ["user", "assistant"] * 2
    assert (first["has_more"], rest["has_more"]) == (True, False)


async def test_feedback_is_kept_with_its_answer_and_replaced(reader: Reader) -> None:
    answer = (await reader.request("POST", "/chat", message=QUESTION)).json()
    path = f"/messages/{answer['message']['id']}/feedback"
    await reader.request("PUT", path, rating="up")
    assert (await reader.request("PUT", path, rating="down", reason="wrong")).status_code == 204
    question, listed = await reader.messages(answer["thread_id"])
    assert listed["feedback"] == {"rating": "down", "reason": "wrong", "note": None}
    of_question = await reader.request("PUT", f"/messages/{question['id']}/feedback", rating="up")
    assert code(of_question) == (404, "message_unknown")


async def test_a_search_returns_passages(reader: Reader) -> None:
    found = (await reader.request("GET", "/search?q=session+expiry&version=1.0&locale=en&limit=3")).json()
    assert found == {
        "data": [
            {
                "passage_id": PASSAGE.id,
                "url": PASSAGE.url,
                "path": PASSAGE.path,
                "title": PASSAGE.title,
                "heading": PASSAGE.heading,
                "text": PASSAGE.text,
                "score": PASSAGE.score,
                "coverage": PASSAGE.coverage,
            }
        ]
    }


async def test_the_config_tells_what_a_client_may_send(reader: Reader) -> None:
    config = (await reader.client.get("/config")).json()
    assert config == {
        "version": config["version"],
        "features": [
            "message",
            "session_id",
            "thread_id",
            "client_message_id",
            "selected_text",
            "selected_text_mode",
            "source",
            "selector",
            "metadata",
            "rejoin",
            "stop",
            "retry",
            "threads",
            "feedback",
            "search",
        ],
        "limits": {"message": 4_000, "selected_text": 20_000, "metadata": 4_096, "body": 262_144}
        | {"turns_per_minute": 0, "turns_per_hour": 0},
        "model": "scripted",
        "disclosures": [
            {"code": "kept", "detail": "A conversation is deleted 90 days after it was continued last."},
        ],
        "retention_days": 90,
    }


async def test_it_lives_but_is_not_ready_without_an_index(reader: Reader) -> None:
    assert (await reader.client.get("/healthz")).json() == {"status": "alive"}
    assert code(await reader.client.get("/readyz")) == (503, "index_missing")


async def test_it_is_ready_and_searches_once_there_is_an_index(settings: Settings, tmp_path: Path) -> None:
    alone = settings.model_copy(update={"data_dir": tmp_path})
    async with in_process(create_app(alone)) as client:
        reader = await Reader.arrive(client)
        assert code(await reader.request("GET", "/search?q=session+expiry")) == (503, "index_missing")
        await ingest(tmp_path)
        assert (await client.get("/readyz")).json() == {"status": "ready", "passages": 1, "model": "extractive"}
        (found,) = (await reader.request("GET", "/search?q=session+expiry")).json()["data"]
        assert (found["path"], found["text"]) == (PASSAGE.path, PASSAGE.text)
        answer = (await reader.request("POST", "/chat", message=QUESTION)).json()["message"]
        assert [cited["quote"] for cited in answer["citations"]] == [PASSAGE.text]


async def test_unknown_addresses_and_methods_are_problems_too(reader: Reader) -> None:
    assert code(await reader.client.get("/nothing")) == (404, "not_found")
    assert code(await reader.client.get("/threads/")) == (404, "not_found")
    wrong = await reader.client.put("/chat/stream", json={})
    assert code(wrong) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
    assert (await reader.client.head("/chat/stream")).status_code == 405


async def test_only_the_sites_that_were_named_may_ask(reader: Reader) -> None:
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,last-event-id",
    }
    allowed = await reader.client.options("/chat/stream", headers={**preflight, "Origin": "https://docs.example"})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://docs.example"
    assert allowed.headers["access-control-max-age"] == "7200"
    assert "access-control-allow-credentials" not in allowed.headers
    stranger = await reader.client.options("/chat/stream", headers={**preflight, "Origin": "https://docs.example.evil"})
    assert stranger.status_code == 403
    assert "access-control-allow-origin" not in stranger.headers
    answer = await reader.client.get("/config", headers={"Origin": "https://docs.example"})
    assert answer.headers["access-control-expose-headers"] == "Retry-After, Citeside-Turn-Id, X-Request-Id"
    assert "access-control-allow-origin" not in (await reader.client.get("/config", headers={"Origin": "null"})).headers
