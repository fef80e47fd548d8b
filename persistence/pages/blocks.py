"""What a page is made of, once read: sections of blocks in the grammar of `graph.units`."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple


class Label(NamedTuple):
    """The line that names a tab, an admonition or a details box; `number` tells two boxes of one name apart."""

    number: int
    text: str


@dataclass(slots=True)
class Block:
    """A paragraph, list, code block, table or image, and the boxes it stands in, outermost first.

    `head` is the line that opens code (its fence) or a table (its header row). `lines` are those after it: a
    paragraph and an image have one, a list one per item, a table one per row with its cells apart by tabs.
    """

    kind: Literal["paragraph", "list", "code", "table", "image"]
    lines: list[str]
    head: str = ""
    labels: tuple[Label, ...] = ()


@dataclass(slots=True)
class Section:
    """What stands below a heading; `heading` is the path of headings below the page's title."""

    anchor: str | None
    heading: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)
