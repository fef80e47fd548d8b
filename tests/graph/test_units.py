"""What of a passage or a selection can be quoted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.units import quotable, split_units


def read(text: str) -> list[tuple[str, str, int]]:
    return [(u.kind, text[u.start : u.end], u.block) for u in split_units(text)]


def sentences(text: str) -> list[str]:
    return [text[u.start : u.end] for u in quotable(text)]


def test_every_block_of_a_passage_is_read_as_what_it_is() -> None:
    text = (
        "Install it first. Then run it.\n\n[tab: Linux]\n\n```sh title.sh\nnpm install\n\nnpm start\n```\n\n"
        "[warning: Mind the gap]\n\nOptions:\n- fast. Really fast.\n  1. nested\n- slow\n\n"
        "Name\tDefault\nretries\t3\n\n[image: A diagram]\n\n````md\n```js\n````"
    )
    assert read(text) == [
        ("sentence", "Install it first.", 0),
        ("sentence", "Then run it.", 0),
        ("label", "[tab: Linux]", 1),
        ("code", "npm install\n\nnpm start", 2),
        ("label", "[warning: Mind the gap]", 3),
        ("sentence", "Options:", 4),
        ("sentence", "fast.", 4),
        ("sentence", "Really fast.", 4),
        ("sentence", "nested", 4),
        ("sentence", "slow", 4),
        ("row", "Name\tDefault", 5),
        ("row", "retries\t3", 5),
        ("label", "[image: A diagram]", 6),
        ("code", "```js", 7),
    ]


def test_code_within_a_line_opens_no_block() -> None:
    assert read("```ls``` lists files. ```pwd``` too.\n\nDone.") == [
        ("sentence", "```ls``` lists files.", 0),
        ("sentence", "```pwd``` too.", 0),
        ("sentence", "Done.", 1),
    ]


def test_labels_are_not_quoted() -> None:
    assert sentences("[note]\n\nSave often.") == ["Save often."]


@pytest.mark.parametrize(
    ("text", "expected"),
    {
        "abbreviations": (
            "Use a file, e.g. a.json, i.e. Data. Nr. 5 gilt z. B. hier.",
            ["Use a file, e.g. a.json, i.e. Data.", "Nr. 5 gilt z. B. hier."],
        ),
        "initials": ("Written by J. Smith. It works.", ["Written by J. Smith.", "It works."]),
        "several initials": (
            "George R.R. Martin wrote it. Open at 5 p.m. , not at 5 a.m. The next day too.",
            ["George R.R. Martin wrote it.", "Open at 5 p.m. , not at 5 a.m.", "The next day too."],
        ),
        "numbered things": ("Matrix No. 5 is set. Is it? No. 5 is.", ["Matrix No. 5 is set.", "Is it?", "No. 5 is."]),
        "an initial behind a bullet": ("- A. Smith wrote it.", ["A. Smith wrote it."]),
        "versions and numbers": ("Needs 3.11 or later. Costs 1.5 s.", ["Needs 3.11 or later.", "Costs 1.5 s."]),
        "Chinese": ("默认超时为三十秒。可以更改！为什么？", ["默认超时为三十秒。", "可以更改！", "为什么？"]),
        "Japanese quotation": ("「はい。」と言う。次へ。", ["「はい。」", "と言う。", "次へ。"]),
        "closing quotes": ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        "lines wrapped by hand": (
            "The client retries a\nrequest three times.\nThen it fails.",
            ["The client retries a\nrequest three times.", "Then it fails."],
        ),
        "lines that are not wrapped": ("Linux\nWindows\nAndroid", ["Linux", "Windows", "Android"]),
        "emoji": ("🎉 Done 👩‍👩‍👧. Next 🚀.", ["🎉 Done 👩‍👩‍👧.", "Next 🚀."]),
        "Windows line ends": ("One.\r\nTwo.\r\n", ["One.", "Two."]),
        "a fence that never closes": ("```\nnpm start", ["npm start"]),
        "an empty fence": ("```\n```\nText.", ["Text."]),
        "white space": (" \n\t\n", []),
    }.values(),
)
def test_a_text_is_cut_into_the_sentences_a_reader_sees(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


LINES = st.lists(
    st.text(alphabet="aZ9 .!?:\t`-*[]。é🎉", max_size=12)
    | st.sampled_from(["```", "````js", "- item", "  1. deep", "[note]", "a\tb", "e.g. this.", ""]),
    max_size=12,
).map("\n".join)


@given(LINES)
def test_units_are_in_order_apart_and_leave_nothing_out_but_layout(text: str) -> None:
    units = split_units(text)
    edges = [edge for u in units for edge in (u.start, u.end)]
    assert edges == sorted(edges)
    assert all(0 <= u.start < u.end <= len(text) for u in units)
    assert [text[u.start : u.end].strip() != "" for u in units] == [True] * len(units)
    left = [text[end:start] for end, start in zip([0, *edges[1::2]], [*edges[::2], len(text)], strict=True)]
    layout = re.compile(r"\s*(?:(?:[-*]|\d[.)])\s*|`{3,}.*)?")
    assert [line for line in "\n".join(left).split("\n") if not layout.fullmatch(line)] == []


def test_a_long_selection_of_initials_is_read_at_once() -> None:
    text = "A. " * 6_600  # 0.03 s; it took 16 s while each stop looked at the whole text
    assert sentences(text) == [text.strip()]
