"""A server that follows its site: `serve --reingest URL --every TIME`."""

import argparse
import time
from pathlib import Path

import httpx
import pytest

from server.cli.child import child_server
from server.cli.reingest import duration, reingesting
from server.cli.serve import listen
from server.cli.site import served

PAGE = (
    '<html lang="en"><head><title>Widgets</title><link rel="canonical" href="{url}"></head><body><main><article>'
    '<div class="theme-doc-markdown markdown"><h1>Widgets</h1><p>{text}</p></div></article></main></body></html>'
)


def write(site: Path, origin: str, text: str) -> None:
    """Build a site of one page."""
    url = f"{origin}/docs/widgets/"
    (site / "docs/widgets").mkdir(parents=True, exist_ok=True)
    (site / "docs/widgets/index.html").write_text(PAGE.format(url=url, text=text))
    (site / "sitemap.xml").write_text(
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>{url}</loc></url></urlset>'
    )


def found(client: httpx.Client, token: str) -> list[str]:
    """Return the passages that a search finds, none while there is no index."""
    answer = client.get("/search", params={"q": "widgets"}, headers={"Authorization": f"Bearer {token}"})
    return [passage["text"] for passage in answer.json()["data"]] if answer.is_success else []


def wait_for(client: httpx.Client, token: str, text: str) -> None:
    """Wait until a search finds a text."""
    give_up = time.monotonic() + 90
    while not any(text in passage for passage in found(client, token)):
        assert time.monotonic() < give_up, found(client, token)
        time.sleep(0.2)


def test_a_server_takes_up_what_its_site_says_now(tmp_path: Path) -> None:
    site, data = tmp_path / "site", tmp_path / "data"
    listening = listen("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    write(site, origin, "A widget has two wheels.")
    with (
        served(site, "/", listening),
        child_server(data, "--port", "0") as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        token = client.post("/sessions").json()["token"]
        assert found(client, token) == []
        with reingesting(f"{origin}/sitemap.xml", 0.5, data, allow_private=True):
            wait_for(client, token, "two wheels")
            write(site, origin, "A widget has three wheels.")
            wait_for(client, token, "three wheels")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("6h", 21_600), ("1d", 86_400)])
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "6", "h", "-1h", "1.5h", "59s", "0m", "6 h"])
def test_a_duration_that_is_none_is_told(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="6h"):
        duration(text)
