"""Finds a site's pages: in the folder of a build, or by a sitemap over HTTP."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote, urlsplit

from graph.errors import IngestError
from persistence.pages.reader import read_links


class Found(NamedTuple):
    """A page as it was found; `path` is its address below the site's base URL, without a leading slash."""

    path: str
    html: bytes


class Site(Protocol):
    """A site to read. `base_url` ends with a slash; base URL and path joined are a page's address."""

    @property
    def base_url(self) -> str:
        """Where the site is published."""
        ...

    @property
    def count(self) -> int:
        """How many pages are known of by now."""
        ...

    def pages(self) -> Iterator[Found]:
        """Read all pages, one after the other. Raises IngestError when one that must be there cannot be read."""
        ...


@contextmanager
def open_site(source: str, base_url: str | None = None, *, allow_private: bool = False) -> Iterator[Site]:
    """Open the site in a folder or behind a URL: that of a sitemap, or of a site with a `sitemap.xml` below it.

    `base_url` overrides the address under which readers see the site. A URL in a private network is read only with
    `allow_private`. Raises IngestError when nothing is there.
    """
    base_url = f"{base_url.rstrip('/')}/" if base_url else None
    if source.startswith(("http://", "https://")):
        from persistence.pages.sitemap import open_sitemap  # httpx is not needed for a folder

        with open_sitemap(source, base_url, allow_private=allow_private) as site:
            yield site
    else:
        yield Folder(Path(source).expanduser(), base_url)


def base_path_of(folder: Path) -> str:
    """Return the path a build folder's site has to be served under, such as "/" or "/project/". Raises IngestError."""
    return urlsplit(Folder(folder, None).base_url).path


class Folder:
    """The output of `docusaurus build`, with or without a sitemap in it."""

    def __init__(self, folder: Path, base_url: str | None) -> None:
        """List the folder's pages and learn their addresses from what they call canonical."""
        if any(folder.glob("docusaurus.config.*")):
            raise IngestError(f"{folder} holds a site's sources. Run `npm run build` in it and give {folder}/build.")
        self._folder = folder
        pages = (file for file in folder.rglob("*.html") if file.name != "404.html")
        self._files = sorted(file for file in pages if file.is_file())  # a route may end in .html: then it is a folder
        if not self._files:
            missing = f"{folder} holds no HTML page" if folder.is_dir() else f"There is no folder {folder}"
            raise IngestError(f"{missing}. Give the build folder of a Docusaurus site, or the URL of its sitemap.")
        self._learn(base_url)

    @property
    def base_url(self) -> str:
        """Where the site is published."""
        return self._base_url

    @property
    def count(self) -> int:
        """How many HTML files the folder holds."""
        return len(self._files)

    def pages(self) -> Iterator[Found]:
        """Read the files in the order of their names."""
        for file in self._files:
            html = _read(file)
            canonical, _ = read_links(html)
            yield Found(self._path(_route(file, self._folder), canonical), html)

    def _learn(self, base_url: str | None) -> None:
        """Take base URL and style of addresses from most of the upper pages: some name another page as canonical."""
        bases: Counter[str] = Counter()
        slashes: Counter[bool] = Counter()
        for file in sorted(self._files, key=lambda file: len(file.parts))[:50]:
            route = _route(file, self._folder)
            canonical, _ = read_links(_read(file))
            if canonical and (base := _base(canonical, route)):
                bases[base] += 1
                slashes[canonical.endswith("/")] += bool(route)
        if not (base_url or bases):
            raise IngestError(f"No page in {self._folder} names its own address as canonical. Give --base-url.")
        self._base_url = base_url or bases.most_common(1)[0][0]
        self._slash = slashes[True] > slashes[False]

    def _path(self, route: str, canonical: str | None) -> str:
        if canonical and (base := _base(canonical, route)):
            return canonical[len(base) :]  # with a trailing slash or not, as the page itself has it
        return quote(route) + ("/" if self._slash and route else "")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise IngestError(f"{file} cannot be read: {error.strerror}.") from error


def _route(file: Path, folder: Path) -> str:
    """Return the path a file is served under, without slashes around it: "docs/intro" for docs/intro/index.html."""
    route = file.relative_to(folder).with_suffix("")
    return (route.parent if route.name == "index" else route).as_posix().removeprefix(".")


def _base(canonical: str, route: str) -> str | None:
    """Return what stands before a page's own route in its canonical address, None when that is another page's."""
    if not canonical.startswith(("http://", "https://")):
        return None
    if not route:
        return f"{canonical.rstrip('/')}/"
    parts = canonical.rstrip("/").split("/")
    above = len(parts) - len(route.split("/"))
    return f"{'/'.join(parts[:above])}/" if unquote("/".join(parts[above:])) == route else None
