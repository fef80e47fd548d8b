"""Finds and reads built Docusaurus pages: their text by sections, and what their heads say about them.

The built HTML is read, not the Markdown source: only there are anchors, versions, tabs, partials and computed values
final. Class names are those of Docusaurus 3 (`ThemeClassNames`, and CSS modules by their stable first part).
"""

from persistence.pages.blocks import Block, Label, Section
from persistence.pages.reader import Page, read_links, read_page
from persistence.pages.sites import Found, Site, base_path_of, open_site

__all__ = [
    "Block",
    "Found",
    "Label",
    "Page",
    "Section",
    "Site",
    "base_path_of",
    "open_site",
    "read_links",
    "read_page",
]
