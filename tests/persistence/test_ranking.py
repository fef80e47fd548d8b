"""The order of what was found, by scores written down here."""

import pytest

from persistence.index.engine import METADATA, Hit
from persistence.index.ranking import ranked


def hit(name: str, cosine: float | None) -> Hit:
    """Return a hit of the page before the name's dot, below a heading that is the name."""
    page = name.partition(".")[0]
    return Hit(name, {METADATA: {"page": page, "title": page, "heading": f"Top > {name}"}}, cosine, {})


def order(*found: tuple[str, float | None, float], query: str = "") -> list[str]:
    """Return the names best first, each given with its cosine and its BM25 score."""
    hits = [hit(name, cosine) for name, cosine, _ in found]
    return [each.id for each in ranked(hits, [words for *_, words in found], query)]


def test_nothing_found_has_no_order() -> None:
    assert ranked([], [], "anything") == []


def test_both_scores_count_and_the_cosine_more() -> None:
    assert order(("a.1", 0.2, 9.0), ("b.1", 0.6, 0.0), ("c.1", 0.6, 5.0), ("d.1", 0.2, 0.0)) == [
        "c.1",
        "b.1",
        "a.1",
        "d.1",
    ]


def test_a_page_shows_its_two_best_passages_before_the_next_page() -> None:
    found = [("a.1", 0.9, 3.0), ("b.1", 0.8, 3.0), ("b.2", 0.8, 2.0), ("b.3", 0.8, 1.0), ("c.1", 0.1, 0.0)]
    assert order(*found) == ["b.1", "b.2", "a.1", "c.1", "b.3"]


def test_a_query_that_is_a_heading_finds_its_section_first() -> None:
    found = [("a.1", 0.9, 3.0), ("a.2", 0.8, 3.0), ("b.1", 0.3, 1.0), ("b.2", 0.1, 0.0)]
    assert order(*found, query="B.1?") == ["b.1", "a.1", "a.2", "b.2"]
    assert order(*found, query="B.1 and more") == ["a.1", "a.2", "b.1", "b.2"]
    assert order(*found, query="?") == ["a.1", "a.2", "b.1", "b.2"]


def test_without_vectors_words_alone_count() -> None:
    assert order(("a.1", None, 1.0), ("b.1", None, 3.0), ("b.2", None, 0.5)) == ["b.1", "b.2", "a.1"]


@pytest.mark.parametrize("cosines", [(0.5, 0.5), (0.5, 0.5 + 1e-7)])
def test_equals_stand_in_the_order_of_their_ids_on_every_engine(cosines: tuple[float, float]) -> None:
    far = ("z.1", 0.0, 0.0)
    assert order(("b.1", cosines[1], 1.0), ("a.1", cosines[0], 1.0), far) == ["a.1", "b.1", "z.1"]
    assert order(("a.1", cosines[0], 1.0), ("b.1", cosines[1], 1.0), far) == ["a.1", "b.1", "z.1"]
