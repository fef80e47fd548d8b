"""Reads one page: finds its content, and what its head says about it."""

import re
from dataclasses import dataclass
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

from graph.errors import IngestError
from persistence.pages.blocks import Section
from persistence.pages.nodes import collapse, words
from persistence.pages.walker import Walker


@dataclass(slots=True)
class Page:
    """A page's text and head. `version` and `plugin` are None outside the docs; `listed` is False for noindex."""

    title: str
    locale: str | None
    version: str | None
    plugin: str | None
    listed: bool
    sections: list[Section]


_PARSED_AT_ONCE = 100_000
"""Bytes of a page that are parsed in a second, however they are nested."""
_DEEPEST = 5_000
_MOST_ATTRIBUTES = 5_000
_TAG = re.compile(rb"<(/?)([a-zA-Z][\w-]*)([^<>]*)>")
_QUOTED = re.compile(rb""""[^"]*"|'[^']*'""")
_UNCLOSED = frozenset(
    b"area base br circle col dd dt ellipse embed hr img input li line link meta option p path polygon polyline rect"
    b" source stop td th tr track use wbr".split()
)


def read_page(html: str | bytes) -> Page | None:
    """Read a page; None for one that holds nothing of its own: 404, search, redirect, tag list, archive, no words.

    Raises IngestError for one that would take the parser minutes.
    """
    _bound(html)
    document = LexborHTMLParser(html)
    root = _content(document)
    if root is None:
        return None
    walker = Walker()
    walker.walk(root)
    sections = walker.finish()
    if not sections:
        return None
    meta = _meta(document)
    version = meta.get("docsearch:version") or meta.get("docusaurus_version")
    plugin = _plugin(meta.get("docusaurus_tag", ""), version)
    language = document.css_first("html[lang]")
    return Page(
        title=walker.title or _title(document, meta),
        locale=meta.get("docusaurus_locale") or (language.attributes["lang"] if language else None),
        version=version if plugin else None,
        plugin=plugin,
        listed="noindex" not in meta.get("robots", ""),
        sections=sections,
    )


def _bound(html: str | bytes) -> None:
    """Refuse what the parser's time grows with the square of (selectolax 1.0: 5 s for 50,000 levels)."""
    if len(html) < _PARSED_AT_ONCE:
        return
    depth = 0
    for tag in _TAG.finditer(html if isinstance(html, bytes) else html.encode(errors="replace")):
        if tag[2].lower() not in _UNCLOSED and not tag[3].endswith(b"/"):
            depth = max(0, depth - 1) if tag[1] else depth + 1
        if depth > _DEEPEST:
            raise IngestError(f"It holds elements that are nested more than {_DEEPEST:,} levels deep.")
        if len(tag[3]) > _MOST_ATTRIBUTES and len(re.findall(rb"[\s/]+", _QUOTED.sub(b"", tag[3]))) > _MOST_ATTRIBUTES:
            raise IngestError(f"It holds an element with more than {_MOST_ATTRIBUTES:,} attributes.")


_LINK = re.compile(r"<link\b[^>]*>")
_ATTRIBUTE = re.compile(r"""\b(rel|href|hreflang)=(?:"([^"]*)"|'([^']*)'|([^\s>]*))""")


def read_links(html: bytes) -> tuple[str | None, list[str]]:
    """Return a page's canonical address and those of its translations.

    They are needed before a page is read, to tell where it stands; this takes a twentieth of the parser's time.
    """
    head = html[: html.find(b"</head>") if b"</head>" in html else None].decode(errors="replace")
    canonical: str | None = None
    translations: list[str] = []
    for link in _LINK.findall(head):
        attributes = {name: unescape("".join(value)) for name, *value in _ATTRIBUTE.findall(link)}
        if attributes.get("rel") == "canonical":
            canonical = attributes.get("href") or None
        elif attributes.get("rel") == "alternate" and "hreflang" in attributes and "href" in attributes:
            translations.append(attributes["href"])
    return canonical, translations


def _content(document: LexborHTMLParser) -> LexborNode | None:
    html = document.css_first("html")
    kinds = set((html.attributes.get("class") or "").split()) if html else set()
    if "plugin-native" in kinds or document.css_first("meta[http-equiv=refresh], meta[property=robots]"):
        return None  # the 404 page, a redirect, a search page (which alone writes `property=robots`)
    if "plugin-docs" in kinds:
        selectors = (".theme-doc-markdown", "main") if "docs-doc-page" in kinds else ()
    elif "plugin-blog" in kinds:
        selectors = ("article .markdown", "article") if "blog-post-page" in kinds else ()
    elif "mdx-page" in kinds:
        selectors = ("article", "main")
    else:
        selectors = (".main-wrapper", "main", "article")  # a home page's title often stands before its <main>
    return next((node for selector in selectors if (node := document.css_first(selector))), None)


def _meta(document: LexborHTMLParser) -> dict[str, str]:
    tags = (tag.attributes for tag in document.css("meta[content]"))
    return {tag.get("name") or tag.get("property") or "": tag["content"] or "" for tag in tags}


def _plugin(tag: str, version: str | None) -> str | None:
    """Return the docs plugin that a `docusaurus_tag` such as docs-default-1.0 names; other pages have `default`."""
    return tag.removesuffix(f"-{version}") if version and tag.endswith(f"-{version}") else None


def _title(document: LexborHTMLParser, meta: dict[str, str]) -> str:
    heading = document.css_first("h1")
    if heading and (text := words(heading, [])):
        return text
    element = document.css_first("title")
    full = meta.get("og:title") or (element.text() if element else "")
    return collapse(full.rpartition(" | ")[0] or full)
