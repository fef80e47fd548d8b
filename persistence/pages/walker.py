"""Walks through a page's content once and writes down its blocks, section by section."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from selectolax.lexbor import LexborNode

from persistence.pages.blocks import Block, Label, Section
from persistence.pages.nodes import (
    BLOCKS,
    DEEPEST,
    HEADINGS,
    INVISIBLE,
    children,
    class_of,
    code_text,
    collapse,
    formula,
    is_silent,
    table_rows,
    words,
)


class Walker:
    """Goes through a page's content once and writes down its blocks; inline elements only add to the open text."""

    def __init__(self) -> None:
        self.title = ""
        self._sections = [Section(None, ())]
        self._levels: list[tuple[int, str]] = []
        self._labels: tuple[Label, ...] = ()
        self._numbers = count()
        self._text: list[str] = []
        self._images: list[str] = []
        self._list: Block | None = None
        self._bullet = ""
        self._indent = 0
        self._links = 0
        self._depth = 0

    def walk(self, node: LexborNode, without: LexborNode | None = None) -> None:
        """Write down what stands in a node, except its child `without`."""
        self._depth += 1
        for child in children(node):
            if without is None or child.mem_id != without.mem_id:
                self._visit(child)
        self._depth -= 1

    def finish(self) -> list[Section]:
        """Return the sections with text. A heading with nothing below it is kept as its own text."""
        self._flush()
        covered = {above for section in self._sections if section.blocks for above in _path(section)}
        for section in reversed(self._sections):  # from the deepest heading up: one that leads to text needs none
            if section.heading and section.heading not in covered:
                section.blocks.append(Block("paragraph", [section.heading[-1]]))
            covered.update(_path(section))
        return [section for section in self._sections if section.blocks]

    def _visit(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._text.append(node.text_content or "")
        elif tag == "br":
            self._text.append(" ")
        elif tag == "img":
            self._images.append(collapse(node.attributes.get("alt") or ""))
        elif is_silent(node):
            pass
        elif self._depth > DEEPEST:
            self._text.append(node.text(separator=" "))
        elif tag in HEADINGS:
            self._heading(node)
        elif tag == "pre" or (tag == "div" and "theme-code-block" in class_of(node)):
            self._code(node)
        elif tag in BLOCKS:
            self._flush()
            self._box(tag, node)
            self._flush()
        elif tag == "a":
            self._links += 1
            self.walk(node)
            self._links -= 1
        elif (tex := formula(node)) is not None:
            self._text.append(tex)
        else:
            self.walk(node)

    def _box(self, tag: str, node: LexborNode) -> None:
        names = class_of(node) if tag == "div" else ""
        if "theme-admonition" in names:
            self._admonition(node, names)
        elif "tabs-container" in names:
            self._tabs(node)
        elif tag == "details":
            summary = next((child for child in children(node) if child.tag == "summary"), None)
            self._labelled("details", summary, node)
        elif tag == "table":
            self._table(node)
        elif tag in ("ul", "ol"):
            self._items(node, ordered=tag == "ol")
        elif tag in ("dt", "dd"):
            self._item(node, "- ", self._indent + (tag == "dd"))
        else:
            self.walk(node)

    def _flush(self) -> None:
        """End the open text: it becomes a list item where a bullet waits for one, else a paragraph."""
        if self._text:
            text = collapse("".join(self._text))
            self._text.clear()
            if text and self._bullet:
                self._line(self._bullet + text)
            elif text:
                self._add(Block("paragraph", [text]))
        if self._images:
            for alt in filter(None, self._images):
                self._add(Block("image", [f"[image: {alt}]"]))
            self._images.clear()

    def _add(self, block: Block) -> None:
        block.labels = self._labels
        self._sections[-1].blocks.append(block)
        self._list = block if block.kind == "list" else None
        self._bullet = ""

    def _line(self, line: str) -> None:
        if self._list:
            self._list.lines.append(line)
            self._bullet = ""
        else:
            self._add(Block("list", [line]))

    def _heading(self, node: LexborNode) -> None:
        self._flush()
        text = words(node, self._images)
        level = int((node.tag or "h6")[1])
        anchor = node.attributes.get("id")
        if not text or (self._links and not anchor):
            self._text.append(text)  # the heading of a card, which is a link to another page
            self._flush()
        elif level == 1 and not self.title:
            self.title = text
        else:
            self._levels = [*((above, name) for above, name in self._levels if above < level), (level, text)]
            self._open(anchor or self._sections[-1].anchor, tuple(name for _, name in self._levels))

    def _open(self, anchor: str | None, heading: tuple[str, ...]) -> None:
        self._sections.append(Section(anchor, heading))
        self._list = None

    @contextmanager
    def _inside(self, text: str) -> Iterator[None]:
        """Label what is written down meanwhile. Headings inside hold only there: the section around goes on after."""
        section, levels, labels, indent = self._sections[-1], self._levels, self._labels, self._indent
        self._labels = (*labels, Label(next(self._numbers), text))
        self._indent, self._bullet, self._list = 0, "", None
        yield
        self._flush()
        self._levels, self._labels, self._indent, self._list = levels, labels, indent, None
        if self._sections[-1] is not section:
            self._open(section.anchor, section.heading)

    def _labelled(self, kind: str, title: LexborNode | None, node: LexborNode) -> None:
        name = words(title, self._images) if title else ""
        sections, blocks = len(self._sections), len(self._sections[-1].blocks)
        # The kind is in the class; a title that is not the kind itself was written by an author or a translator.
        with self._inside(f"[{kind}: {name}]" if name and name.lower() != kind else f"[{kind}]"):
            self.walk(node, without=title)
        if name and (sections, blocks) == (len(self._sections), len(self._sections[-1].blocks)):
            self._add(Block("paragraph", [name]))  # nothing below the title: then the title is the text

    def _admonition(self, node: LexborNode, names: str) -> None:
        kind = re.search(r"theme-admonition-([\w-]+)", names)
        title = next((child for child in children(node) if "admonitionHeading" in class_of(child)), None)
        self._labelled(re.sub(r"[^a-z]", "", kind[1].lower()) if kind else "note", title, node)

    def _tabs(self, node: LexborNode) -> None:
        inside = [part for child in children(node) for part in (child, *children(child))]
        tabs = [part for part in inside if part.attributes.get("role") == "tab"]
        panels = [part for part in inside if part.attributes.get("role") == "tabpanel"]
        if len(panels) < len(tabs):  # lazy tabs: only the panel of the chosen one is in the page
            tabs = [tab for tab in tabs if tab.attributes.get("aria-selected") == "true"]
        if len(panels) != len(tabs):
            self.walk(node)
            return
        for tab, panel in zip(tabs, panels, strict=True):
            with self._inside(f"[tab: {words(tab, self._images)}]"):
                self.walk(panel)

    def _items(self, node: LexborNode, *, ordered: bool) -> None:
        if not self._indent:
            self._list = None
        start = node.attributes.get("start") or "1"
        number = int(start) if start.isdecimal() else 1
        for child in children(node):
            if child.tag == "li":
                self._item(child, f"{number}. " if ordered else "- ", self._indent)
                number += 1
            else:
                self._visit(child)

    def _item(self, node: LexborNode, marker: str, indent: int) -> None:
        self._bullet = "  " * indent + marker
        before, self._indent = self._indent, indent + 1
        self.walk(node)
        self._flush()
        self._indent, self._bullet = before, ""

    def _code(self, node: LexborNode) -> None:
        self._flush()
        pre = node if node.tag == "pre" else node.css_first("pre")
        if pre is None:
            self.walk(node)
            return
        code = code_text(pre).translate(INVISIBLE).strip("\n")
        if not code.strip():
            return
        title = node.css_first("[class*=codeBlockTitle]")
        language = re.search(r"\blanguage-(\S+)", class_of(node))
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
        info = [language[1]] if language and language[1] != "undefined" else []
        info += [words(title, self._images)] if title else []
        self._add(Block("code", code.split("\n"), head=fence + " ".join(info)))

    def _table(self, node: LexborNode) -> None:
        caption = node.css_first("caption")
        if caption:
            self._text.append(words(caption, self._images))
        images: list[str] = []
        header, rows = table_rows(node, images)
        self._flush()
        width = max((len(row) for row in [header, *rows]), default=0)
        if width > 1:
            lines = ["\t".join(row + [""] * (width - len(row))) for row in [header, *rows] if any(row)]
            self._add(Block("table", lines[any(header) :], head=lines[0] if any(header) else ""))
        else:
            self._list = None
            self._text += header
            self._flush()
            for row in rows:
                self._line("  " * self._indent + "- " + row[0])
        self._images += images


def _path(section: Section) -> list[tuple[str, ...]]:
    return [section.heading[:depth] for depth in range(1, len(section.heading) + 1)]
