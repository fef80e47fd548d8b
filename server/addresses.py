"""Finds out from which address a request comes, believing no header that a stranger could have written."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from server.logs import log_for

log = log_for(__name__)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNIX = "unix"
"""Stands in the list of trusted proxies for whoever connects through a Unix socket, who has no address."""

_SITE = 64
"""Bits of an IPv6 address that are a connection's; it may choose the others, and so have 2^64 addresses."""


class Addresses:
    """Tells who asks, given the proxies whose word counts."""

    def __init__(self, proxies: Sequence[str], secret: str) -> None:
        self._networks = tuple(ip_network(each) for each in proxies if each != UNIX)
        self._trusts_socket = UNIX in proxies
        self._secret = secret.encode()
        self._warned = False

    def of(self, scope: Scope) -> str:
        """Return the address behind a request, an IPv6 one as its /64; empty where there is none to know.

        That is the peer, unless the peer is a trusted proxy: then the right-most address in X-Forwarded-For that is not
        one, for each proxy writes down on the right whom it got the request from, and what stands left of that came
        with the request. An entry that is no address ends the search at the proxy that wrote it.
        """
        found = _parsed(scope["client"][0]) if scope.get("client") else None
        if self._trusted(found):
            forwarded = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
            for entry in reversed(forwarded.split(",")) if forwarded else ():
                if (named := _parsed(entry)) is None:
                    break
                found = named
                if not self._trusted(found):
                    break
        elif not self._warned and "x-forwarded-for" in Headers(scope=scope):
            self._warned = True  # once: a stranger can send it as often as they like
            log.warning("X-Forwarded-For is not believed; is there a proxy to name in CITESIDE_TRUSTED_PROXIES?")
        return _whose(found) if found else ""

    def key(self, address: str) -> bytes:
        """Return what is stored of an address: a hash that takes the deployment's secret to make, new every day."""
        today = datetime.now(UTC).date().isoformat()
        return hmac.digest(self._secret, f"{today} {address}".encode(), hashlib.sha256)[:16]

    def _trusted(self, address: Address | None) -> bool:
        if address is None:
            return self._trusts_socket
        return any(address in network for network in self._networks)


def proxy(text: str) -> str:
    """Return a trusted proxy's address or network as written. Raises ValueError when it is neither, nor `unix`."""
    if text != UNIX:
        try:
            ip_network(text)
        except ValueError:
            raise ValueError(
                "wants addresses and networks such as 10.0.0.5, 10.0.0.0/8 or fd00::/8 (no bit set behind the "
                "prefix), or unix for a Unix socket"
            ) from None
    return text


def _parsed(text: str) -> Address | None:
    """Read an address as peers and headers have it: with spaces around, a port behind, a zone, in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _whose(address: Address) -> str:
    """Return whose address it is: of an IPv6 address its /64."""
    return str(address if isinstance(address, IPv4Address) else IPv6Network((int(address), _SITE), strict=False))
