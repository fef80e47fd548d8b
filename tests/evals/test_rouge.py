"""ROUGE-L on texts whose score is known from its formula."""

import pytest

from evals.rouge import rouge_l


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    {
        "the same words": ("A cache holds pages.", ["a cache holds pages"], 1.0),
        "the example of Lin 2004": ("police kill the gunman", ["police killed the gunman"], 0.75),
        "order counts": ("the gunman kill police", ["police killed the gunman"], 0.5),
        "a longer answer": ("it holds pages and much more", ["it holds pages"], 2 * 3 / (6 + 3)),
        "the best reference": ("thirty days", ["a month", "thirty days"], 1.0),
        "umlauts are letters": ("Größe zählt", ["größe zählt"], 1.0),
        "nothing shared": ("yes", ["no"], 0.0),
        "nothing said": ("", ["no"], 0.0),
        "nothing wanted": ("yes", [], 0.0),
    }.values(),
)
def test_the_longest_run_of_shared_words_counts(answer: str, references: list[str], expected: float) -> None:
    assert rouge_l(answer, references) == pytest.approx(expected)
