"""Cuts a page into the passages that are searched and cited: each fits the embedding model and has one anchor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexedPassage:
    """A passage as it is stored in the index.

    `url` and `path` carry the anchor; `path` and `page` are below the site's base URL, without a leading slash.
    `heading` is the path of headings below the title, joined by ` > `; `text` is in the grammar of `graph.units`;
    `position` counts from 0 within the page. `version` and `plugin` are None for blog posts and plain pages.
    `last` says that the passage belongs to what a reader gets without asking for a version.
    """

    id: str
    url: str
    path: str
    page: str
    title: str
    heading: str
    text: str
    position: int
    locale: str | None
    version: str | None
    plugin: str | None
    last: bool

    @property
    def embedded(self) -> str:
        """The text that vectors and keywords are made of: title and headings say what the text is about."""
        return f"{self.title} > {self.heading}\n\n{self.text}" if self.heading else f"{self.title}\n\n{self.text}"
