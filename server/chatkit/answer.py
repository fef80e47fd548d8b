"""Writes a stored answer as ChatKit shows one: Markdown without our markers, and citations as annotations."""

from collections.abc import Sequence

from chatkit.types import Annotation, AssistantMessageContent, EntitySource

from graph.texts import say
from graph.types import Citation, NearestPage
from graph.units import Unit, split_units
from server.wire import End, MessageGiven

UNSUPPORTED = " ⚠"
"""Stands behind a sentence that no cited passage supports; a line below the answer says so."""


def written(given: MessageGiven, end: End, locale: str) -> AssistantMessageContent:
    """Return the text of an answer that ended, with all the reader should know below it, and its sources.

    An annotation's `index` counts UTF-16 code units, as the script that reads it does, and is where the sentence of
    its citation ends.
    """
    text, cuts = _without_markers(given.content, given.citations)
    units = split_units(text)
    cited = sorted((_sentence_end(text, units, _moved(c.at, cuts)), c.at, c) for c in given.citations)
    doubted = [_before_bar(text, _moved(span.end, cuts)) for span in given.grounding.unsupported]
    marked = text
    for at in sorted(doubted, reverse=True):
        marked = marked[:at] + UNSUPPORTED + marked[at:]
    annotations = [
        Annotation(source=_source(citation), index=_utf16(marked, at + len(UNSUPPORTED) * sum(d < at for d in doubted)))
        for at, _, citation in cited
    ]
    annotations += [Annotation(source=_page(page)) for page in given.nearest]
    below = _below(given, end, locale)
    return AssistantMessageContent(text="\n\n".join(filter(None, [marked, *below])), annotations=annotations)


def _without_markers(text: str, citations: Sequence[Citation]) -> tuple[str, list[tuple[int, int]]]:
    """Cut each marker with the blank before it, and say where: as `MarkerGate` does with one that nobody issued."""
    cuts: list[tuple[int, int]] = []
    kept = ""
    begin = 0
    for citation in sorted(citations, key=lambda c: c.at):
        end = citation.at + len(f"[{citation.marker}]")
        before = text[begin : citation.at].removesuffix(" ")
        cuts.append((begin + len(before), end))
        kept += before
        begin = end
    return kept + text[begin:], cuts


def _moved(offset: int, cuts: Sequence[tuple[int, int]]) -> int:
    """Return where an offset of the text lies once it is cut."""
    return offset - sum(min(end, offset) - start for start, end in cuts if start < offset)


def _sentence_end(text: str, units: Sequence[Unit], at: int) -> int:
    """Return where the sentence around `at` ends, but never behind the last bar of a table's row."""
    end = next((unit.end for unit in units if unit.kind == "sentence" and unit.start < at <= unit.end), at)
    return at if text[:end].endswith("|") else end


def _before_bar(text: str, at: int) -> int:
    """Step back before the bar that closes a table's row: what stands behind it is not shown."""
    return len(text[:at].removesuffix("|").rstrip()) if text[:at].endswith("|") else at


def _utf16(text: str, at: int) -> int:
    return len(text[:at].encode("utf-16-le")) // 2


def _source(citation: Citation) -> EntitySource:
    return EntitySource(
        id=f"{citation.passage_id}:{citation.start}-{citation.end}",
        title=citation.title,
        description=citation.quote,
        icon="document",
        label=citation.heading or None,
        inline_label=str(citation.marker),
        interactive=True,
        data={"path": citation.path, "url": citation.url, "quote": citation.quote},
    )


def _page(page: NearestPage) -> EntitySource:
    return EntitySource(
        id=page.path,
        title=page.title,
        icon="document",
        interactive=True,
        data={"path": page.path, "url": page.url, "quote": ""},
    )


def _below(given: MessageGiven, end: End, locale: str) -> list[str]:
    """Return the lines below an answer: how to ask more widely, what its signs mean, and how it came to be."""
    lines: list[str] = []
    if given.verdict and given.verdict.widen:
        lines.append(say("widen", locale))
    if given.grounding.unsupported:
        lines.append(f"_{UNSUPPORTED.strip()} {say('unsupported', locale)}_")
    lines += [f"_{notice.detail}_" for notice in given.notices]
    if end.status == "cancelled":
        lines.append(f"_{say('stopped', locale)}_")
    elif end.truncated and end.detail is None:
        lines.append(f"_{say('cut_short', locale)}_")
    elif end.detail:
        lines.append(f"_{end.detail}_")
    return lines
