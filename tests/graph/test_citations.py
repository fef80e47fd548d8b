"""Which markers a reader sees, and the words they lead to."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graph.citations import MarkerGate, Statement, find_verbatim, locate, resolve, statements, unsupported
from graph.markdown import as_text
from graph.types import Citation, Passage, Span


def passage(text: str, number: int = 1) -> Passage:
    return Passage(id=f"p{number}", url=f"https://d/{number}", path=f"{number}", title="T", heading="H", text=text)


def gate(*pieces: str, texts: Sequence[str] | None = None) -> tuple[str, list[tuple[int, int]]]:
    """Pass an answer through; by default three passages say all it says."""
    opened = MarkerGate(offered=[passage(text) for text in texts or ["".join(pieces)] * 3])
    shown = "".join([*map(opened.feed, pieces), opened.flush()])
    return shown, opened.marks


@pytest.mark.parametrize(
    ("written", "shown", "marks"),
    {
        "one": ("Yes [1].", "Yes [1].", [(1, 4)]),
        "groups": ("Yes [1, 3] and [2][1]", "Yes [1][3] and [2][1]", [(1, 4), (3, 7), (2, 15), (1, 18)]),
        "fullwidth": ("はい【2】。", "はい[2]。", [(2, 2)]),
        "nobody issued it": ("No [4], no [0] [12].", "No, no.", []),
        "some nobody issued": ("So [9, 2].", "So [2].", [(2, 3)]),
        "twice in a group": ("So [2, 2].", "So [2].", [(2, 3)]),
        "in a code span": ("Take `a[1]` [1].", "Take `a[1]` [1].", [(1, 12)]),
        "in a code block": ("```js\na[9]\n```\nSo [2]", "```js\na[9]\n```\nSo [2]", [(2, 18)]),
        "in double backticks": ("``a`[9]`` [1]", "``a`[9]`` [1]", [(1, 10)]),
        "behind a lone backtick": ("A ` stands alone.\nSo [1] [7]", "A \\` stands alone.\nSo [1]", [(1, 22)]),
        "an address behind it": ("See [1](https://evil.example).", "See [1]\\(`https://evil.example`).", [(1, 4)]),
        "no marker": ("a[i] [x] [] [1a] [", "a[i] [x] [] [1a] [", []),
        "behind emoji": ("👩‍👧 [1]", "👩‍👧 [1]", [(1, 4)]),
        "never closed": ("So [1", "So [1", []),
        "too long for a marker": ("So [1" + " " * 30 + "]", "So [1" + " " * 30 + "]", []),
    }.values(),
)
def test_a_reader_sees_the_markers_that_were_issued_and_no_others(
    written: str, shown: str, marks: list[tuple[int, int]]
) -> None:
    assert gate(written) == (shown, marks)


@pytest.mark.parametrize(
    ("written", "shown"),
    {
        "it shares words": ("Cheese is yellow [1].", "Cheese is yellow [1]."),
        "it shares none": ("The moon is round [1].", "The moon is round."),
        "one of a group shares": ("All pears are green [1][2].", "All pears are green [2]."),
        "on a line of its own": ("Cheese it is.\n[1] [2]", "Cheese it is.\n[1]"),
        "each sentence for itself": ("Cheese [1]. The moon [1]. Pears [2]", "Cheese [1]. The moon. Pears [2]"),
        "behind code": ("Use `cheese` [1] [2]", "Use `cheese` [1]"),
        "no words to compare": ("It is so [1]", "It is so [1]"),
        "a script without spaces": ("默认值是三十秒 [1]。", "默认值是三十秒 [1]。"),
        "another language": ("Der Mond ist rund [1].", "Der Mond ist rund [1]."),
        "another alphabet": ("Луна круглая [1].", "Луна круглая [1]."),
    }.values(),
)
def test_a_marker_that_shares_no_word_with_its_passage_is_dropped(written: str, shown: str) -> None:
    assert gate(written, texts=["All about cheese.", "All about pears."])[0] == shown


PARTS = "apples|pears|[1]| [2]|[9]|[1, 9]|【3】|`|``|```|\n| |[|]|(|1|,|a|🎉|[1](x)|[1         |       |<b|>|!|:|](|)"
WRITTEN = st.lists(
    st.sampled_from(PARTS.split("|")),
    max_size=20,
).map("".join)


@given(written=WRITTEN, data=st.data())
@example(written="[1" + " " * 25 + "]", data=None)
def test_an_answer_reads_the_same_in_whatever_pieces_it_comes(written: str, data: st.DataObject | None) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(written))))) if data else range(len(written))
    edges = [0, *cuts, len(written)]
    texts = ["apples", "pears", "apples and pears"]
    shown, marks = gate(*(written[a:b] for a, b in pairwise(edges)), texts=texts)
    assert (shown, marks) == gate(written, texts=texts)
    assert [shown[at : at + len(f"[{n}]")] for n, at in marks] == [f"[{n}]" for n, _ in marks]


@pytest.mark.parametrize(
    ("head", "doubted"),
    [
        ("## Limits of a session", False),
        ("## Founded by Ottoline Verrault", True),
        ("A session has 7 limits:", True),
        ("These are the limits:", False),
    ],
)
def test_a_heading_is_marked_when_it_names_or_counts_what_no_passage_does(head: str, doubted: bool) -> None:
    text = f"{head}\n\nA session expires after 30 days. [1]"
    marks = [(1, text.index("[1]"))]
    spans = unsupported(text, marks, [passage("A session expires after 30 days.")])
    assert spans == ((Span(start=0, end=len(head)),) if doubted else ())


def test_a_bracket_behind_no_marker_is_left_alone() -> None:
    assert gate("a", "b", "(c)") == ("ab(c)", [])


def test_text_that_cannot_become_a_marker_is_shown_at_once() -> None:
    opened = MarkerGate(offered=[passage("A list.")])
    assert [opened.feed(piece) for piece in ("A list", " [", "1", "]", " of", " (x")] == [
        "A list",
        "",
        "",
        " [1]",
        " of",
        " (x",
    ]


LIMITS = "A notebook holds 15 pages. Sharing needs an account. The export is a “zip” file."


@pytest.mark.parametrize(
    ("words", "quote"),
    {
        "its very words": ("Sharing needs an account.", "Sharing needs an account."),
        "other white space": ("Sharing \n needs\tan account", "Sharing needs an account"),
        "other quotation marks": ('The export is a "zip" file', "The export is a “zip” file"),
        "across sentences": ("pages. Sharing needs", "pages. Sharing needs"),
        "a number inside of another": ("5 pages", None),
        "a word inside of another": ("note", None),
        "changed": ("Sharing needs no account.", None),
        "blank": (" \n", None),
        "nothing but punctuation": (".", "."),
        "longer than the text": ("a " * 100_000, None),
    }.values(),
)
def test_words_are_found_only_where_they_stand(words: str, quote: str | None) -> None:
    found = find_verbatim(words, LIMITS)
    assert (LIMITS[found.start : found.end] if found else None) == quote


def test_words_are_found_in_a_script_without_spaces() -> None:
    assert find_verbatim("超时为三十秒", "默认超时为三十秒。") == Span(start=2, end=8)


@pytest.mark.parametrize(
    ("claim", "quote"),
    {
        "verbatim": ("**Sharing needs an account.**", "Sharing needs an account."),
        "other words": ("You cannot share without an account", "Sharing needs an account."),
        "a number": ("Up to 15 pages fit into a notebook", "A notebook holds 15 pages."),
        "a short word that stands in a longer one": ("count", "A notebook holds 15 pages."),
    }.values(),
)
def test_a_citation_leads_to_the_sentence_that_says_it(claim: str, quote: str) -> None:
    span = locate(claim, LIMITS)
    assert LIMITS[span.start : span.end] == quote


def cited(text: str, *texts: str) -> list[tuple[int, int, str, str]]:
    shown, marks = gate(text, texts=texts)
    assert shown == text
    found = resolve(text, marks, [passage(t, n) for n, t in enumerate(texts, 1)])
    for c in found:
        assert c.quote == texts[c.marker - 1][c.start : c.end]
    return [(c.marker, c.at, c.passage_id, c.quote) for c in found]


def test_each_marker_of_an_answer_leads_to_its_own_words() -> None:
    text = "A notebook holds 15 pages [1]. Exports are zip files [1][2].\n- Sharing needs an account [1]\n[2]"
    assert cited(text, LIMITS, "Exports are zip files. An account is free.") == [
        (1, 26, "p1", "A notebook holds 15 pages"),
        (1, 53, "p1", "The export is a “zip” file."),
        (2, 56, "p2", "Exports are zip files"),
        (1, 88, "p1", "Sharing needs an account"),
        (2, 92, "p2", "An account is free."),
    ]


def test_a_marker_on_a_line_of_its_own_speaks_for_the_line_before() -> None:
    assert cited("First, sharing.\nSharing needs an account.\n\n[1]", LIMITS) == [
        (1, 43, "p1", "Sharing needs an account.")
    ]


def test_a_sentence_of_the_passage_is_never_doubted() -> None:
    # "expires_at" begins no sentence, so that the denial behind it seems to be part of the one before.
    said = passage("Using the session renews it. expires_at is written once an hour, so that reading does not write.")
    for text, doubted in (("Using the **session** renews it [1].", False), ("Using the session ends it [1].", True)):
        assert bool(unsupported(text, [(1, text.index("[1]"))], [said])) == doubted


def test_a_citation_carries_the_page_it_leads_to() -> None:
    assert resolve("Yes [1]", [(1, 4)], [passage("Yes.")]) == (
        Citation(
            marker=1,
            at=4,
            passage_id="p1",
            url="https://d/1",
            path="1",
            title="T",
            heading="H",
            quote="Yes",
            start=0,
            end=3,
        ),
    )


def test_the_sentences_of_an_answer_know_their_markers() -> None:
    text = (
        "# Limits\n\nA notebook is small. It holds 15 pages. [1] Sharing needs an account [2].\n\n"
        "Do this:\n\n```\nnpm start [1]\n```\n\n- Nobody says this.\n- Ready?"
    )
    _, marks = gate(text)
    assert statements(text, marks) == [
        Statement(10, 30, "A notebook is small.", (1,)),
        Statement(31, 49, "It holds 15 pages.", (1,)),
        Statement(54, 83, "Sharing needs an account.", (2,)),
        Statement(120, 137, "Nobody says this.", ()),
    ]


@pytest.mark.parametrize(
    ("sentence", "doubted"),
    {
        "said": ("A notebook holds 15 pages [1].", False),
        "said in other words": ("A notebook can hold up to 15 pages [1].", False),
        "another number": ("A notebook holds 20 pages [1].", True),
        "denied": ("Sharing does not need an account [1].", True),
        "an invented name": ("Sharing needs a Dropbox account [1].", True),
        "a denial dropped": ("Sharing is free [2].", True),
        "said beside something denied": ("Notebooks stay really small [2].", False),
        "not cited": ("A notebook holds 15 pages.", True),
        "outside knowledge": ("Whales are mammals [1].", True),
    }.values(),
)
def test_sentences_that_no_cited_passage_supports_are_marked(sentence: str, doubted: bool) -> None:
    denying = passage("Notebooks are small. Sharing is not free.", 2)
    text, marks = gate(sentence, texts=[LIMITS, denying.text])
    assert unsupported(text, marks, [passage(LIMITS), denying]) == ((Span(start=0, end=len(text)),) if doubted else ())


def test_a_backslash_that_a_passage_says_is_not_marked() -> None:
    known = passage("Sometimes not \\-x")
    text, marks = gate(as_text("not \\-x"), " [1]", texts=[known.text])
    assert (text, unsupported(text, marks, [known])) == ("not \\\\-x [1]", ())


@pytest.mark.parametrize("head", ["Die Grenzen und die Nutzer im Überblick:", "Limits of 1k users:", "From 8 on:"])
def test_a_lead_in_that_says_nothing_new_is_not_marked(head: str) -> None:
    text = f"{head}\n\nA plan has 1000 users from 08:00. [1]"
    known = passage("A plan has 1000 users from 08:00. Limits are told.")
    assert unsupported(text, [(1, text.index("[1]"))], [known]) == ()


@pytest.mark.parametrize(
    ("said", "doubted"),
    [
        ("The passages do not say which database is used.", False),
        ("The documentation doesn't mention how exports are encrypted.", False),
        ("In der Dokumentation steht nichts dazu.", False),
        ("Exports are not encrypted.", True),
        ("The passages do not say so, but it is 500.", True),
        ("The passages do not say so. Exports are encrypted.", True),
    ],
)
def test_that_the_passages_do_not_answer_needs_no_citation(said: str, doubted: bool) -> None:
    assert bool(unsupported(said, [], [passage(LIMITS)])) == doubted


def test_the_names_of_columns_state_nothing() -> None:
    text = "| Limit | Value |\n|:---|---:|\n| Users | 5 [1] |"
    known = passage("The limit of users: a value of 5 Users are allowed.")
    assert [s.text for s in statements(text, [(1, text.index("[1]"))])] == ["| Users | 5 |"]
    assert unsupported(text, [(1, text.index("[1]"))], [known]) == ()


def test_words_are_found_whether_their_letters_are_composed_or_not() -> None:
    decomposed = "Die Gro\u0308\u00dfe der u\u0308brigen ist frei."
    composed = "Die Größe der übrigen ist frei."
    assert find_verbatim("der übrigen", decomposed) == Span(start=11, end=23)
    assert find_verbatim("der u\u0308brigen", composed) == Span(start=10, end=21)
