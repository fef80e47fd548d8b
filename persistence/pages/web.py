"""GETs files of a site for ingest: from the hosts it was given, at public addresses, within limits.

A name is resolved once and its addresses are looked at before any of them is connected to, and only they are: what the
name resolves to later, or where a redirect points, leads nowhere else.
"""

import ipaddress
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import httpx

from graph.errors import IngestError

SECONDS_PER_FILE = 60
BYTES_PER_FILE = 20_000_000
SECONDS = 2 * 3600
BYTES = 4_000_000_000
"""For all files of an ingest together, as they are when decompressed."""
REDIRECTS = 5

_EMBEDDING = [ipaddress.IPv6Network(network) for network in ("::ffff:0:0/96", "64:ff9b::/96")]
_6TO4 = ipaddress.IPv6Network("2002::/16")
_UNICAST = ipaddress.IPv6Network("2000::/3")
_OF_CLOUDS = [ipaddress.IPv4Network(network) for network in ("168.63.129.16/32", "192.0.0.0/24")]
"""Where virtual machines of Azure and Oracle ask who they are, which the registries do not call private."""

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: _Ip) -> bool:
    """Tell whether an address is on the public network; in a mapped, NAT64 or 6to4 one the IPv4 address counts."""
    if isinstance(address, ipaddress.IPv6Address):
        if any(address in network for network in _EMBEDDING):
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address in _6TO4:
            return is_public(ipaddress.IPv4Address((int(address) >> 80) & 0xFFFFFFFF))
        return address in _UNICAST and address.is_global
    return address.is_global and not address.is_multicast and not any(address in network for network in _OF_CLOUDS)


class Elsewhere(Exception):
    """A file is on a host that ingest may not ask."""


@contextmanager
def open_web(hosts: frozenset[bytes], *, allow_private: bool) -> "Iterator[Web]":
    """Give what GETs files from `hosts`, each a name with its port as in `httpx.URL.netloc`.

    No proxy of the environment is asked, for it would resolve the names anew.
    """
    context = httpx.create_ssl_context()
    with httpx.Client(timeout=20, trust_env=False, verify=context, headers=_HEADERS) as client:
        yield Web(client, hosts, allow_private=allow_private)


_HEADERS = {"user-agent": "citeside-ingest", "accept-encoding": "gzip"}


class Web:
    """GETs files, several at once if asked from several threads."""

    def __init__(self, client: httpx.Client, hosts: frozenset[bytes], *, allow_private: bool) -> None:
        self._client = client
        self._hosts = hosts
        self._allow_private = allow_private
        self._resolved: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self._left = BYTES
        self._late = time.monotonic() + SECONDS

    def get(self, address: httpx.URL, kind: Literal["html", "xml"]) -> bytes | None:
        """Return a file whose content type names `kind`; None when there is none. Asks twice before it gives up.

        Raises Elsewhere when it is on another host, IngestError when it cannot or may not be read.
        """
        for last in (False, True):
            try:
                return self._get(address, kind)
            except (httpx.HTTPError, httpx.InvalidURL, zlib.error) as error:
                if last:
                    reason = str(error).partition("\n")[0] or type(error).__name__
                    raise IngestError(f"{address} cannot be read: {reason}.") from error
        return None

    def _get(self, address: httpx.URL, kind: str) -> bytes | None:
        for _ in range(REDIRECTS):
            if address.scheme not in {"http", "https"} or address.netloc not in self._hosts:
                raise Elsewhere(str(address))
            with self._asked(address) as response:
                if response.has_redirect_location:
                    address = address.join(response.headers["location"])
                    continue
                if response.status_code in (404, 410):
                    return None
                response.raise_for_status()
                return self._body(address, response) if kind in response.headers.get("content-type", "") else None
        raise IngestError(
            f"{address} is where {REDIRECTS} redirects led, one after the other. Give the site's own URL."
        )

    @contextmanager
    def _asked(self, address: httpx.URL) -> Iterator[httpx.Response]:
        """Ask the host of `address` at the addresses that were looked at, and tell it by which name it is asked."""
        *others, last = self._addresses(address)
        for ip in [*others, last]:
            request = self._client.build_request(
                "GET",
                address.copy_with(host=ip),
                headers={"host": address.netloc.decode()},
                extensions={"sni_hostname": address.host},
            )
            try:
                response = self._client.send(request, stream=True)
            except httpx.ConnectError:
                if ip is last:
                    raise
                continue
            try:
                response.request.url = address  # what errors name
                yield response
            finally:
                response.close()
            return

    def _addresses(self, address: httpx.URL) -> list[str]:
        """Return the addresses of a host, looked at once. Raises IngestError for one that is not public."""
        with self._lock:
            if (known := self._resolved.get(address.host)) is not None:
                return known
            try:
                found = socket.getaddrinfo(address.host, address.port or 443, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                raise IngestError(f"{address} cannot be read: {address.host} cannot be resolved ({error}).") from error
            ips = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            for ip in ips:
                if not self._allow_private and not is_public(ipaddress.ip_address(ip)):
                    raise IngestError(
                        f"{address} is not read: {address.host} is at {ip}, which is not on the public network. "
                        "For a site on this machine or in a network of yours, add --allow-private."
                    )
            self._resolved[address.host] = ips
            return ips

    def _body(self, address: httpx.URL, response: httpx.Response) -> bytes:
        """Read a file as it is decompressed, no further than it may go."""
        encoding = response.headers.get("content-encoding", "identity").lower()
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise IngestError(f"{address} is compressed as {encoding!r}, but only gzip was asked for.")
        unpacking = None if encoding == "identity" else zlib.decompressobj(wbits=31)
        late = time.monotonic() + SECONDS_PER_FILE
        body = bytearray()
        for part in response.iter_raw():
            body += unpacking.decompress(part, BYTES_PER_FILE + 1 - len(body)) if unpacking else part
            if len(body) > BYTES_PER_FILE or time.monotonic() > late:
                raise IngestError(f"{address} exceeds {BYTES_PER_FILE:,} bytes or {SECONDS_PER_FILE} seconds.")
        with self._lock:
            self._left -= len(body)
        if self._left < 0 or time.monotonic() > self._late:
            raise IngestError(
                f"The site exceeds {BYTES:,} bytes or {SECONDS} seconds at {address}. Ingest the build folder."
            )
        return bytes(body)
