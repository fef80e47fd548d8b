"""The pages of a site are found where they are, in a folder or over HTTP, and under the addresses readers know."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graph.errors import IngestError
from persistence.pages import base_path_of, open_site, web
from tests.persistence.serving import Answer, served
from tests.persistence.site import BASE, doc, plain, write_site


def found(source: str, base_url: str | None = None) -> tuple[str, list[str]]:
    """Return the base URL of a site and the paths of its pages."""
    with open_site(source, base_url, allow_private=True) as site:
        paths = [page.path for page in site.pages()]
        assert len(paths) == site.count
        return site.base_url, paths


def test_a_build_folder_gives_the_addresses_its_pages_name(tmp_path: Path) -> None:
    pages = {
        "index.html": plain("<main>Home</main>"),
        "404.html": plain("<main>Lost</main>", "plugin-native", "404.html"),
        "docs/index.html": doc("<p>Start", "docs/"),
        "docs/intro/index.html": doc("<p>Intro", "docs/intro"),
        "docs/reindex.html": doc("<p>Reindex", "docs/reindex"),
        "docs/über/index.html": doc("<p>About", "docs/%C3%BCber"),
    }
    paths = ["docs/", "docs/intro", "docs/reindex", "docs/%C3%BCber", ""]
    assert found(str(write_site(tmp_path, pages))) == (BASE, paths)
    assert base_path_of(tmp_path) == "/project/"


def test_a_page_that_names_another_as_canonical_keeps_its_own_address(tmp_path: Path) -> None:
    pages = {
        "docs/intro/index.html": doc("<p>Intro", "docs/intro/"),
        "docs/1.0/intro/index.html": doc("<p>Intro", "docs/intro/"),
        "docs/1.0/ä b/index.html": "<p>No head",
        "docs/2.0/intro/index.html": doc("<p>Intro", "docs/2.0/intro/"),
    }
    assert found(str(write_site(tmp_path, pages))) == (
        BASE,
        ["docs/1.0/intro/", "docs/1.0/%C3%A4%20b/", "docs/2.0/intro/", "docs/intro/"],
    )


def test_a_base_url_of_ones_own_replaces_the_sites(tmp_path: Path) -> None:
    write_site(tmp_path, {"docs/intro/index.html": doc("<p>Intro", "docs/intro/")})
    assert found(str(tmp_path), "http://localhost:3000/x") == ("http://localhost:3000/x/", ["docs/intro/"])


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        pytest.param({"readme.txt": "x"}, "holds no HTML page", id="no pages"),
        pytest.param({"docusaurus.config.ts": "x", "build/index.html": "x"}, "npm run build", id="sources"),
        pytest.param({"index.html": "<p>x"}, "--base-url", id="no address"),
    ],
)
def test_a_folder_that_is_no_build_is_refused(tmp_path: Path, pages: dict[str, str], message: str) -> None:
    write_site(tmp_path, pages)
    with pytest.raises(IngestError, match=message):
        found(str(tmp_path))


def test_a_route_that_ends_like_a_file_is_a_page_and_a_dangling_link_is_none(tmp_path: Path) -> None:
    write_site(tmp_path, {"docs/config.html/index.html": doc("<p>Keys.", "docs/config.html/")})
    (tmp_path / "dangling.html").symlink_to("nowhere.html")
    with open_site(str(tmp_path)) as site:
        assert [found.path for found in site.pages()] == ["docs/config.html/"]


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="There is no folder"):
        found(str(tmp_path / "nowhere"))


@contextmanager
def hosted(answer: Callable[[str], Answer]) -> Iterator[tuple[str, list[str]]]:
    """Serve `answer(path)` on loopback; yield the server's address and the paths that were asked for."""
    paths: list[str] = []

    def noted(path: str) -> Answer:
        paths.append(path)
        return answer(path)

    with served(noted) as (port, _):
        yield f"http://127.0.0.1:{port}", paths


def listed(*locations: str, kind: str = "urlset") -> Answer:
    """Return a sitemap of the given locations."""
    entry = "url" if kind == "urlset" else "sitemap"
    entries = "".join(f"<{entry}><loc>{location}</loc></{entry}>" for location in locations)
    xml = f'<?xml version="1.0"?><{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{kind}>'
    return 200, {"content-type": "application/xml"}, xml.encode()


def page(text: str, head: str = "") -> Answer:
    """Return a docs page."""
    return 200, {"content-type": "text/html; charset=utf-8"}, doc(f"<p>{text}", head=head).encode()


LOST: Answer = (404, {"content-type": "text/html"}, b"lost")


def test_a_sitemap_gives_its_pages_and_their_translations() -> None:
    german = (
        f"<link rel=alternate hreflang=de href={BASE}de/docs/a /><link rel=alternate hreflang=en href={BASE}docs/a>"
    )
    answers = {
        "/project/sitemap.xml": listed(f"{BASE}docs/a", f"{BASE}docs/gone", f"{BASE}docs/b", f"{BASE}docs/a"),
        "/project/docs/a": page("A", german),
        "/project/docs/b": (301, {"location": "/project/docs/b/"}, b""),
        "/project/docs/b/": page("B"),
        "/project/de/docs/a": page("Ä", german),
    }
    with (
        hosted(lambda path: answers.get(path, LOST)) as (address, asked),
        open_site(f"{address}/project", allow_private=True) as site,
    ):
        assert [found.path for found in site.pages()] == ["docs/a", "docs/b", "de/docs/a"]
        assert site.base_url == BASE
        assert sorted(asked) == sorted([*answers, "/project/docs/gone"])


def test_an_index_of_sitemaps_is_followed() -> None:
    answers = {
        "/map.xml": listed("https://x.example/en/sitemap.xml", "https://x.example/de/sitemap.xml", kind="sitemapindex"),
        "/en/sitemap.xml": listed("https://x.example/en/a"),
        "/de/sitemap.xml": listed("https://x.example/de/a"),
        "/en/a": page("A"),
        "/de/a": page("A"),
    }
    with hosted(lambda path: answers.get(path, LOST)) as (address, _):
        assert found(f"{address}/map.xml") == ("https://x.example/", ["en/a", "de/a"])
        assert found(f"{address}/map.xml", "https://y.example/d") == ("https://y.example/d/", ["en/a", "de/a"])


def test_another_host_is_never_asked() -> None:
    with hosted(lambda _: page("secret")) as (other, asked_there):
        answers = {
            "/sitemap.xml": listed(f"{other}/a", f"{other}/b"),
            "/a": (302, {"location": f"{other}/secret"}, b""),
            "/b": page("B", f"<link rel=alternate hreflang=de href={other}/c>"),
            "/c": page("C"),
        }
        with hosted(lambda path: answers.get(path, LOST)) as (address, _):
            assert found_paths(address) == ["b", "c"]
        assert asked_there == []


def test_a_site_of_one_page_and_addresses_that_are_none() -> None:
    home = page("Home", '<link rel=alternate hreflang=de href="http://x:y/">')
    answers = {"/sitemap.xml": listed("http://x:y/", "https://x.example/"), "/": home}
    with hosted(lambda path: answers.get(path, LOST)) as (address, _):
        assert found(address) == ("https://x.example/", [""])
    with pytest.raises(IngestError, match="is no URL"):
        found("http://x:y/sitemap.xml")


def found_paths(address: str) -> list[str]:
    """Return the paths of a site's pages, not all of which can be read."""
    with open_site(address, allow_private=True) as site:
        return [found.path for found in site.pages()]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(LOST, "There is no sitemap", id="none"),
        pytest.param(page("app"), "There is no sitemap", id="a page for everything"),
        pytest.param((200, {"content-type": "text/xml"}, b"<urlset><url>"), "is no sitemap", id="broken"),
        pytest.param(listed(), "none at all", id="empty"),
        pytest.param((500, {}, b""), "cannot be read", id="failing"),
    ],
)
def test_a_sitemap_that_cannot_be_read_is_named(answer: Answer, message: str) -> None:
    with hosted(lambda _: answer) as (address, _), pytest.raises(IngestError, match=message):
        found(address)


def test_a_sitemap_of_another_folder_is_refused() -> None:
    message = r"lists no page below .*/docs/, but such as https://x\.example/other/a"
    with (
        hosted(lambda _: listed("https://x.example/other/a")) as (address, _),
        pytest.raises(IngestError, match=message),
    ):
        found(f"{address}/docs/sitemap.xml")


def test_a_page_that_fails_fails_the_ingest_and_is_not_left_out() -> None:
    answers = {"/sitemap.xml": listed("https://x.example/a"), "/a": (503, {}, b"")}
    with (
        hosted(lambda path: answers[path]) as (address, asked),
        pytest.raises(IngestError, match="/a cannot be read"),
    ):
        found(address)
    assert asked == ["/sitemap.xml", "/a", "/a"]


def test_a_page_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BYTES_PER_FILE", 1000)
    answers = {"/sitemap.xml": listed("https://x.example/a"), "/a": page("x" * 2000)}
    with (
        hosted(lambda path: answers[path]) as (address, _),
        pytest.raises(IngestError, match="exceeds 1,000 bytes"),
    ):
        found(address)


def test_a_site_that_is_not_there_is_named() -> None:
    with hosted(lambda _: LOST) as (address, _):
        pass
    with pytest.raises(IngestError, match=f"{address}/sitemap.xml cannot be read"):
        found(address)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").symlink_to("/proc/self/mem")  # a read of its first byte fails, also for root
    with pytest.raises(IngestError, match=r"index\.html cannot be read: Input/output error"), open_site(str(tmp_path)):
        pass
