"""Reads a site over HTTP, page by page of its sitemap, and never from another host than the one it was given."""

import ipaddress
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from xml.etree import ElementTree

import httpx

from graph.errors import IngestError
from persistence.pages.reader import read_links
from persistence.pages.sites import Found

SECONDS_PER_FILE = 60
BYTES_PER_FILE = 20_000_000
PAGES = 50_000  # the most that the sitemap protocol allows in one file
_AT_ONCE = 8


@contextmanager
def open_sitemap(url: str, base_url: str | None) -> Iterator["Sitemap"]:
    """Open the site whose sitemap is at `url` or right below it. Raises IngestError when there is none."""
    try:
        address = httpx.URL(url).copy_with(query=None, fragment=None)
    except httpx.InvalidURL as error:
        raise IngestError(f"{url!r} is no URL: {error}.") from error
    if not address.path.endswith(".xml"):
        address = httpx.URL(f"{str(address).rstrip('/')}/sitemap.xml")
    with httpx.Client(timeout=20, headers={"user-agent": "citeside-ingest"}) as client:
        yield Sitemap(address, base_url, _Web(client, address.netloc))


class Sitemap:
    """The pages a sitemap lists and their translations, which Docusaurus lists in a sitemap for each locale."""

    def __init__(self, address: httpx.URL, base_url: str | None, web: "_Web") -> None:
        """Read the sitemap. Raises IngestError when there is none or it lists no page of its own site."""
        self._address = address
        self._root = address.join("./")
        self._web = web
        locations = list(self._locations(address, depth=2))
        self._paths = dict.fromkeys(self._below(locations))
        if not self._paths:
            listed = f"such as {locations[0]}" if locations else "none at all"
            raise IngestError(f"{address} lists no page below {self._root}, but {listed}. Give the site's own sitemap.")
        # A site served from elsewhere than it is published, say for a preview, is read here and cited there.
        published = next(location for location in locations if list(self._below([location])))
        self._base_url = base_url or str(httpx.URL(published).join(self._root.path))

    @property
    def base_url(self) -> str:
        """Where the site is published."""
        return self._base_url

    @property
    def count(self) -> int:
        """How many pages are known of: those listed and the translations found so far."""
        return len(self._paths)

    def pages(self) -> Iterator[Found]:
        """Read the pages, some at once. A page that is gone since the sitemap was written is left out."""
        waiting = deque(self._paths)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            while waiting:
                paths = [waiting.popleft() for _ in range(min(len(waiting), 2 * _AT_ONCE))]
                for path, html in zip(paths, threads.map(self._page, paths), strict=True):
                    if html is None:
                        continue
                    _, translations = read_links(html)
                    new = [path for path in self._below(translations) if path not in self._paths]
                    self._paths.update(dict.fromkeys(new))
                    waiting.extend(dict.fromkeys(new))
                    if len(self._paths) > PAGES:
                        raise IngestError(
                            f"{self._address} leads to more than {PAGES:,} pages. Ingest the build folder."
                        )
                    yield Found(path, html)

    def _page(self, path: str) -> bytes | None:
        return self._web.get(self._root.join(f"./{path}"), "html")

    def _below(self, locations: Iterable[str]) -> Iterator[str]:
        """Yield the paths below the sitemap's own folder, whatever host the locations name."""
        for location in locations:
            try:
                path = httpx.URL(location).raw_path.decode().partition("?")[0]
            except httpx.InvalidURL:
                continue
            if path.startswith(root := self._root.raw_path.decode()):
                yield path[len(root) :]

    def _locations(self, address: httpx.URL, depth: int) -> Iterator[str]:
        xml = self._web.get(address, "xml")
        if xml is None:
            raise IngestError(f"There is no sitemap at {address}. Give its URL, or the build folder of the site.")
        try:
            # Expat bounds what entities may expand to (since 2.4.1), and the file's size is capped.
            root = ElementTree.fromstring(xml)  # noqa: S314
        except ElementTree.ParseError as error:
            raise IngestError(f"{address} is no sitemap: {error}.") from error
        locations = [(entry.text or "").strip() for entry in root.iterfind("{*}*/{*}loc")]
        if not root.tag.endswith("sitemapindex"):
            yield from locations
        elif depth:
            for path in self._below(locations):
                yield from self._locations(self._root.join(f"./{path}"), depth - 1)


class _Web:
    """GETs files from one host, within limits."""

    def __init__(self, client: httpx.Client, host: bytes) -> None:
        self._client = client
        self._host = host
        self._public: bool | None = None

    def get(self, address: httpx.URL, kind: str) -> bytes | None:
        """Return a file whose content type names `kind`; None when there is none. Asks twice before it gives up."""
        for last in (False, True):
            try:
                return self._get(address, kind)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if last:
                    reason = str(error).partition("\n")[0] or type(error).__name__
                    raise IngestError(f"{address} cannot be read: {reason}.") from error
        return None

    def _get(self, address: httpx.URL, kind: str) -> bytes | None:
        for _ in range(5):
            with self._client.stream("GET", address) as response:
                self._check_peer(address, response)
                if response.has_redirect_location:
                    address = address.join(response.headers["location"])
                    if address.netloc != self._host:
                        return None
                    continue
                if response.status_code in (404, 410):
                    return None
                response.raise_for_status()
                return self._body(address, response) if kind in response.headers.get("content-type", "") else None
        return None

    def _check_peer(self, address: httpx.URL, response: httpx.Response) -> None:
        """Refuse a public site that leads into a private network, whatever its name resolves to by now."""
        peer = ipaddress.ip_address(response.extensions["network_stream"].get_extra_info("server_addr")[0])
        if self._public is None:
            self._public = peer.is_global
        elif self._public and not peer.is_global:
            raise IngestError(f"{address} is answered by {peer}, which is not on the public network as the sitemap is.")

    @staticmethod
    def _body(address: httpx.URL, response: httpx.Response) -> bytes:
        body = bytearray()
        late = time.monotonic() + SECONDS_PER_FILE
        for part in response.iter_bytes():
            body += part
            if len(body) > BYTES_PER_FILE or time.monotonic() > late:
                raise IngestError(f"{address} exceeds {BYTES_PER_FILE:,} bytes or {SECONDS_PER_FILE} seconds.")
        return bytes(body)
