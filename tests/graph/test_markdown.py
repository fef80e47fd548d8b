"""What of a model's Markdown is released: nothing that any parser could make a link, an image or HTML of."""

import re
from html import unescape
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from graph.citations import MarkerGate
from graph.markdown import MarkdownGate, as_text, shown_words
from graph.types import Passage

PARSERS = (MarkdownIt("commonmark"), MarkdownIt("commonmark").enable(["table", "strikethrough"]))
ADDRESS = re.compile(
    r"(?<![A-Za-z])(?:https?|ftp)://|(?<![A-Za-z])www\.[^\W_]|[\w.+-]@[\w-]+(?:\.[\w-]*[a-z0-9])+", re.IGNORECASE
)
"""What a program that links addresses looks for in text: after GFM's specification, and remark's plugin for it."""

OFFERED = [
    Passage(id=f"p{n}", url=f"https://docs.example/{n}", path=f"{n}", title="T", heading="", text="apples and pears")
    for n in range(3)
]
SIGNS = """![x](https://evil.example/p.png) [a](https://evil.example) [`a`](https://evil.example) <img·src=x> <b> `
    ` `` ``` ``` ~~~ ~~ ~ - 1. 10. > \\ \\` [1] [9] 【9】 ] [ ( ) ! : ]( ]: \\[ \\] [x]:·https://evil.example
    [x]: [x][x] https:// https: // evil.example www. www . @ a@b.example http ht tps https\\: &#x3a; &colon;
    &#104; & lt; javascript:x js word # === * ** _ apples $ //evil.example
    https://docs.example@evil.example/ https:\\evil.example https://еxample.com
    < /b> !-- ?x __ | |---|---| `a|b` `a·|·<b>`"""
PARTS = [part.replace("·", " ") for part in SIGNS.split()]
PARTS += ["\n", "\n", "\n\n", "\r", "\t", " ", "  ", "   ", "    ", " [9]", " [2]", "- ", "\u200b", "\u202e", "\u2066"]
WRITTEN = st.lists(st.sampled_from(PARTS), max_size=18).map("".join)


def gate(*pieces: str) -> str:
    """Pass a model's text through."""
    opened = MarkerGate(offered=OFFERED)
    return "".join([*map(opened.feed, pieces), opened.flush()])


def followed(markdown: str) -> list[str]:
    """Return what can be followed, loaded or run in a text, as any of the parsers reads it."""
    found: list[str] = []
    for parser in PARSERS:
        for token in parser.parse(markdown):
            found += [token.type] if token.type == "html_block" else []
            words = ""
            for child in token.children or []:
                if child.type in {"image", "html_inline", "link_open"}:
                    found.append(child.type)
                words += child.content if child.type == "text" else "\n"
            found += ADDRESS.findall(words)
    return found


@given(written=WRITTEN, data=st.data())
@example(written="`a\n![x](https://evil.example)", data=None)
@example(written="a ` b\n![x](https://evil.example) `", data=None)
@example(written="``a` ![x](https://evil.example) `", data=None)
@example(written="\\`![x](https://evil.example)`", data=None)
@example(written="a ```\n![x](https://evil.example)\n```", data=None)
@example(written="    ```\n![x](https://evil.example)", data=None)
@example(written="> ```\n![x](https://evil.example)\n> ```", data=None)
@example(written="- a\n  ```\n![x](https://evil.example)\n  ```", data=None)
@example(written="a\n     ```\n     ![x](https://evil.example)\n\n     ```", data=None)
@example(written="~~~\n```\n~~~\n![x](https://evil.example)", data=None)
@example(written="| `a |\n|---|\n| `b | ![x](https://evil.example) ` |", data=None)
@example(written="[`a]: https://evil.example/`\n\n[x][`a] b`", data=None)
@example(written="\\【9】[x](https://evil.example)", data=None)
def test_no_parser_finds_anything_to_follow_and_pieces_do_not_matter(written: str, data: st.DataObject | None) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written))))) if data else range(len(written))
    edges = [0, *cuts, len(written)]
    shown = gate(*(written[a:b] for a, b in pairwise(edges)))
    assert (followed(shown), shown) == ([], gate(written))
    quoted = as_text(written)
    assert (followed(quoted), gate(quoted)) == ([], quoted)


@given(written=WRITTEN)
def test_released_text_passes_a_second_time_as_it_is(written: str) -> None:
    shown = gate(written)
    again = MarkdownGate()
    assert again.feed(shown) + again.flush() == shown


CODE = st.text(alphabet="ab <>[]()!:/.\\@&;#~*|\u200b", min_size=1, max_size=30).filter(lambda code: code.strip())
EVIL = ["![x](https://evil.example)", "<img src=x>", "[x]: https://evil.example", "[1] [9]", "a@b.example", "&#x3a;"]


def inlines(markdown: str, kind: str) -> list[str]:
    """Return what tokens of a kind hold, as CommonMark reads a text."""

    def within(tokens: list[Token]) -> list[str]:
        own = [token.content for token in tokens if token.type == kind]
        return own + [code for token in tokens for code in within(token.children or [])]

    return within(PARSERS[0].parse(markdown))


@given(codes=st.lists(CODE | st.sampled_from(EVIL), min_size=1, max_size=4), cut=st.integers(1, 9))
def test_inline_code_is_released_as_it_was_written(codes: list[str], cut: int) -> None:
    written = "So " + " and ".join(f"``{code}``" for code in codes) + " it is."
    shown = gate(*(written[at : at + cut] for at in range(0, len(written), cut)))
    assert inlines(shown, "code_inline") == inlines(written, "code_inline")


@pytest.mark.parametrize("lead", ["", "Do this:\n", "- Do this:\n\n  ", "1. Do this:\n   ", "- a\n  - b\n\n    "])
@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
@given(lines=st.lists(CODE | st.sampled_from([*EVIL, "", "``", "- a"]), min_size=1, max_size=5))
def test_a_code_block_is_released_as_it_was_written(lead: str, fence: str, lines: list[str]) -> None:
    lines = [line for line in lines if not line.strip().startswith("~~~")]
    indent = " " * (len(lead) - len(lead.rstrip(" ")))
    written = lead + "\n".join([f"{fence}js", *(f"{indent}{line}" for line in lines), f"{indent}{fence}\n\nSo it is."])
    assert inlines(gate(*written), "fence") == inlines(written, "fence") != []


@pytest.mark.parametrize(
    ("written", "shown"),
    {
        "an image": ("So it is. ![x](https://evil.example/p.png?q=1)", "So it is. "),
        "an image with a title": ('![x](https://evil.example/p.png "So")', ""),
        "a link": ("So [it (all) is](https://evil.example/a_(b)) here.", "So it (all) is here."),
        "a link around code": ("[a `b[0]` c](https://evil.example)", "a `b[0]` c"),
        "a link to a script": ("[a](javascript:alert(1)) [b](data:text/html,x) [c](//evil.example)", "a b c"),
        "an image in a link": ("[![x](https://a.example)](https://evil.example)", "[]\\(`https://evil.example`)"),
        "a link's target on a line of its own": (
            "So it is.\n\n[x]: https://evil.example\n",
            "So it is.\n\n[x]\\: `https://evil.example`\n",
        ),
        "a target for a marker": ("So [1].\n\n[1]: https://evil.example", "So [1].\n\n[1]\\: `https://evil.example`"),
        "a colon behind a marker": ("Install [1]:\n\n- It [1]: so", "Install [1]:\n\n- It [1]: so"),
        "a target in a list": ("- [1]: https://evil.example", "- [1]\\: `https://evil.example`"),
        "a name over two lines": ("[a\nb]: https://evil.example", "[a\nb]\\: `https://evil.example`"),
        "behind a marker that is dropped": ("[a][9](https://evil.example)", "[a] (`https://evil.example`)"),
        "a tag": ("So <img src=x onerror=alert(1)> it is.", "So &lt;img src=x onerror=alert(1)> it is."),
        "an address in a tag": ("So <https://evil.example> it is.", "So &lt;`https://evil.example`> it is."),
        "a sign": ("So a < b, a <= b, 3<4 and a <", "So a < b, a <= b, 3<4 and a <"),
        "a tag without a marker in it": ("So <[9]b> it is", "So < b> it is"),
        "a tag behind a backslash": ("See \\<img src=x> there.", "See \\<img src=x> there."),
        "an address": ("See https://evil.example/a, please.", "See `https://evil.example/a`, please."),
        "without a scheme": ("See www.evil.example.", "See `www.evil.example`."),
        "the docs' own address with a user": (
            "https://docs.example@evil.example/",
            "`https://docs.example@evil.example/`",
        ),
        "an address that is spelled out": ("https&#58;//evil.example", "https&amp;#58;//evil.example"),
        "an address with an escape": ("https\\://evil.example", "https`:`//evil.example"),
        "mail": ("Write to a@b.example, or to @b.example.", "Write to a`@b.example`, or to @b.example."),
        "overrides": ("a\u202eb\u2066c", "abc"),
        "a lone backtick": ("So ` it is", "So \\` it is"),
        "code over two lines": ("So `a\nb` it is", "So \\`a\nb\\` it is"),
        "a fence in mid-line": ("So ```\nit is", "So \\`\\`\\`\nit is"),
        "a fence behind a bullet": ("- ```\n  x\n  ```", "- \n  ```\n  x\n  ```"),
        "code that leaves its list": ("- a\n  ```\nx\n  ```", "- a\n  ```\n  x\n  ```"),
        "code that bars would cut": ("| `a|<b>` |\n|---|\n| `c|<d>` |", "| `a|<b>` |\n\n|---|\n| \\`c|&lt;d>\\` |"),
        "never closed": ("So ![x](https://evil", "So ![x]\\(`https://evil`"),
    }.values(),
)
def test_what_could_be_followed_becomes_text(written: str, shown: str) -> None:
    assert gate(written) == gate(*written) == shown


@pytest.mark.parametrize(
    "written",
    [
        "a[i] (b)",
        "- [ ] to do",
        "a | b",
        "1\\. no list",
        "*a* **b** ~~c~~",
        "# A\n\n> b\n",
        "AT&amp;T &copy; &lt;b>",
        "C:\\d",
    ],
)
def test_other_markdown_is_released_as_it_is(written: str) -> None:
    assert gate(written) == written


@pytest.mark.parametrize(
    "words",
    [
        "Write [text](url) for a link.",
        "![alt](src)",
        "arr[1] and <b>",
        "a `b` c",
        "so",
        "C:\\.d, C:\\d\\",
        "\\[1] and \\*",
        "a\\\nb",
        "&lt; is <, &#58; is : and &copy; is (c)",
        "__init__.py, *args and **kwargs, _private or snake_case_name",
        "2 * 3 * 4, a*b*c, ~~so~~ and ~5 to ~10, x~y~z",
    ],
)
def test_a_quoted_text_is_shown_as_the_text_it_is(words: str) -> None:
    shown = gate(as_text(words))
    assert shown_words(shown) == words
    assert re.sub(r"</?(?:p|code)>|\n$", "", unescape(PARSERS[0].render(shown))) == words.replace("`", "")
    assert followed(shown) == []


def test_a_parenthesis_that_never_closes_is_let_go() -> None:
    opened = MarkerGate(offered=[])
    shown = "".join(opened.feed(piece) for piece in ["[a]((", *["word "] * 2_000])
    assert len(shown) > 8_000


def test_a_backtick_that_never_closes_is_let_go() -> None:
    opened = MarkerGate(offered=[])
    assert len("".join(opened.feed(piece) for piece in ["`", *["word "] * 400])) > 900
