"""Lets only markers through that the server issued, and resolves each to the words of its passage.

Images, links and HTML that a model writes do not reach the reader either: what it says of a page it says by a marker.

A model writes `[2]` or `[1, 3]` behind what it takes from a passage. Markers stream through `MarkerGate`, which
drops those nobody issued; the text they close, their *claim*, is then resolved to a verbatim span.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import normalize

from graph.markdown import MarkdownGate, shown_words
from graph.support import is_doubted, support
from graph.support_features import strange_names, strange_numbers
from graph.terms import composed, content_terms, says_something, tongues
from graph.types import Citation, Passage, Span
from graph.units import Unit, quotable, split_units

_MARKER = re.compile(r"[\[【](?=[\d\s,;]{1,24}[\]】])\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
_MARKER_BEGUN = re.compile(r"[\[【][\d\s,;]{0,24}\Z")
_SHOWN = re.compile(r"(?<!\\) ?\[\d{1,3}\]")
_OF_THE_SENTENCE_BEFORE = re.compile(r"(?:\[\d{1,3}\] ?)+")
_INSIDE = re.compile(
    r"[^\W\u2e80-\uffff]{2}"
)  # of a word, in scripts that set words apart: not Chinese, Japanese, Korean
_ALIKE = str.maketrans("‘’“”„–—‑", '\'\'"""---')
_NOT_WORDS = re.compile(r"^\s*(?:[-*•>#]+|\d{1,3}[.)])\s+|\*\*|__|`", re.MULTILINE)


@dataclass(slots=True)
class MarkerGate(MarkdownGate):
    """Passes streamed Markdown on, keeps markers of the `offered` passages and drops all others.

    So are markers whose words share none with their passage: no citation is better than a forced one. Inside code a
    marker is text. `marks` are the (marker, offset) pairs in the text passed on so far.
    """

    offered: Sequence[Passage] = ()
    marks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]], init=False)
    _claim: str = field(default="", init=False)
    """The words that the last marker closed, or else the last line that is not blank."""
    _since: int = field(default=0, init=False)
    """Where in the line that is being written the words begin that the next marker closes."""

    def _ended(self, row: str) -> None:
        said = row[self._since :]
        self._claim = said if said.strip() else self._claim
        self._since = 0

    def _bracket(self, text: str, before: str, start: int, *, final: bool) -> tuple[str, int]:
        marker = _MARKER.match(text, start)
        if marker is None:
            if not final and _MARKER_BEGUN.match(text, start):
                return self._hold_with_blank(text, before, start)
            return MarkdownGate._bracket(self, text, before, start, final=final)
        kept = before.removesuffix(" ")
        self._emit(kept)
        said = self._line()[self._since :]
        self._claim = said if said.strip() else self._claim
        valid = [n for n in dict.fromkeys(int(n) for n in re.split(r"[,;]", marker[1])) if self._may_cite(n)]
        self._emit(before[len(kept) :] if valid else "")
        for number in valid:
            self._name = False
            self._open_bracket()
            self._emit(f"{number}]")
            self._named, self._name = self._name, False
            self.marks.append((number, self._length - len(f"[{number}]")))
        self._seam |= not valid
        self._since = len(self._line())
        return text, marker.end()

    def _may_cite(self, marker: int) -> bool:
        if not 1 <= marker <= len(self.offered):
            return False
        passage = self.offered[marker - 1]
        said = f"{passage.title} {passage.heading} {passage.text}"
        claim = shown_words(self._claim)
        # An answer in another language than its passage shares no words with it, and is not false for that.
        terms = content_terms(claim) if tongues(claim) & tongues(said) else frozenset[str]()
        return not terms or bool(terms & content_terms(said))


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence of an answer at `[start, end)`, and the markers that speak for it."""

    start: int
    end: int
    text: str
    markers: tuple[int, ...]


def resolve(text: str, marks: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return one citation for each mark: the span of its passage that the marked words rest on."""
    found: list[Citation] = []
    claim_start = claim_end = 0
    for marker, at in marks:
        if text[claim_end:at].strip():  # the markers of one group share a claim
            claim_start = max(claim_end, text.rfind("\n", 0, len(text[:at].rstrip())) + 1)
        claim_end = at + len(f"[{marker}]")
        passage = passages[marker - 1]
        span = locate(_SHOWN.sub("", text[claim_start:at]), passage.text)
        found.append(
            Citation(
                marker=marker,
                at=at,
                passage_id=passage.id,
                url=passage.url,
                path=passage.path,
                title=passage.title,
                heading=passage.heading,
                quote=passage.text[span.start : span.end],
                start=span.start,
                end=span.end,
            )
        )
    return tuple(found)


def locate(claim: str, text: str) -> Span:
    """Return where `text` says `claim`: its very words if they stand there, else the unit that supports it best."""
    plain = _plain(claim)
    if verbatim := find_verbatim(plain, text):
        return verbatim
    found = quotable(text)
    if not found:
        return Span(start=0, end=len(text))
    sentences = [plain[u.start : u.end] for u in quotable(plain)] or [plain]
    return max((_best(sentence, text, found) for sentence in reversed(sentences)), key=lambda best: best[0])[1]


def _plain(claim: str) -> str:
    """Return a claim without Markdown's signs, and without the punctuation of the sentence before it."""
    return _NOT_WORDS.sub("", shown_words(claim).lstrip(" .,;:!?…。！？")).strip()


def _best(sentence: str, text: str, found: Sequence[Unit]) -> tuple[float, Span]:
    terms = content_terms(sentence)

    def nearness(unit: Unit) -> tuple[float, float]:
        quote = text[unit.start : unit.end]
        return support(sentence, quote), len(terms & content_terms(quote)) / (len(terms) or 1)

    best = max(found, key=nearness)
    return sum(nearness(best)), Span(start=best.start, end=best.end)


_NAMES_COLUMNS = re.compile(r"\|[^\n]*\n[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[-:| \t]*)?(?:\n|$)")
"""The first row of a table in Markdown, which the line below it makes one."""

_SAYS_NOTHING = re.compile(
    r"\b(?:passages?|docs|documentation|sources?|excerpts?)\b[^.]{0,40}\b(?:do(?:es)? not|do(?:es)?n['’]t|nothing)\b"
    r"|\b(?:dokumentation|passagen?|quellen?|abschnitte?n?|textstellen?)\b[^.]{0,80}\b(?:nichts?|keine?[nrms]?)\b",
    re.IGNORECASE,
)
"""Says of the passages, and of nothing else, that they do not answer."""


def find_verbatim(words: str, text: str) -> Span | None:
    """Return where `words` stand in `text`, whatever its white space, quotation marks and dashes look like, and whether
    its letters are composed (NFC) or not.

    None when they do not, or only inside of longer words ("5" in "15"), or are blank.
    """
    parts = composed(words).translate(_ALIKE).split()
    if not parts or sum(map(len, parts)) > len(text):
        return None
    alike = text.translate(_ALIKE)
    for match in re.finditer(r"\s+".join(map(_in_both_forms, parts)), alike):
        if not any(at and _INSIDE.match(alike, at - 1) for at in match.span()):
            return Span(start=match.start(), end=match.end())
    return None


def _in_both_forms(word: str) -> str:
    """Return a pattern that finds a word however its letters are composed."""
    if word.isascii():
        return re.escape(word)
    forms = ((letter, normalize("NFD", letter)) for letter in word)
    return "".join(re.escape(a) if a == b else f"(?:{re.escape(a)}|{re.escape(b)})" for a, b in forms)


def statements(text: str, marks: Sequence[tuple[int, int]]) -> list[Statement]:
    """Return the sentences of an answer with the markers that speak for each.

    A marker speaks for the sentence it stands in or right behind, and for those before it in the same paragraph
    that no other marker closes. Code, headings, names of columns and lead-ins that end in a colon state nothing.
    """
    return _statements(text, marks, split_units(text))


def _statements(text: str, marks: Sequence[tuple[int, int]], found: Sequence[Unit]) -> list[Statement]:
    spoken: list[list[int]] = [[] for _ in found]
    for marker, at in marks:
        last = max((i for i, u in enumerate(found) if _SHOWN.sub("", text[u.start : at]).strip()), default=None)
        if last is not None:
            spoken[last].append(marker)
    for i in range(len(found) - 2, -1, -1):
        if not spoken[i] and "\n" not in text[found[i].end : found[i + 1].start]:
            spoken[i] = spoken[i + 1]
    return [
        Statement(begin, unit.end, stated, tuple(markers))
        for unit, markers in zip(found, spoken, strict=True)
        for begin in [_begin(unit, text)]
        if (stated := _SHOWN.sub("", text[begin : unit.end]).strip())
        and _states(unit, stated)
        and not _NAMES_COLUMNS.match(text, unit.start)
    ]


def _begin(unit: Unit, text: str) -> int:
    """Return where a unit begins behind the markers that stand after the full stop before it."""
    markers = _OF_THE_SENTENCE_BEFORE.match(text, unit.start, unit.end)
    return markers.end() if markers else unit.start


def _states(unit: Unit, words: str) -> bool:
    return unit.kind in {"sentence", "row"} and words[0] != "#" and words[-1] not in ":?" and says_something(words)


def unsupported(text: str, marks: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> tuple[Span, ...]:
    """Return the sentences of an answer that no passage they cite supports; one it says itself is never among them.

    Headings, questions and lead-ins cite nothing: one that names or counts what stands in no passage is returned too.
    """
    units = split_units(text)
    stated = _statements(text, marks, units)
    doubted = [(s.start, s.end) for s in stated if _is_doubted(s.text, [passages[n - 1].text for n in s.markers])]
    known = "\n\n".join(f"{p.title}\n{p.heading}\n{p.text}" for p in passages)
    if len(units) == 1 and not marks and _SAYS_NOTHING.search(text) and not _is_strange(text, known):
        return ()  # as the model is told to put it
    heads = {(s.start, s.end) for s in stated}
    for unit in units:
        words = text[unit.start : unit.end]
        if unit.kind == "sentence" and (_begin(unit, text), unit.end) not in heads and _is_strange(words, known):
            doubted.append((unit.start, unit.end))
    return tuple(Span(start=start, end=end) for start, end in sorted(doubted))


def _is_strange(words: str, known: str) -> bool:
    """Tell whether `words` hold a number or a name that `known` does not; in German every noun looks like a name."""
    plain = _plain(_SHOWN.sub("", words))
    has_names = "de" not in tongues(plain) and strange_names(plain, known)
    return bool(has_names or strange_numbers(plain, known))


def _is_doubted(sentence: str, cited: Sequence[str]) -> bool:
    if not cited:
        return True  # nothing supports it, whatever it says
    if not is_doubted(shown_words(sentence), "\n\n".join(cited)):
        return False
    return not any(find_verbatim(_plain(sentence), text) for text in cited)
