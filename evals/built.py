"""Writes pages that are at hand as Markdown the way Docusaurus builds them, to be read by the product itself."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

BASE_URL = "https://docs.example.com/"

_FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)")
_BOX = re.compile(r"\s*:::+\s*(\w+)?\s*\[?(.*?)\]?\s*$")
_TITLE = re.compile(r"""\btitle=["']([^"']*)["']""")
_TAGS_ALONE = re.compile(r"\s*(?:</?[A-Za-z][^<>]*>\s*)+$|\s*\{/\*.*\*/\}\s*$")


@dataclass(frozen=True, slots=True)
class Part:
    """A heading and the Markdown below it; the part before the first heading has neither heading nor anchor."""

    anchor: str
    heading: str
    level: int
    markdown: str


def write_page(folder: Path, path: str, title: str, parts: Iterable[Part], *, base_url: str = BASE_URL) -> None:
    """Write a page of the current version in English at `path` below a build folder that `base_url` shows."""
    body = "".join(map(_part, parts))
    file = folder / path / "index.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        '<!doctype html><html lang=en class="plugin-docs plugin-id-default docs-doc-page"><head>'
        f"<title>{escape(title)}</title><meta name=docusaurus_locale content=en>"
        "<meta name=docusaurus_tag content=docs-default-current><meta name=docsearch:version content=current>"
        f'<link rel=canonical href="{base_url}{path}"></head><body><main><article>'
        f"<div class=theme-doc-markdown><h1>{escape(title)}</h1>{body}</div></article></main></body></html>",
        encoding="utf-8",
    )


def _part(part: Part) -> str:
    level = min(6, max(2, part.level))
    heading = f'<h{level} id="{escape(part.anchor)}">{escape(part.heading)}</h{level}>' if part.heading else ""
    return heading + "".join(_rendered(part.markdown))


def _rendered(text: str) -> Iterator[str]:
    """Yield HTML: boxes (`:::note`) as admonitions, the Markdown between them by markdown-it."""
    open_boxes = 0
    lines: list[str] = []
    for line, is_code in _without_mdx(text.splitlines()):
        box = None if is_code else _BOX.match(line)
        if box is None:
            lines.append(line)
            continue
        yield _markdown("\n".join(lines))
        lines = []
        if box[1]:
            open_boxes += 1
            yield (
                f'<div class="theme-admonition theme-admonition-{box[1]}"><div class=admonitionHeading_>'
                f"{escape(box[2] or box[1])}</div><div class=admonitionContent_>"
            )
        elif open_boxes:
            open_boxes -= 1
            yield "</div></div>"
    yield _markdown("\n".join(lines)) + "</div></div>" * open_boxes


def _without_mdx(lines: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Yield the lines a reader sees and whether each belongs to code: no imports, comments or component tags."""
    fence, hidden = "", False
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if not hidden:
                yield line, True
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence, hidden = "", False
        elif mark:
            fence, hidden = mark[1], mark[2].startswith("mdx-code-block")
            if not hidden:
                yield line, True
        elif not _TAGS_ALONE.match(line):
            yield line, False


def _code(_: object, tokens: Sequence[Token], at: int, *__: object) -> str:
    info = tokens[at].info.strip()
    language = (info.split() or ["text"])[0]
    title = _TITLE.search(info)
    shown = f"<div class=codeBlockTitle_>{escape(title[1])}</div>" if title else ""
    return (
        f'<div class="language-{escape(language)} theme-code-block">{shown}<div class=codeBlockContent_>'
        f'<pre class="language-{escape(language)}"><code>{escape(tokens[at].content)}</code></pre></div></div>'
    )


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("fence", _code)
    return reader


_READER = _reader()


def _markdown(text: str) -> str:
    return _READER.render(text)
