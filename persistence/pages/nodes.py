"""Tells what of an HTML element is text, and reads the words of small ones: headings, cells, labels, code."""

from collections.abc import Iterator

from selectolax.lexbor import LexborNode

HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
BLOCKS = set(
    "address article aside blockquote body caption center dd details div dl dt fieldset figcaption figure footer form"
    " header hgroup hr legend li main ol p pre section summary table tbody td tfoot th thead tr ul".split()
) | set(HEADINGS)
_SILENT = set(
    "-comment audio button canvas embed head iframe link meta nav noscript object script select style svg template"
    " textarea title video".split()
)
_CHROME = ("theme-doc-version-b", "theme-doc-toc-", "table-of-contents", "theme-unlisted-banner")
INVISIBLE = dict.fromkeys(
    [*map(ord, "\u00ad\u200b\u2060\ufeff"), *range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xE0000, 0xE0080)]
)
"""Characters without a width, overrides of direction and tags; not U+200C and U+200D: scripts and emoji need them."""
DEEPEST = 100  # levels of nesting after which markup is broken and only its words are taken


def collapse(text: str) -> str:
    return " ".join(text.translate(INVISIBLE).split())


def class_of(node: LexborNode) -> str:
    return node.attributes.get("class") or ""


def children(node: LexborNode | None) -> Iterator[LexborNode]:
    child = node.child if node else None
    while child:
        yield child
        child = child.next


def is_silent(node: LexborNode) -> bool:
    """Tell whether nothing of a node is text: controls, pictures, links to a heading itself, footnote numbers."""
    tag = node.tag
    if tag == "a":
        attributes = node.attributes
        return (
            "hash-link" in (attributes.get("class") or "")
            or "data-footnote-ref" in attributes
            or "data-footnote-backref" in attributes
        )
    if tag in ("div", "ul"):
        return any(name in class_of(node) for name in _CHROME)
    return tag in _SILENT or (tag == "span" and "theme-doc-version-b" in class_of(node))


def formula(node: LexborNode) -> str | None:
    """Return the TeX of a KaTeX element, which holds each formula three times: as MathML, TeX and boxes."""
    if node.tag == "span" and class_of(node) == "katex" and (tex := node.css_first("annotation")):
        return tex.text()
    return None


def words(node: LexborNode, images: list[str]) -> str:
    """Return all words below a node as one line, and add the alternative texts of its images to `images`."""
    found: list[str] = []
    _gather(node, found, images, DEEPEST)
    return collapse("".join(found))


def _gather(node: LexborNode, found: list[str], images: list[str], depth: int) -> None:
    for child in children(node):
        tag = child.tag or ""
        if tag == "-text":
            found.append(child.text_content or "")
        elif tag == "img":
            images.append(collapse(child.attributes.get("alt") or ""))
        elif not is_silent(child):
            around = " " if tag in BLOCKS or tag == "br" else ""
            found.append(around)
            if (tex := formula(child)) is not None:
                found.append(tex)
            elif depth:
                _gather(child, found, images, depth - 1)
            else:
                found.append(child.text(separator=" "))
            found.append(around)


def code_text(pre: LexborNode) -> str:
    lines = pre.css(".token-line")  # one per line, each ended by a <br>
    if lines:
        return "\n".join(line.text().rstrip("\n") for line in lines)
    parts = pre.traverse(include_text=True)
    return "".join("\n" if part.tag == "br" else part.text_content or "" for part in parts)


def table_rows(table: LexborNode, images: list[str]) -> tuple[list[str], list[list[str]]]:
    """Return the header row (empty when there is none) and the rows with words, each cell in its column.

    A cell that spans several columns or rows stands in the first of them; the others are left empty.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    taken: dict[int, int] = {}  # column -> rows below that a cell above still covers
    for line in _lines(table):
        row: list[str] = []
        cells = [cell for cell in children(line) if cell.tag in ("td", "th")]
        for cell in cells:
            _skip(row, taken)
            column = len(row)
            row += [words(cell, images), *[""] * (_span(cell, "colspan") - 1)]
            taken |= dict.fromkeys(range(column, len(row)), _span(cell, "rowspan") - 1)
        _skip(row, taken)
        if not header and not rows and cells and all(cell.tag == "th" for cell in cells):
            header = row
        elif any(row):
            rows.append(row)
    return header, rows


def _skip(row: list[str], taken: dict[int, int]) -> None:
    while taken.get(len(row)):
        taken[len(row)] -= 1
        row.append("")


def _lines(table: LexborNode) -> Iterator[LexborNode]:
    for child in children(table):
        if child.tag == "tr":
            yield child
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from (line for line in children(child) if line.tag == "tr")


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or ""
    return min(int(value), 100) if value.isdecimal() and value != "0" else 1
