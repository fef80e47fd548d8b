"""Reads a site over HTTP, page by page of its sitemap."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from xml.etree import ElementTree

import httpx

from graph.errors import IngestError
from persistence.pages.reader import read_links
from persistence.pages.sites import Found
from persistence.pages.web import Elsewhere, Web, open_web

PAGES = 50_000  # the most that the sitemap protocol allows in one file
_SITEMAPS = 1_000
_AT_ONCE = 8


@contextmanager
def open_sitemap(url: str, base_url: str | None, *, allow_private: bool) -> Iterator["Sitemap"]:
    """Open the site whose sitemap is at `url` or right below it. Raises IngestError when there is none.

    Files are read from its host and from that of `base_url`; only with `allow_private` from a private network.
    """
    try:
        address = httpx.URL(url).copy_with(query=None, fragment=None)
        hosts = frozenset({address.netloc, httpx.URL(base_url or url).netloc})
    except httpx.InvalidURL as error:
        raise IngestError(f"{url!r} is no URL: {error}.") from error
    if not address.path.endswith(".xml"):
        address = httpx.URL(f"{str(address).rstrip('/')}/sitemap.xml")
    with open_web(hosts, allow_private=allow_private) as web:
        yield Sitemap(address, base_url, web)


class Sitemap:
    """The pages a sitemap lists and their translations, which Docusaurus lists in a sitemap for each locale."""

    def __init__(self, address: httpx.URL, base_url: str | None, web: Web) -> None:
        """Read the sitemap. Raises IngestError when there is none or it lists no page of its own site."""
        self._address = address
        self._root = address.join("./")
        self._web = web
        self._sitemaps: set[httpx.URL] = set()
        locations = list(self._locations(address, depth=2))
        self._paths = dict.fromkeys(self._below(locations))
        if not self._paths:
            listed = f"such as {locations[0]}" if locations else "none at all"
            raise IngestError(f"{address} lists no page below {self._root}, but {listed}. Give the site's own sitemap.")
        self._bound()
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
                    self._bound()
                    yield Found(path, html)

    def _bound(self) -> None:
        if len(self._paths) > PAGES:
            raise IngestError(f"{self._address} leads to more than {PAGES:,} pages. Ingest the build folder.")

    def _page(self, path: str) -> bytes | None:
        try:
            return self._web.get(self._root.join(f"./{path}"), "html")
        except Elsewhere:
            return None

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
        if address in self._sitemaps:
            return
        self._sitemaps.add(address)
        if len(self._sitemaps) > _SITEMAPS:
            raise IngestError(f"{self._address} leads to more than {_SITEMAPS:,} sitemaps. Ingest the build folder.")
        try:
            xml = self._web.get(address, "xml")
        except Elsewhere as elsewhere:
            raise IngestError(f"{address} leads to {elsewhere}, on another host. Give the URL there.") from None
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
