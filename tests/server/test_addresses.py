"""Nobody chooses the address they are counted under: only proxies that were named are believed, from right to left."""

import string
from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.addresses import Addresses
from server.settings import load_settings

PROXIES = ("10.0.0.0/8", "192.0.2.1", "fd00::/8")


def asked_from(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1", "replace")) for value in forwarded]
    return {"type": "http", "client": (peer, 50_000) if peer else None, "headers": headers}


def found(peer: str | None, *forwarded: str, proxies: tuple[str, ...] = PROXIES) -> str:
    return Addresses(proxies, "secret").of(asked_from(peer, *forwarded))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        # Straight to the server: what it says of itself counts for nothing.
        ("198.51.100.7", (), "198.51.100.7"),
        ("198.51.100.7", ("6.6.6.6",), "198.51.100.7"),
        ("2001:db8:1:2:aaaa::1", ("6.6.6.6",), "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", (), "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", (), "198.51.100.7"),
        ("fe80::1%eth0", (), "fe80::/64"),
        # Through one proxy, which wrote down whom it saw, behind what they said.
        ("10.0.0.5", ("198.51.100.7",), "198.51.100.7"),
        ("10.0.0.5", ("6.6.6.6, 198.51.100.7",), "198.51.100.7"),
        ("10.0.0.5", ("6.6.6.6", "198.51.100.7"), "198.51.100.7"),  # two header lines
        ("::ffff:10.0.0.5", ("6.6.6.6,198.51.100.7",), "198.51.100.7"),
        ("fd00::5", ("2001:db8:1:2:3:4:5:6",), "2001:db8:1:2::/64"),
        # Through two, of which the inner saw the outer.
        ("10.0.0.5", ("6.6.6.6, 198.51.100.7, 192.0.2.1",), "198.51.100.7"),
        ("10.0.0.5", ("10.9.9.9, 6.6.6.6, 198.51.100.7, 10.1.1.1",), "198.51.100.7"),
        ("10.0.0.5", ("10.9.9.9, 10.8.8.8",), "10.9.9.9"),  # somebody in the proxies' own network
        # As proxies write it.
        ("10.0.0.5", ("198.51.100.7:1234",), "198.51.100.7"),
        ("10.0.0.5", ("[2001:db8:1:2::9]:1234",), "2001:db8:1:2::/64"),
        ("10.0.0.5", ("[::ffff:198.51.100.7]",), "198.51.100.7"),
        # Garbage is nobody's address: the proxy that passed it on is, and what stands left of it is not looked at.
        ("10.0.0.5", ("6.6.6.6, unknown",), "10.0.0.5"),
        ("10.0.0.5", ("6.6.6.6, ",), "10.0.0.5"),
        ("10.0.0.5", ("",), "10.0.0.5"),
        ("10.0.0.5", ("6.6.6.6, _hidden, 192.0.2.1",), "192.0.2.1"),
        ("10.0.0.5", ("6.6.6.6, 198.51.100.7.8",), "10.0.0.5"),
        # Through a Unix socket, which has no address.
        (None, (), ""),
        (None, ("6.6.6.6",), ""),
    ],
)
def test_the_address_is_the_right_most_that_no_trusted_proxy_has(
    peer: str | None, forwarded: tuple[str, ...], address: str
) -> None:
    assert found(peer, *forwarded) == address


def test_whoever_comes_through_a_unix_socket_is_a_proxy_when_it_was_named() -> None:
    assert found(None, "6.6.6.6, 198.51.100.7", proxies=("unix",)) == "198.51.100.7"
    assert found(None, proxies=("unix",)) == ""
    assert found("198.51.100.7", "6.6.6.6", proxies=("unix",)) == "198.51.100.7"


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
NOISE = st.one_of(ADDRESSES, st.text(string.printable, max_size=60), st.text(max_size=20))


@given(peer=ADDRESSES, said=st.lists(NOISE, max_size=6))
def test_without_trusted_proxies_no_header_changes_the_address(peer: str, said: list[str]) -> None:
    assert found(peer, *said, proxies=()) == found(peer, proxies=())


@given(reader=ADDRESSES, said=st.lists(NOISE, max_size=6))
def test_nothing_a_reader_says_changes_what_a_proxy_saw(reader: str, said: list[str]) -> None:
    straight = found(reader, proxies=("192.0.2.1",))
    if reader != "192.0.2.1":
        assert found("192.0.2.1", *said, reader, proxies=("192.0.2.1",)) == straight
        assert found("192.0.2.1", ", ".join([*said, reader]), proxies=("192.0.2.1",)) == straight


@given(peer=st.one_of(st.none(), NOISE), said=st.lists(NOISE, max_size=6))
def test_whatever_is_said_gives_an_address_or_none(peer: str | None, said: list[str]) -> None:
    told = found(peer, *said, proxies=("0.0.0.0/0", "::/0", "unix"))
    assert told == "" or ip_network(told).prefixlen in (32, 64)


@given(network=st.integers(0, 2**64 - 1), one=st.integers(0, 2**64 - 1), other=st.integers(0, 2**64 - 1))
def test_all_addresses_of_a_connection_are_one(network: int, one: int, other: int) -> None:
    both = [IPv6Address(network << 64 | host) for host in (one, other)]
    if not any(address.ipv4_mapped for address in both):
        assert found(str(both[0])) == found(str(both[1]))


def test_what_is_stored_of_an_address_takes_the_secret_to_make() -> None:
    mine, other = Addresses((), "secret"), Addresses((), "other")
    assert mine.key("198.51.100.7") == Addresses((), "secret").key("198.51.100.7")
    assert len({mine.key("198.51.100.7"), mine.key("198.51.100.8"), other.key("198.51.100.7")}) == 3


@pytest.mark.parametrize("wrong", ["10.0.0.300", "10.0.0.1/8", "*", "proxy.internal", "10.0.0.0/33"])
def test_a_proxy_that_is_no_address_stops_the_start(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    from graph.errors import ConfigurationError

    monkeypatch.setenv("CITESIDE_TRUSTED_PROXIES", f"10.0.0.5,{wrong}")
    with pytest.raises(ConfigurationError, match="CITESIDE_TRUSTED_PROXIES: wants addresses and networks") as refused:
        load_settings(env_file=None)
    assert wrong not in str(refused.value)


def test_a_proxy_that_was_not_named_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    addresses = Addresses((), "secret")
    for _ in range(3):
        addresses.of(asked_from("198.51.100.7", "6.6.6.6"))
    [record] = caplog.records
    assert "CITESIDE_TRUSTED_PROXIES" in record.getMessage()
    assert "6.6.6.6" not in record.getMessage() and "198.51.100.7" not in record.getMessage()
