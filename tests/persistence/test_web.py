"""Where ingest may read from: the site's own host, at public addresses, and no more than it can hold."""

import gzip
import ipaddress
import socket
import zlib
from typing import Any

import pytest

from graph.errors import IngestError
from persistence.pages import open_site, web
from tests.persistence.serving import Answer, served


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Resolve the names put in here to the addresses put in with them."""
    known: dict[str, list[str]] = {}
    resolve = socket.getaddrinfo

    def answer(host: str, port: int, *args: Any, **more: Any) -> list[Any]:
        if host not in known:
            return resolve(host, port, *args, **more)
        ips = known[host]
        return [entry for ip in ips for entry in resolve(ip, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


def listing(*locations: str, kind: str = "urlset") -> Answer:
    """Return a sitemap."""
    entries = "".join(f"<url><loc>{location}</loc></url>" for location in locations)
    return 200, {"content-type": "text/xml"}, f'<{kind} xmlns="http://x">{entries}</{kind}>'.encode()


def page(text: str) -> Answer:
    """Return a page."""
    return 200, {"content-type": "text/html"}, f"<main><p>{text}</main>".encode()


def to(address: str) -> Answer:
    """Return a redirect."""
    return 302, {"location": address}, b""


def paths(address: str, base_url: str | None = None, *, allow_private: bool = True) -> list[str]:
    """Return the paths of a site's pages."""
    with open_site(address, base_url, allow_private=allow_private) as site:
        return [found.path for found in site.pages()]


PRIVATE = {
    "loopback": "127.0.0.1",
    "another loopback": "127.9.9.9",
    "this host": "0.0.0.0",
    "class A": "10.0.0.1",
    "class B": "172.16.0.1",
    "class C": "192.168.1.1",
    "carrier": "100.64.0.1",
    "link-local and metadata": "169.254.169.254",
    "metadata of Alibaba": "100.100.100.200",
    "metadata of Azure": "168.63.129.16",
    "metadata of Oracle": "192.0.0.192",
    "benchmarks": "198.18.0.1",
    "documentation": "203.0.113.1",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "loopback 6": "::1",
    "unspecified 6": "::",
    "unique local": "fd00::1",
    "metadata of AWS": "fd00:ec2::254",
    "link-local 6": "fe80::1",
    "site-local 6": "fec0::1",
    "multicast 6": "ff02::1",
    "documentation 6": "2001:db8::1",
    "Teredo": "2001:0:7f00:1::",
    "mapped": "::ffff:127.0.0.1",
    "mapped metadata": "::ffff:169.254.169.254",
    "compatible": "::127.0.0.1",
    "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::127.0.0.1",
    "NAT64 of the network": "64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1::",
}


@pytest.mark.parametrize("ip", PRIVATE.values(), ids=PRIVATE)
def test_an_address_that_is_not_public_is_refused(ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # No machine could connect to all of these: the name is resolved here, and nothing may be sent.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (ip, 0))])
    with pytest.raises(
        IngestError, match=r"docs\.example is at .*, which is not on the public network.*--allow-private"
    ):
        paths("http://docs.example/", allow_private=False)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"])
def test_a_public_address_is_none_of_them(ip: str) -> None:
    assert web.is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "127.0.0.1."]
)
def test_this_machine_is_refused_however_it_is_written_and_nothing_is_sent(host: str) -> None:
    with served(lambda _: page("secret")) as (port, asked), pytest.raises(IngestError):
        paths(f"http://{host}:{port}/", allow_private=False)
    assert asked == []


def test_one_private_address_among_public_ones_is_refused(names: dict[str, list[str]]) -> None:
    names["docs.example"] = ["8.8.8.8", "10.0.0.1"]
    with pytest.raises(IngestError, match=r"is at 10\.0\.0\.1"):
        paths("http://docs.example/", allow_private=False)


def test_what_a_name_resolves_to_later_does_not_matter(names: dict[str, list[str]]) -> None:
    """A site answers the first question from its own address and the next from another: DNS rebinding."""
    names["docs.example"] = ["127.0.0.1"]

    def answer(path: str) -> Answer:
        names["docs.example"] = ["127.0.0.2"]
        return listing("http://docs.example/a") if path == "/sitemap.xml" else page("A")

    with served(answer) as (port, asked), served(lambda _: page("secret"), "127.0.0.2", port) as (_, asked_there):
        assert paths(f"http://docs.example:{port}/") == ["a"]
    assert asked == ["docs.example/sitemap.xml", "docs.example/a"]
    assert asked_there == []


def test_a_redirect_into_a_private_network_is_refused_and_not_followed(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "is_public", lambda ip: str(ip) == "127.0.0.1")
    names |= {"docs.example": ["127.0.0.1"], "published.example": ["127.0.0.2"]}
    with served(lambda _: page("secret"), "127.0.0.2") as (other, asked_there):
        answers = {
            "/sitemap.xml": listing("http://docs.example/a", "http://docs.example/b"),
            "/a": to(f"http://127.0.0.2:{other}/secret"),
            "/b": page("B"),
            "/published.xml": to(f"http://published.example:{other}/sitemap.xml"),
        }
        with served(lambda path: answers[path]) as (port, _):
            site = f"http://docs.example:{port}"
            assert paths(f"{site}/", allow_private=False) == ["b"]  # another host: no page of the site
            with pytest.raises(IngestError, match=r"published\.example is at 127\.0\.0\.2, which is not on the public"):
                paths(f"{site}/published.xml", f"http://published.example:{other}/", allow_private=False)
    assert asked_there == []


def test_a_redirect_to_where_the_site_is_published_is_followed(names: dict[str, list[str]]) -> None:
    names |= {"preview.example": ["127.0.0.1"], "docs.example": ["127.0.0.1"]}
    answers = {"/sitemap.xml": listing("http://docs.example/a"), "/a": to("/b"), "/b": page("B")}
    with served(lambda path: answers[path]) as (port, asked):
        answers["/a"] = to(f"http://docs.example:{port}/b")
        assert paths(f"http://preview.example:{port}/", f"http://docs.example:{port}/") == ["a"]
    assert asked == ["preview.example/sitemap.xml", "preview.example/a", "docs.example/b"]


@pytest.mark.parametrize("target", ["http://www.docs.example/sitemap.xml", "//other.example/", "file:///etc/passwd"])
def test_a_sitemap_that_is_elsewhere_is_told_with_its_address(target: str) -> None:
    with served(lambda _: to(target)) as (port, _), pytest.raises(IngestError, match=r"leads to .*, on another host"):
        paths(f"http://127.0.0.1:{port}/")


def test_redirects_without_end_are_given_up() -> None:
    with served(lambda path: to(f"{path}x")) as (port, asked), pytest.raises(IngestError, match="5 redirects"):
        paths(f"http://127.0.0.1:{port}/")
    assert len(asked) == 5


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(IngestError, match=r"nobody\.invalid cannot be resolved"):
        paths("http://nobody.invalid/")


def test_an_address_that_does_not_listen_is_not_the_end(names: dict[str, list[str]]) -> None:
    names["docs.example"] = ["127.0.0.2", "127.0.0.1"]
    answers = {"/sitemap.xml": listing("http://docs.example/a"), "/a": page("A")}
    with served(lambda path: answers[path]) as (port, _):
        assert paths(f"http://docs.example:{port}/") == ["a"]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_page_comes_as_it_was_sent(encoding: str) -> None:
    body = page("Ä page")[2] * 50
    sent = gzip.compress(body) if encoding == "gzip" else body
    answers = {
        "/sitemap.xml": listing("http://x/a"),
        "/a": (200, {"content-type": "text/html", "content-encoding": encoding}, sent),
    }
    with (
        served(lambda path: answers[path]) as (port, _),
        open_site(f"http://127.0.0.1:{port}/", allow_private=True) as site,
    ):
        assert [found.html for found in site.pages()] == [body]


BOMB = zlib.compressobj(wbits=31)
BOMB = BOMB.compress(b"\0" * 30_000_000) + BOMB.flush()
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True))
    + "]><urlset><url><loc>&j;</loc></url></urlset>"
).encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param((200, {"content-encoding": "gzip"}, BOMB), "exceeds 20,000,000 bytes", id="a bomb"),
        pytest.param((200, {"content-encoding": "gzip"}, b"no gzip"), "cannot be read", id="no gzip"),
        pytest.param((200, {"content-encoding": "br"}, b"x"), "compressed as 'br'", id="another encoding"),
        pytest.param((200, {}, LAUGHS), "is no sitemap", id="a billion laughs"),
        pytest.param(
            (200, {}, b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><urlset><url><loc>&a;</loc></url></urlset>'),
            "is no sitemap",
            id="an external entity",
        ),
    ],
)  # fmt: skip
def test_a_hostile_sitemap_is_refused(answer: Answer, message: str) -> None:
    status, headers, body = answer
    answers = (status, {"content-type": "text/xml", **headers}, body)
    with served(lambda _: answers) as (port, _), pytest.raises(IngestError, match=message):
        paths(f"http://127.0.0.1:{port}/")


def test_sitemaps_that_name_each_other_are_read_once() -> None:
    answers = {
        "/sitemap.xml": listing("http://x/sitemap.xml", "http://x/b.xml", "http://x/b.xml", kind="sitemapindex"),
        "/b.xml": listing("http://x/sitemap.xml", "http://x/c.xml", kind="sitemapindex"),
        "/c.xml": listing("http://x/a"),
        "/a": page("A"),
    }
    with served(lambda path: answers[path]) as (port, asked):
        assert paths(f"http://127.0.0.1:{port}/") == ["a"]
    assert len(asked) == 4


def test_a_site_is_read_no_further_than_it_may_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BYTES", 500)
    answers = {"/sitemap.xml": listing("http://x/a", "http://x/b"), "/a": page("x" * 200), "/b": page("x" * 200)}
    with (
        served(lambda path: answers[path]) as (port, _),
        pytest.raises(IngestError, match="The site exceeds 500 bytes"),
    ):
        paths(f"http://127.0.0.1:{port}/")
