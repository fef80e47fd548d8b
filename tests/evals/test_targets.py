"""How a server that is asked too often is waited for."""

import httpx
import pytest

from evals.targets import pause_of


@pytest.mark.parametrize(
    ("told", "seconds"), [("7", 7.0), ("0", 0.0), (None, 1.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-5", 1.0)]
)
def test_a_pause_is_what_the_server_says_or_a_second(told: str | None, seconds: float) -> None:
    headers = {} if told is None else {"Retry-After": told}
    assert pause_of(httpx.Response(429, headers=headers)) == seconds
