"""Lets only markers through that the server issued, and resolves each to the words of its passage.

Images, links and HTML that a model writes do not reach the reader either: what it says of a page it says by a marker.

A model writes `[2]` or `[1, 3]` behind what it takes from a passage. Markers stream through `MarkerGate`, which
drops those nobody issued; the text they close, their *claim*, is then resolved to a verbatim span.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from graph.support import is_doubted, support
from graph.support_features import strange_names, strange_numbers
from graph.terms import content_terms, tongues
from graph.types import Citation, Passage, Span
from graph.units import Unit, quotable, split_units

_MARKER = re.compile(r"[\[【](?=[\d\s,;]{1,24}[\]】])\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*[\]】]")
_BEGUN = re.compile(r" ?[\[【][\d\s,;]{0,24}\Z| \Z")
_MARKUP = re.compile(
    r"!?\[(?![\d\s,;]+\])(?P<words>[^\[\]]{0,300})\]\((?:[^()]|\([^()]{0,300}\)){0,1000}\)|(?P<tag><[A-Za-z/!][^<>`]{0,1000}>)"
)
"""A link, an image or a tag, whichever begins first."""
_SIGNS = re.compile(r"[\[\]【】<!]")
"""Without any of these there is neither a marker nor markup: most pieces have none, and each costs four searches."""
_TAG_BEGUN = re.compile(r"<(?=[A-Za-z/!?])")
_MARKUP_BEGUN = re.compile(
    r"!\Z|!?\[(?![\d\s,;]+\])[^\[\]]{0,300}(?:\](?:\((?:[^()]|\([^()]{0,300}\)){0,1000}(?:\([^()]{0,300})?)?)?\Z"
    r"|<(?:[A-Za-z/!][^<>`]{0,1000})?\Z"
)
"""What may yet become a link, an image or a tag when more of the text comes."""
_TARGET = re.compile(r"^(?:[\s>*+\-\d.)]{0,20}\[)?[^\[\]\n]*\](?=:)", re.MULTILINE)
"""What names a link at the beginning of a line, whose target would stand behind the colon."""
_TICKS = re.compile(r"`+|\n")
_LONGEST_NAME = 1_100
"""Characters in which what names a link must have ended: CommonMark allows it 999."""
_SHOWN = re.compile(r" ?\[\d{1,3}\]")
_OF_THE_SENTENCE_BEFORE = re.compile(r"(?:\[\d{1,3}\] ?)+")
_INSIDE = re.compile(
    r"[^\W\u2e80-\uffff]{2}"
)  # of a word, in scripts that set words apart: not Chinese, Japanese, Korean
_ALIKE = str.maketrans("‘’“”„–—‑", '\'\'"""---')
_NOT_WORDS = re.compile(r"^\s*(?:[-*•>#]+|\d{1,3}[.)])\s+|\*\*|__|`", re.MULTILINE)


@dataclass(slots=True)
class MarkerGate:
    """Passes streamed text on, keeps markers of the `offered` passages and drops all others.

    So are markers whose words share none with their passage: no citation is better than a forced one. Text inside
    code is passed on as it is. What may yet become a marker is held until it is decided; `marks` are the
    (marker, offset) pairs in the text passed on so far.
    """

    offered: Sequence[Passage]
    marks: list[tuple[int, int]] = field(default_factory=list)
    _claim: str = ""
    """The words the next marker closes, as far as their line goes; those of the line before while it is blank."""
    _line: str = ""
    _held: str = ""
    _ticks: str = ""
    _length: int = 0
    _row: str = ""
    """What was passed on of the line that is being written."""

    def feed(self, text: str) -> str:
        """Take a piece and return what can be shown of it."""
        return self._pass(self._held + text, final=False)

    def flush(self) -> str:
        """Return what was held when the text ends."""
        return self._pass(self._held, final=True)

    def _pass(self, text: str, *, final: bool) -> str:
        self._held = ""
        parts = self._parts(text, final=final)
        shown: list[str] = []
        for i, (part, is_code) in enumerate(parts, 1):
            undecided = i == len(parts) and not self._held and not final
            if is_code:
                self._read(part)
            shown.append(part if is_code else self._mark(part, final=not undecided))
            self._length += len(shown[-1])
            row = (self._row + shown[-1]).rpartition("\n")[2]
            self._row = row if len(row) < _LONGEST_NAME else f"a[]{row[-1]}"
        return "".join(shown)

    def _read(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        self._claim = next((line for line in [self._line, *reversed(lines)] if line.strip()), self._claim)

    def _may_cite(self, marker: int) -> bool:
        if not 1 <= marker <= len(self.offered):
            return False
        passage = self.offered[marker - 1]
        said = f"{passage.title} {passage.heading} {passage.text}"
        # An answer in another language than its passage shares no words with it, and is not false for that.
        terms = content_terms(self._claim) if tongues(self._claim) & tongues(said) else frozenset[str]()
        return not terms or bool(terms & content_terms(said))

    def _parts(self, text: str, *, final: bool) -> list[tuple[str, bool]]:
        """Cut `text` at runs of backticks into prose and code; a run at its end may still grow and is held."""
        parts: list[tuple[str, bool]] = []
        begin = 0
        for run in _TICKS.finditer(text):
            if run[0] == "\n":
                if self._ticks in {"`", "``"}:  # inline code ends with its line: the backtick was a lone one
                    parts.append((text[begin : run.start()], True))
                    begin, self._ticks = run.start(), ""
                continue
            if run.end() == len(text) and not final:
                self._held = run[0]
                break
            if self._ticks and run[0] != self._ticks:
                continue
            end = run.end() if self._ticks else run.start()
            parts.append((text[begin:end], bool(self._ticks)))
            begin, self._ticks = end, "" if self._ticks else run[0]
        rest = text[begin : len(text) - len(self._held)]
        return [*parts, (rest, bool(self._ticks))]

    def _mark(self, prose: str, *, final: bool) -> str:
        if not final:
            begun = _begun(prose)
            prose, self._held = prose[:begun], prose[begun:] if begun is not None else ""
        prose = _plain_text(prose)
        out = ""
        at = 0
        for match in _MARKER.finditer(prose):
            before = prose[at : match.start()]
            self._read(before)
            valid = [n for n in dict.fromkeys(int(n) for n in re.split(r"[,;]", match[1])) if self._may_cite(n)]
            self._line = ""
            out += self._apart(before if valid else before.removesuffix(" "), out)
            for number in valid:
                self.marks.append((number, self._length + len(out)))
                out += f"[{number}]"
            at = match.end()
        self._read(prose[at:])
        return out + self._apart(prose[at:], out)

    def _apart(self, text: str, out: str) -> str:
        """Keep brackets from becoming links or their targets: Markdown reads `[1](a)` and `[1]: a`, but not `[1] (a)`.

        So are links taken apart that are nested or broken in a way that only a browser makes sense of.
        """
        if "]" not in text and "]" not in self._row and "]" not in out:
            return text
        row = (self._row + out).rpartition("\n")[2]
        named = _TARGET.sub(lambda name: f"{name[0]} ", row + text)[len(row) :]
        behind = " " if row[-1:] == "]" and text[:1] == "(" else ""
        return behind + named.replace("](", "] (")


def _plain_text(prose: str) -> str:
    """Return prose without images, with the words of links alone, and with tags shown as code."""
    if not _SIGNS.search(prose):
        return prose
    out = ""
    at = 0
    for found in _MARKUP.finditer(prose):
        out += _TAG_BEGUN.sub("&lt;", prose[at : found.start()])
        if tag := found["tag"]:
            out += f"`{tag}`" if not out.endswith("\\") else f"&lt;{tag[1:]}"  # an escaped backtick opens no code
        elif not found[0].startswith("!"):
            out += _TAG_BEGUN.sub("&lt;", found["words"])
        at = found.end()
    return out + _TAG_BEGUN.sub("&lt;", prose[at:])


def _begun(prose: str) -> int | None:
    """Return where at the end of `prose` something begins that more text may complete."""
    if not _SIGNS.search(prose):
        return len(prose) - 1 if prose.endswith(" ") else None
    whole = _MARKUP.sub(lambda found: "x" * len(found[0]), prose)
    return min((m.start() for m in (_BEGUN.search(whole), _MARKUP_BEGUN.search(whole)) if m), default=None)


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
    return _NOT_WORDS.sub("", claim.lstrip(" .,;:!?…。！？")).strip()


def _best(sentence: str, text: str, found: Sequence[Unit]) -> tuple[float, Span]:
    terms = content_terms(sentence)

    def nearness(unit: Unit) -> tuple[float, float]:
        quote = text[unit.start : unit.end]
        return support(sentence, quote), len(terms & content_terms(quote)) / (len(terms) or 1)

    best = max(found, key=nearness)
    return sum(nearness(best)), Span(start=best.start, end=best.end)


def find_verbatim(words: str, text: str) -> Span | None:
    """Return where `words` stand in `text`, whatever its white space, quotation marks and dashes look like.

    None when they do not, or only inside of longer words ("5" in "15"), or are blank.
    """
    parts = words.translate(_ALIKE).split()
    if not parts or sum(map(len, parts)) > len(text):
        return None
    alike = text.translate(_ALIKE)
    for match in re.finditer(r"\s+".join(map(re.escape, parts)), alike):
        if not any(at and _INSIDE.match(alike, at - 1) for at in match.span()):
            return Span(start=match.start(), end=match.end())
    return None


def statements(text: str, marks: Sequence[tuple[int, int]]) -> list[Statement]:
    """Return the sentences of an answer with the markers that speak for each.

    A marker speaks for the sentence it stands in or right behind, and for those before it in the same paragraph
    that no other marker closes. Code, headings and lead-ins that end in a colon state nothing.
    """
    found = split_units(text)
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
        if (stated := _SHOWN.sub("", text[begin : unit.end]).strip()) and _states(unit, stated)
    ]


def _begin(unit: Unit, text: str) -> int:
    """Return where a unit begins behind the markers that stand after the full stop before it."""
    markers = _OF_THE_SENTENCE_BEFORE.match(text, unit.start, unit.end)
    return markers.end() if markers else unit.start


def _states(unit: Unit, words: str) -> bool:
    return unit.kind in {"sentence", "row"} and words[0] != "#" and words[-1] not in ":?" and bool(content_terms(words))


def unsupported(text: str, marks: Sequence[tuple[int, int]], passages: Sequence[Passage]) -> tuple[Span, ...]:
    """Return the sentences of an answer that no passage they cite supports; one it says itself is never among them.

    Headings, questions and lead-ins cite nothing: one that names or counts what stands in no passage is returned too.
    """
    stated = statements(text, marks)
    doubted = [(s.start, s.end) for s in stated if _is_doubted(s.text, [passages[n - 1].text for n in s.markers])]
    known = "\n\n".join(f"{p.title}\n{p.heading}\n{p.text}" for p in passages)
    heads = {(s.start, s.end) for s in stated}
    for unit in split_units(text):
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
    return is_doubted(sentence, "\n\n".join(cited)) and not any(find_verbatim(_plain(sentence), text) for text in cited)
