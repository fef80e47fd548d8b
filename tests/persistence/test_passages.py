"""Passages fit the embedding model, keep together what belongs together, and hold a page's words once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.units import quotable
from persistence.pages import read_page
from persistence.passages import LIMIT, IndexedPassage, cut_into_passages, last_versions, tokens
from tests.persistence.site import admonition, code, doc, heading, tabs

URL = "https://docs.example.com/docs/intro"


def cut(body: str) -> list[IndexedPassage]:
    """Return the passages of a docs page titled "Intro"."""
    page = read_page(doc(f"<h1>Intro</h1>{body}"))
    return cut_into_passages(page, URL, "docs/intro") if page else []


def sentences(count: int, word: str = "notebook") -> str:
    """Return sentences of ten tokens each, all different."""
    return " ".join(f"{word.title()} {n} holds what you write in it." for n in range(count))


def test_a_passage_names_its_place() -> None:
    body = heading(2, "Limits", "limits") + heading(3, "Size", "size") + "<p>Ten pages."
    assert cut(body) == [
        IndexedPassage(
            id="1a4fd9a8-612a-5d10-a3f7-e241e2f2c0b7",
            url=f"{URL}#size",
            path="docs/intro#size",
            page="docs/intro",
            title="Intro",
            heading="Limits > Size",
            text="Ten pages.",
            position=0,
            locale="en",
            version="current",
            plugin="docs-default",
            last=True,
        )
    ]


def test_what_is_embedded_says_what_it_is_about() -> None:
    first, second = cut(f"<p>Before.{heading(2, 'Limits', 'limits')}<p>Ten pages.")
    assert (first.embedded, second.embedded) == ("Intro\n\nBefore.", "Intro > Limits\n\nTen pages.")


def test_blocks_of_a_section_share_a_passage_and_sections_do_not() -> None:
    body = f"<p>One.<ul><li>a<li>b</ul>{code('run')}{heading(2, 'Next', 'next')}<p>Two."
    assert [passage.text for passage in cut(body)] == ["One.\n\n- a\n- b\n\n```bash\nrun\n```", "Two."]


def test_a_passage_keeps_its_id_while_its_text_and_place_stay() -> None:
    before = cut(f"<p>One.{heading(2, 'Next', 'next')}<p>Two.")
    after = cut(f"<p>One!{heading(2, 'Next', 'next')}<p>Two.")
    assert [old.id == new.id for old, new in zip(before, after, strict=True)] == [False, True]


def test_a_long_section_is_cut_into_passages_of_about_equal_size() -> None:
    passages = cut("".join(f"<p>{sentences(3, f'word{n}')}" for n in range(8)))
    sizes = [tokens(passage.text) for passage in passages]
    assert max(sizes) <= LIMIT
    assert min(sizes) > max(sizes) / 2


def test_a_long_paragraph_is_cut_at_sentence_ends() -> None:
    text = sentences(60)
    passages = cut(f"<p>{text}")
    assert " ".join(passage.text for passage in passages) == text
    assert all(passage.text.endswith("write in it.") for passage in passages)


def test_a_long_list_is_cut_between_items() -> None:
    passages = cut(f"<ul>{''.join(f'<li>{sentences(2)}' for _ in range(20))}</ul>")
    assert len(passages) > 1
    assert all(line.startswith("- Notebook") for passage in passages for line in passage.text.split("\n"))


def test_a_long_table_is_cut_between_rows_below_its_header() -> None:
    rows = "".join(f"<tr><td>name{n}<td>{sentences(2)}" for n in range(30))
    passages = cut(f"<table><thead><tr><th>Name<th>Meaning<tbody>{rows}</table>")
    assert len(passages) > 1
    assert {passage.text.split("\n")[0] for passage in passages} == {"Name\tMeaning"}
    found = [line.split("\t")[0] for passage in passages for line in passage.text.split("\n")[1:]]
    assert found == [f"name{n}" for n in range(30)]


def test_code_is_cut_only_when_it_is_too_long_and_then_between_stanzas() -> None:
    stanzas = [[f"def step{n}(value):", f"    return other{n}(value + {n})"] for n in range(30)]
    lines = [line for stanza in stanzas for line in [*stanza, ""]]
    passages = cut(f"<p>{sentences(8)}{code(*lines, language='py', title='steps.py')}")
    blocks = [re.fullmatch(r"```py steps\.py\n(.*)\n```", passage.text, re.DOTALL) for passage in passages[1:]]
    assert [bool(block) for block in blocks] == [True] * len(blocks)
    assert "\n\n".join(block[1] for block in blocks if block) == "\n".join(lines).strip("\n")


def test_code_that_fits_is_never_cut() -> None:
    block = code(*(f"line {n} of the example" for n in range(25)))
    passages = cut(f"<p>{sentences(15)}{block}<p>{sentences(15)}")
    assert sum(passage.text.count("```bash") for passage in passages) == 1


def test_a_sentence_that_announces_code_stays_with_it() -> None:
    passages = cut(f"<p>{sentences(12)}<p>Then run this:{code(*(f'line {n} of the example' for n in range(25)))}")
    assert [passage.text.split("\n")[0] for passage in passages] == [sentences(12), "Then run this:"]


def test_labels_are_repeated_in_each_passage_they_hold_for() -> None:
    passages = cut(tabs(("Linux", f"<p>{sentences(30)}"), ("Windows", "<p>Click.")) + "<p>After.")
    starts = [passage.text.split("\n")[0] for passage in passages]
    assert starts == ["[tab: Linux]"] * (len(starts) - 1) + ["After."]
    assert passages[-2].text.endswith("[tab: Windows]\n\nClick.")


def test_two_boxes_of_one_kind_are_labelled_twice() -> None:
    body = admonition("note", "note", "<p>One.<p>Two.") + admonition("note", "note", "<p>Three.")
    assert [passage.text for passage in cut(body)] == ["[note]\n\nOne.\n\nTwo.\n\n[note]\n\nThree."]


def test_an_image_stays_with_the_paragraph_before_it() -> None:
    passages = cut("".join(f"<p>{sentences(9)}<img alt='Figure {n}'>" for n in range(6)))
    assert all(passage.text.split("\n\n")[-1].startswith("[image: Figure") for passage in passages)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<p>" + "x" * 5000, id="one word"),
        pytest.param("<p>" + "ノートには何ページでも書けます" * 100, id="no spaces"),
        pytest.param(code("0123456789abcdef" * 300), id="one line of code"),
        pytest.param("<table><tr><td>a<td>" + "word " * 2000 + "</table>", id="one row"),
        pytest.param("<details><summary>" + "label " * 300 + f"</summary><p>{sentences(30)}</details>", id="label"),
        pytest.param(heading(2, "long heading " * 100, "a") + code("x", title="title " * 300), id="heading and title"),
    ],
)
def test_what_cannot_be_cut_well_is_cut_all_the_same(body: str) -> None:
    page = read_page(doc(body))
    assert page is not None
    words = "".join(part for section in page.sections for block in section.blocks for part in block.lines)
    quoted = [p.text[unit.start : unit.end] for p in cut(body) for unit in quotable(p.text)]
    assert re.sub(r"\s", "", "".join(quoted)) == re.sub(r"\s", "", words)
    assert max(map(tokens, quoted)) <= LIMIT


words = st.text(st.sampled_from("abcäé.:! ノ0_-"), max_size=60)
blocks = st.recursive(
    st.one_of(
        st.integers(1, 60).map(lambda n: f"<p>{sentences(n)}"),
        words.map(lambda text: f"<p>p{text}"),
        st.lists(words, min_size=1, max_size=40).map(lambda lines: code("c", *lines)),
        st.lists(words, min_size=1, max_size=20).map(lambda items: f"<ul>{''.join(f'<li>l{i}' for i in items)}</ul>"),
        st.lists(words, min_size=1, max_size=20).map(
            lambda cells: f"<table><tr><td>k<td>v{''.join(f'<tr><td>r<td>{cell}' for cell in cells)}</table>"
        ),
        words.map(lambda text: heading(2, f"h{text}", "h")),
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=4).flatmap(
        lambda parts: st.sampled_from(
            [admonition("tip", "tip", "".join(parts)), tabs(*((f"t{n}", part) for n, part in enumerate(parts)))]
        )
    ),
    max_leaves=8,
)


@given(st.lists(blocks, max_size=6))
def test_passages_hold_every_word_of_a_page_once_and_in_order(parts: list[str]) -> None:
    page = read_page(doc("<p>Start." + "".join(parts)))
    assert page is not None
    passages = cut_into_passages(page, URL, "docs/intro")
    written = "".join(line for section in page.sections for block in section.blocks for line in block.lines)
    texts = [line for passage in passages for line in passage.text.split("\n")]
    kept = [line for line in texts if not re.fullmatch(r"\[(tip|tab: .*)\]|```(bash)?", line)]
    assert re.sub(r"\s", "", "".join(kept)) == re.sub(r"\s", "", written)
    assert [passage.position for passage in passages] == list(range(len(passages)))
    assert max(tokens(passage.embedded) for passage in passages) <= LIMIT


def test_the_estimate_of_tokens_is_near_for_prose_and_high_for_the_rest() -> None:
    assert tokens("Notebooks hold pages.") == 5
    assert tokens("createStore(reducer)") == 7
    assert tokens("019abf40-1f6e-7d0a-8a3c-5c2f6f0e7b21") == 25
    assert tokens("日本語") == 3


@pytest.mark.parametrize(
    ("pages", "last"),
    [
        pytest.param([("current", "docs/intro")], "current", id="one version"),
        pytest.param(
            [("current", "docs/next/intro"), ("1.0", "docs/guide/deep/page"), ("0.9", "docs/0.9/intro")],
            "1.0",
            id="released",
        ),
        pytest.param([("current", "docs/intro"), ("1.0", "docs/1.0/intro")], "current", id="current is last"),
        pytest.param([("current", "next"), ("2", ""), ("1", "1/a")], "2", id="docs at the root"),
        pytest.param([("current", "de/docs/next/a"), ("1.0", "de/docs/a")], "1.0", id="other locale"),
        pytest.param([("current", "docs/canary/a"), ("1.0", "docs/a"), ("0.9", "docs/old/a")], "1.0", id="renamed"),
    ],
)
def test_the_last_version_is_the_one_without_a_segment(pages: list[tuple[str, str]], last: str) -> None:
    found = [("docs-default", version, path) for version, path in pages]
    assert last_versions([*found, ("docs-api", "7", "api/7")]) == {"docs-default": last, "docs-api": "7"}
