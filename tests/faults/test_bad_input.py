"""Bodies that no panel sends: each is refused with a code, and starts nothing."""

import json

import httpx
import pytest

from tests.faults.conftest import Case
from tests.faults.fleet import Fleet
from tests.faults.gears import everywhere
from tests.faults.model import question
from tests.faults.reader import Reader

pytestmark = pytest.mark.anyio

REFUSED: tuple[tuple[str, object, int], ...] = (
    ("a body of more than 256 KiB", {"message": "x" * 300_000}, 413),
    ("a question of more than 4,000 characters", {"message": "x" * 4_001}, 422),
    ("a blank question", {"message": " \n"}, 422),
    ("a blank selection", {"message": "q", "selected_text": " \n"}, 422),
    ("a selection of more than 20,000 characters", {"message": "q", "selected_text": "x" * 20_001}, 422),
    ("a mode without a selection", {"message": "q", "selected_text_mode": True}, 422),
    ("NUL", b'{"message": "a\\u0000b"}', 422),
    ("a lone surrogate", b'{"message": "a\\ud800b"}', 422),
    ("an unknown field", {"message": "q", "temperature": 2}, 422),
    ("a thread id that is none", {"message": "q", "thread_id": "1"}, 422),
    ("NaN", b'{"message": "q", "metadata": {"n": NaN}}', 422),
    ("metadata 10,000 deep", b'{"message": "q", "metadata": {"n": %s}}' % (b"[" * 10_000 + b"]" * 10_000), 422),
    ("no JSON", b"{", 400),
    ("no UTF-8", b'{"message": "\xff"}', 400),
    ("no object", [], 422),
)


@everywhere
async def test_a_bad_body_starts_nothing(fleet: Fleet, case: Case) -> None:
    with case(42):
        reader = await Reader.arrive(fleet)
        typed = {"Content-Type": "application/json"}
        for what, body, status in REFUSED:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            refused = await reader.request("POST", "/chat/stream", content=sent, headers=typed)
            _assert_refused(refused, (status, 400, 422) if status in (400, 422) else (status,), what)
        untyped = await reader.request("POST", "/chat/stream", content=b"{}", headers={"Content-Type": "text/plain"})
        _assert_refused(untyped, (415,), "another content type")
        for path in ("/turns/1/stream", "/turns/1"):
            _assert_refused(await reader.request("GET", path), (404, 422), path)
        anonymous = await fleet.http.post(f"{fleet.any.url}/chat/stream", json={"message": question()})
        _assert_refused(anonymous, (401,), "no session")
        assert (await reader.request("GET", "/threads")).json()["data"] == []


def _assert_refused(answer: httpx.Response, statuses: tuple[int, ...], what: str) -> None:
    assert answer.status_code in statuses, (what, answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["code"], what
