"""Releases streamed Markdown so that no reader's program finds a link, an image or HTML in it.

What must not pass is not only left out: it is written so that every parser reads the text as it was read here.
A backtick that closes no code is escaped, a bracket is parted from the parenthesis behind it, a `<` that could open
HTML becomes `&lt;`, an address becomes code, and a code block keeps the indentation of its first line. What was judged
as code is code to CommonMark, GFM and `marked` alike, and what was judged as text is text.
"""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import ClassVar

_TOKEN = re.compile(
    r"\\|`+|~+|\n|[\[\]【<@&]|!(?=\[|\Z)|(?:https?|ftp)?://|www\.",
    re.IGNORECASE,
)
"""Where prose may hold markup, or an address that GFM would make a link of."""
_BEGUN = re.compile(r"(?:(?<![A-Za-z])(?:h(?:t(?:t(?:p(?:s?:?/?)?)?)?)?|f(?:t(?:p:?/?)?)?)|w{1,3}| )\Z", re.IGNORECASE)
_COLON = re.compile(r":/?\Z")
_SCHEME = re.compile(r"(?:https?|ftp)\Z", re.IGNORECASE)
"""What at the end of a piece may yet become an address, or a blank that goes with the marker behind it."""
_ENDS = frozenset(" !hHtTpPsSfFwW:/")
"""Last characters of what `_BEGUN` finds, and of an image that begins: with any other a piece need not be held."""
_SIGNS = re.compile(r"[\\`~\n\r\[\]【<@&\u202a-\u202e\u2066-\u2069]|:/|www\.", re.IGNORECASE)
"""Without any of these a piece has neither markup nor an address: most have none."""
_REMOVED = re.compile(r"[\r\u202a-\u202e\u2066-\u2069]")
"""A carriage return ends a line in Markdown; bidirectional overrides show text and code in another order."""
_ADDRESS = re.compile(r"(?:(?:https?|ftp)?://|www\.)(?:(?!&lt;)[^\s<>`\[\]|\\\"。，、）」』]){0,1000}", re.IGNORECASE)
_DOMAIN = re.compile(r"@[\w.-]{0,300}")
_BEHIND_AN_ADDRESS = ".,;:!?'*_~)…"
_SCHEMES = ("http", "https", "ftp", "www")
_COMPLETED = {
    ":": _SCHEME,
    "/": re.compile(r"(?:https?|ftp)(?:\\?:|`:`)\Z", re.IGNORECASE),
    ".": re.compile(r"(?:www|@[\w-]+)\Z", re.IGNORECASE),
    "@": re.compile(r"\S\Z"),
}
"""What an escaped sign makes an address of, for a program that looks for addresses when escapes are gone."""
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});")
_ENTITY_BEGUN = re.compile(r"&(?:#?[A-Za-z\d]{0,32})\Z")
_OPENS_HTML = re.compile(r"<[A-Za-z/!?]")
_OF_ADDRESSES = re.compile(r"[A-Za-z\d:/.@]")
_ESCAPABLE = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_BEHIND_A_BACKSLASH = _ESCAPABLE | {"\n", ""}
"""Before these it is not shown as it is: it escapes them, or breaks the line, or what comes next is not known."""
_WORD = r"(?:[^\[\]`\\\n]|\\[^\n]|`[^`\n]{1,200}`(?!`))"
_TARGET = r"(?:[^()\n\\]|\\[^\n]|\([^()\n]{0,300}\))"
_LINK = re.compile(rf"\[(?P<words>{_WORD}{{0,300}})\]\({_TARGET}{{0,1000}}\)")
_LINK_BEGUN = re.compile(
    rf"\[{_WORD}{{0,300}}(?:\\|`[^`\n]{{0,200}}`?|\](?:\({_TARGET}{{0,1000}}(?:\\|\([^()\n]{{0,300}})?)?)?\Z"
)
_NUMBERED = re.compile(r"[\[【][\d\s,;]{1,24}[\]】]")
_LONGEST_CODE = 1_000
"""Characters for which inline code is held until it closes."""
_BEFORE_A_FENCE = re.compile(r"[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?")
_OPENS_A_FENCE = re.compile(r"(`{3,}(?=[^`\n]*$)|~{3,})[^\n]*")
_LONGEST_INFO = 200
_INDENTED = re.compile(r"[ \t]*")
_FENCE_SIGNS = re.compile(r"[`~]*[ \t]*")
_BEFORE_A_TARGET = re.compile(r"[\s>*+\-\d.)]*")
"""What may stand before the name of a link whose target follows behind a colon: the beginnings of lists and quotes."""
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
_DELIMITER = re.compile(r"[\s|:+*>\-\d.)]*-[\s|:\-]*")
"""The row below a table's header, or what looks like it: from there to the next blank line a bar ends a cell."""
_JOIN = frozenset(" \t\n,;.:!?)]…。、，；：！？")
"""What may stand right behind a text, where a marker or an image was taken out, and become nothing else with it."""


@dataclass(slots=True)
class Fence:
    """An open code block: the run that closes it, and the columns its lines are indented by."""

    run: str
    indent: int


@dataclass(slots=True)
class MarkdownGate:
    """Passes streamed text on as prose and code in which nothing can be followed.

    What cannot be decided yet is held: at most inline code of `_LONGEST_CODE` characters, a link, or an address. The
    text passed on is the same in whatever pieces it came, and passes a second time as it is.
    """

    _has_fences: ClassVar[bool] = True
    """Whether lines of backticks or tildes open code blocks."""
    _token: ClassVar[re.Pattern[str]] = _TOKEN
    _signs: ClassVar[re.Pattern[str]] = _SIGNS
    _length: int = field(default=0, init=False)
    _held: str = field(default="", init=False)
    _quiet: bool = field(default=True, init=False)
    """Nothing is held, and nothing passed on needs the next character to be looked at."""
    _row: str = field(default="", init=False)
    _more: list[str] = field(default_factory=list[str], init=False)
    """What was passed on of the line that is being written: joined in `_row` only when it is looked at."""
    _out: list[str] = field(default_factory=list[str], init=False)
    _fence: Fence | None = field(default=None, init=False)
    _after_blank: bool = field(default=True, init=False)
    _seam: bool = field(default=False, init=False)
    """Something was left out right here."""
    _part_lines: bool = field(default=False, init=False)
    """Inline code of the line before holds a bar: it may not become the header of a table, which would cut the code."""
    _has_bar: bool = field(default=False, init=False)
    _in_table: bool = field(default=False, init=False)
    _name: bool = field(default=False, init=False)
    """A bracket is open that a line began with: `[name]: address` would make links elsewhere."""
    _named: bool = field(default=False, init=False)

    def feed(self, text: str) -> str:
        """Take a piece and return what can be shown of it."""
        if self._quiet and text and not self._signs.search(text) and (text[-1] not in _ENDS or not self._begins(text)):
            self._more.append(text)
            self._length += len(text)
            return text
        return self._pass(text, final=False)

    def flush(self) -> str:
        """Return what was held when the text ends."""
        return self._pass("", final=True)

    def _begins(self, text: str) -> bool:
        """Tell whether something may begin at the end of a piece without signs."""
        return text[-1] == "!" or self._begun(text, 0) < len(text)

    def _begun(self, text: str, at: int) -> int:
        """Return where at the end of prose a blank or an address begins; no address begins within a word."""
        found = _BEGUN.search(text, at)
        if found and (found.start() > at or found[0][0] in " wW" or not self._is_within_a_word()):
            return found.start()
        colon = _COLON.search(text, at)
        return colon.start() if colon and _SCHEME.search(self._line() + text[at : colon.start()]) else len(text)

    def _pass(self, text: str, *, final: bool) -> str:
        text = self._held + _REMOVED.sub("", text)
        self._held = ""
        self._out.clear()
        at = 0
        while at < len(text):
            if self._fence and not (self._row or self._more):
                at = self._code_line(text, at, self._fence, final=final)
            elif self._fence:
                end = text.find("\n", at)
                end = len(text) if end < 0 else end
                self._put(text[at:end])
                at = end + self._end_line(text[end : end + 1])
            else:
                text, at = self._prose(text, at, final=final)
        row = self._line()
        self._quiet = not (
            self._held or self._seam or self._part_lines or row[-1:] == "]" or (self._fence is not None and not row)
        )
        return "".join(self._out)

    def _line(self) -> str:
        """Return what was passed on of the line that is being written."""
        if self._more:
            self._row += "".join(self._more)
            self._more.clear()
        return self._row

    def _is_within_a_word(self) -> bool:
        last = self._line()[-1:]
        return last.isascii() and last.isalpha() and not self._seam

    def _emit(self, text: str) -> None:
        """Pass text on, parted from what stands before it where the two would become something else."""
        if text:
            self._put(self._apart(text))

    def _put(self, text: str) -> None:
        self._out.append(text)
        self._more.append(text)
        self._length += len(text)

    def _apart(self, text: str) -> str:
        row = self._line()
        last = row[-1:]
        if self._part_lines and not row:
            self._part_lines, self._after_blank = False, True
            self._out.append("\n")
            self._length += 1
        if self._seam:
            self._seam = False
            joins = text[0] in _JOIN and not (text[0] in ".:" and row.lower().endswith(_SCHEMES))
            if last and not last.isspace() and not joins:
                return f" {text}"
        if last == "]" and (text[0] == "(" or (text[0] == ":" and self._named)):
            return f"\\{text}"
        return f" {text}" if last == text[0] == "`" else text

    def _hold(self, text: str, start: int) -> tuple[str, int]:
        self._held = text[start:]
        return text, len(text)

    def _prose(self, text: str, at: int, *, final: bool) -> tuple[str, int]:
        """Pass on or hold the prose up to the first token behind `at`, and that; return the text and where to go on."""
        found = self._token.search(text, at)
        if found is None:
            begun = len(text) if final else self._begun(text, at)
            self._emit(text[at:begun])
            return self._hold(text, begun)
        start, sign = found.start(), found[0][0]
        before = text[at:start]
        if sign in "[!【":
            return self._bracket(text, before, start, final=final)
        self._emit(before)
        match sign:
            case "\n":
                return text, start + self._end_line("\n")
            case "`" | "~" | "*" | "_":
                return self._run(text, start, found.end(), final=final)
            case "\\":
                return self._escape(text, start, final=final)
            case "]":
                self._emit("]")
                self._named, self._name = self._name, False
            case "<":
                if start + 1 == len(text) and not final:
                    return self._hold(text, start)
                self._emit("&lt;" if _OPENS_HTML.match(text, start) else "<")
            case "&":
                return self._entity(text, start, final=final)
            case "@":
                return self._mail(text, start, final=final)
            case _:
                return self._address(text, start, final=final)
        return text, found.end()

    def _end_line(self, newline: str) -> int:
        """Pass on a line's end, if it is there, and remember what the line means for those below it."""
        if not newline:
            return 0
        row = self._line()
        self._after_blank = not row.strip()
        self._ended(row)
        if self._after_blank:
            self._name = self._in_table = False
        elif not self._fence and _DELIMITER.fullmatch(row):
            self._in_table = True
        self._part_lines, self._has_bar = self._has_bar, False
        self._seam = False
        self._out.append("\n")
        self._length += 1
        self._row = ""
        return 1

    def _ended(self, row: str) -> None:
        """Take note of a line that is complete."""

    def _bracket(self, text: str, before: str, start: int, *, final: bool) -> tuple[str, int]:
        """Pass on the words of a link alone and nothing of an image; hold what may become one of them."""
        opened = start + (text[start] == "!")
        if link := _LINK.match(text, opened):
            self._emit(before)
            self._seam = True
            return ("" if opened > start else link["words"]) + text[link.end() :], 0
        if not final and (opened == len(text) or _LINK_BEGUN.match(text, opened)):
            return self._hold_with_blank(text, before, start)
        self._emit(before)
        if opened > start:
            self._emit("!")
        elif text[start] == "[":
            self._open_bracket()
        else:
            self._emit("【")
        return text, start + 1

    def _hold_with_blank(self, text: str, before: str, start: int) -> tuple[str, int]:
        """Hold what begins at `start` with the blank before it, which goes if it goes."""
        kept = before.removesuffix(" ")
        self._emit(kept)
        return self._hold(text, start - len(before) + len(kept))

    def _open_bracket(self) -> None:
        self._name = _BEFORE_A_TARGET.fullmatch(self._line()) is not None
        self._emit("[")

    def _escape(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        """Pass an escaped sign on; one that completes an address is code."""
        if start + 1 == len(text) and not final:
            return self._hold(text, start)
        sign = text[start + 1 : start + 2]
        if sign in _COMPLETED and _COMPLETED[sign].search(self._line()):
            return text, start + 1 + self._as_code(sign)
        self._emit("\\" + (sign if sign in _ESCAPABLE else ""))
        return text, start + 1 + (sign in _ESCAPABLE)

    def _entity(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        """Pass an entity on; one that stands for a letter or sign of addresses is shown as it is written."""
        if not final and _ENTITY_BEGUN.match(text, start):
            return self._hold(text, start)
        found = _ENTITY.match(text, start)
        self._emit("&amp;" if found and _OF_ADDRESSES.search(unescape(found[0])) else found[0] if found else "&")
        return text, found.end() if found and not _OF_ADDRESSES.search(unescape(found[0])) else start + 1

    def _mail(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        domain = _DOMAIN.match(text, start)
        assert domain
        if domain.end() == len(text) and not final:
            return self._hold(text, start)
        name = domain[0].rstrip(".-_")
        if "." in name and self._line()[-1:].strip():
            return text, start + self._as_code(name)
        self._emit("@")
        return text, start + 1

    def _address(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        found = _ADDRESS.match(text, start)
        assert found
        if text[start] == ":":
            is_address = _SCHEME.search(self._line()) is not None
        else:
            is_address = text[start] in "wW" or not self._is_within_a_word()
        if not is_address:
            self._emit(text[start])
            return text, start + 1
        if found.end() == len(text) and not final:
            return self._hold(text, start)
        address = found[0].rstrip(_BEHIND_AN_ADDRESS)
        return text, start + self._as_code(address if address.lower() != "www" else found[0][:4])

    def _as_code(self, words: str) -> int:
        """Show words as code and return how many characters they are."""
        self._emit(f" `{words}`" if self._line()[-1:] in {"\\", "`"} else f"`{words}`")
        return len(words)

    def _run(self, text: str, start: int, end: int, *, final: bool) -> tuple[str, int]:
        """Pass on code that a run of backticks or tildes opens, or the run as signs without a meaning."""
        if end == len(text) and not final:
            return self._hold(text, start)
        run = text[start:end]
        row = self._line()
        if self._has_fences and len(run) > 2 and _BEFORE_A_FENCE.fullmatch(row):
            line_end = text.find("\n", end)
            line = text[start : line_end if line_end >= 0 else len(text)]
            opens = len(line) < _LONGEST_INFO and _OPENS_A_FENCE.fullmatch(line)
            if opens and line_end < 0 and not final:
                return self._hold(text, start)
            if opens:
                self._open(run, line, row)
                return text, start + len(line) + self._end_line("\n" if line_end >= 0 else "")
        if run[0] == "~":
            self._emit(run if len(run) < 3 else "\\~" * len(run))
            return text, end
        return self._inline(text, run, start, end, final=final)

    def _inline(self, text: str, run: str, start: int, end: int, *, final: bool) -> tuple[str, int]:
        last = text.find("\n", end, end + _LONGEST_CODE)
        limit = last if last >= 0 else min(len(text), end + _LONGEST_CODE)
        if self._in_table and (bar := _BAR.search(text, end, limit)):
            last = limit = bar.end()
        closing = re.compile(rf"(?<!`){run}(?!`)").search(text, end, limit)
        undecided = last < 0 and limit == len(text) < end + _LONGEST_CODE and not final
        if undecided and (closing is None or closing.end() == limit):
            return self._hold(text, start)
        if closing and text[closing.end() : closing.end() + 1] == "`":  # the limit cut a longer run
            closing = None
        code = text[start : closing.end()] if closing else ""
        if closing is None or (self._name and "]:" in code):
            self._emit("\\`" * len(run))
            return text, end
        self._has_bar |= "|" in code and _SIGNS.search(code, len(run), len(code) - len(run)) is not None
        self._emit(code)
        return text, closing.end()

    def _open(self, run: str, line: str, row: str) -> None:
        """Open a code block, behind a blank line where its indentation could otherwise continue a paragraph."""
        indent = len(row.expandtabs(4))
        if row.strip() or (indent > 3 and not self._after_blank):
            self._end_line("\n")
            if indent > 3 and not self._after_blank:
                self._end_line("\n")
            self._put(" " * indent)
        self._put(line)
        self._fence = Fence(run, indent)

    def _code_line(self, text: str, at: int, fence: Fence, *, final: bool) -> int:
        """Begin a line of a code block: close the block, or indent the line as the block is."""
        blank = _INDENTED.match(text, at)
        assert blank
        begin = blank.end()
        if begin == len(text) and not final:
            return self._hold(text, at)[1]
        if text[begin : begin + 1] in {"\n", ""}:
            self._put(text[at:begin])
            return begin + self._end_line(text[begin : begin + 1])
        columns = len(blank[0].expandtabs(4))
        if text[begin] == fence.run[0] and columns < fence.indent + 4:
            signs = _FENCE_SIGNS.match(text, begin)
            assert signs
            if signs.end() == len(text) and not final:
                return self._hold(text, at)[1]
            run = signs[0].rstrip()
            if text[signs.end() : signs.end() + 1] in {"\n", ""} and run.startswith(fence.run):
                self._put(" " * fence.indent + fence.run)
                self._fence = None
                return signs.end() + self._end_line(text[signs.end() : signs.end() + 1])
        self._put((blank[0] if columns >= fence.indent else " " * fence.indent) + text[begin])
        return begin + 1


def as_text(words: str) -> str:
    """Return Markdown that shows `words`, a text of a page or a reader, with nothing in it to follow."""
    if not _TextGate.may_change(words):
        return words
    gate = _TextGate()
    return gate.feed(words) + gate.flush()


def as_code(code: str) -> str:
    """Return Markdown that shows `code` as it is: a block with a longer fence than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{code}\n{fence}"


class _TextGate(MarkdownGate):
    """Keeps what a quoted text has for what it is: brackets that are no markers, stars, backslashes and entities.

    It has no code blocks: one that its quote does not close would take in what follows.
    """

    _has_fences = False
    _token = re.compile(rf"{_TOKEN.pattern}|\*+|_+", re.IGNORECASE)
    _signs = re.compile(rf"{_SIGNS.pattern}|[*_]", re.IGNORECASE)

    @classmethod
    def may_change(cls, words: str) -> bool:
        """Tell whether a text holds a sign of Markdown."""
        return cls._signs.search(words) is not None

    def _stars(self, text: str, start: int, end: int) -> tuple[str, int]:
        """Pass stars on as they are, escaped where they could emphasise: not between blanks, nor `_` within a word."""
        before, after = self._line()[-1:], text[end : end + 1]
        within = text[start] == "_" and before.isalnum() and after.isalnum()
        alone = before.isspace() and not after.strip() and end - start < 3
        self._emit(text[start:end] if within or alone else "".join(f"\\{sign}" for sign in text[start:end]))
        return text, end

    def _run(self, text: str, start: int, end: int, *, final: bool) -> tuple[str, int]:
        strikes_out = end - start == 2 or (end - start == 1 and self._line()[-1:].strip())
        if text[start] in "*_" or (text[start] == "~" and strikes_out):
            return self._stars(text, start, end)
        return super()._run(text, start, end, final=final)

    def _bracket(self, text: str, before: str, start: int, *, final: bool) -> tuple[str, int]:
        self._emit(before)
        if _NUMBERED.match(text, start) and text[start] == "[":
            self._emit("\\[")
        elif _NUMBERED.match(text, start):
            self._as_code(text[start])
        elif text[start] == "[":
            self._open_bracket()
        else:
            self._emit(text[start])
        return text, start + 1

    def _escape(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        if start + 1 == len(text) and not final:
            return self._hold(text, start)
        following = text[start + 1 : start + 2]
        self._emit("\\\\" if following in _BEHIND_A_BACKSLASH else "\\")
        return text, start + 1

    def _entity(self, text: str, start: int, *, final: bool) -> tuple[str, int]:
        if not final and _ENTITY_BEGUN.match(text, start):
            return self._hold(text, start)
        self._emit("&amp;" if _ENTITY.match(text, start) else "&")
        return text, start + 1


_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])|&(?:lt|amp);")


def shown_words(markdown: str) -> str:
    """Return text with the signs taken back that a gate put in: what a reader sees of it, emphasis apart."""
    if "\\" not in markdown and "&" not in markdown:
        return markdown
    return _ESCAPED.sub(lambda found: found[1] or unescape(found[0]), markdown)
