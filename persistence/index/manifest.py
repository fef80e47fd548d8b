"""Says what one generation of the index holds, and which of its passages a reader at some place should see."""

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from graph.types import Frozen, Scope
from persistence.index.keywords import Keywords

if TYPE_CHECKING:
    from persistence.passages import IndexedPassage

# docusaurus_tag of everything outside the docs, and of the docs plugin that was given no id.
OUTSIDE_DOCS = "default"
MAIN_PLUGIN = "docs-default"

# Counts up when the same pages are indexed in another way, so that an older index is written anew.
LAYOUT = 3


def tag_of(passage: "IndexedPassage") -> str:
    """Return what Docusaurus calls docusaurus_tag: plugin and version, e.g. `docs-default-1.0`."""
    return f"{passage.plugin}-{passage.version}" if passage.plugin else OUTSIDE_DOCS


class Route(Frozen):
    """Where the pages of one version of a docs plugin lie; `prefix` is below the base URL, without slashes around."""

    prefix: str
    plugin: str
    version: str
    last: bool

    @property
    def tag(self) -> str:
        """The tag of its passages."""
        return f"{self.plugin}-{self.version}"

    def leads_to(self, path: str) -> bool:
        """Tell whether a page lies under this route."""
        return not self.prefix or path == self.prefix or path.startswith(f"{self.prefix}/")


class Visible(NamedTuple):
    """The passages a search looks at: those of a locale (None: of any) that carry one of the tags."""

    locale: str | None
    tags: tuple[str, ...]


class Manifest(Frozen):
    """What a generation holds. `pages` maps a page's URL to the sha256 of what was ingested from it.

    `layout` is that of the code which wrote it, and 1 in manifests that do not say.
    """

    layout: int = 1
    generation: str
    created_at: datetime
    embedding_model: str
    dimensions: int
    base_url: str
    default_locale: str | None
    locales: tuple[str, ...]
    routes: tuple[Route, ...]
    pages: dict[str, str]
    keywords: Keywords

    @property
    def passages(self) -> int:
        """How many passages the generation holds."""
        return self.keywords.passages

    def is_read_by(self, embedding_model: str) -> bool:
        """Tell whether this version can search the generation with the model that is configured."""
        return (self.layout, self.embedding_model) == (LAYOUT, embedding_model)

    def page_at(self, address: str) -> str | None:
        """Return the path below the base URL of the page that a URL or a path means, None when there is none."""
        path = address.partition("#")[0].partition("?")[0].removeprefix(self.base_url)
        path = path.removeprefix(urlsplit(self.base_url).path).lstrip("/")
        variants = (path, path.rstrip("/"), f"{path.rstrip('/')}/")
        return next((variant for variant in variants if self.base_url + variant in self.pages), None)

    def visible(self, scope: Scope) -> Visible:
        """Return what a reader at `scope` sees: the version of the docs they read, the last ones of all others."""
        locale = scope.locale if scope.locale in self.locales else self.default_locale
        here = self._route_of(scope)
        tags = {route.tag for route in self.routes if route.last and (here is None or route.plugin != here.plugin)}
        return Visible(locale, tuple(sorted({OUTSIDE_DOCS, *tags, *([here.tag] if here else [])})))

    def _route_of(self, scope: Scope) -> Route | None:
        """Find the reader's docs plugin by the longest route that leads to their page, then its version."""
        path = (scope.path or "").partition("#")[0].strip("/")
        leading = [route for route in self.routes if scope.path is not None and route.leads_to(path)]
        nearest = max(leading, key=lambda route: len(route.prefix), default=None)
        if scope.version is None:
            return nearest
        by_plugin = {route.plugin: route for route in self.routes if route.version == scope.version}
        plugin = nearest.plugin if nearest else MAIN_PLUGIN
        only = next(iter(by_plugin.values())) if len(by_plugin) == 1 else None
        return by_plugin.get(plugin) or nearest or only
