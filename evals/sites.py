"""The built sites that cases are about: read once, independently of any index, to check answers against."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from persistence.pages import open_site, read_page
from persistence.passages import IndexedPassage, cut_into_passages

_ID = re.compile(r"""\sid=(?:"([^"]*)"|'([^']*)'|([^\s>]+))""")
_NOT_OF_THE_PAGE = re.compile(r"^\s*(?:`{3,}.*|\[[a-z]+(?:: .*)?\]|[-*] |\d{1,3}[.)] )", re.MULTILINE)
_SPACE = re.compile(r"\s+|\u200b")


@dataclass(frozen=True)
class SitePage:
    """A page as it was built: where it stands, its anchors, its passages and its words."""

    path: str
    title: str
    version: str | None
    locale: str | None
    anchors: frozenset[str]
    passages: tuple[IndexedPassage, ...]
    html: bytes = field(repr=False)

    @cached_property
    def _words(self) -> str:
        body = LexborHTMLParser(self.html).body
        return _SPACE.sub("", body.text() if body else "")

    def says(self, quote: str) -> bool:
        """Tell whether each line of a quote stands in the page's HTML, white space apart."""
        lines = (_SPACE.sub("", line) for line in _NOT_OF_THE_PAGE.sub("", quote).split("\n"))
        return all(line in self._words for line in lines)


@dataclass(frozen=True)
class EvalSite:
    """A built site with a name that cases refer to; `pages` by their path below the base URL, without an anchor."""

    name: str
    folder: Path
    base_url: str
    pages: dict[str, SitePage]

    def page_of(self, path: str) -> SitePage | None:
        """Return the page that a path with or without an anchor leads to."""
        return self.pages.get(path.partition("#")[0])

    def passages(self) -> Iterator[IndexedPassage]:
        """Yield all passages, page by page."""
        for page in self.pages.values():
            yield from page.passages


def read_site(name: str, folder: Path, base_url: str | None = None) -> EvalSite:
    """Read a built site. Raises IngestError when the folder holds none."""
    pages: dict[str, SitePage] = {}
    with open_site(str(folder), base_url) as site:
        for found in site.pages():
            if page := read_page(found.html):
                pages[found.path] = SitePage(
                    path=found.path,
                    title=page.title,
                    version=page.version,
                    locale=page.locale,
                    anchors=frozenset("".join(m) for m in _ID.findall(found.html.decode(errors="replace"))),
                    passages=tuple(cut_into_passages(page, site.base_url + found.path, found.path)),
                    html=found.html,
                )
        return EvalSite(name, folder, site.base_url, pages)
