"""Retrieval is measured on pages and questions from elsewhere; these are small ones of our own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.built import Part, write_page
from evals.external import DataUnusable
from evals.external.retrieval import SETS, Asked, measure, run, score
from evals.fit.floor import Case, collect, fit, left_out, refused, report
from persistence.pages import read_page
from persistence.pages.blocks import Block, Label, Section

pytestmark = pytest.mark.anyio

ISSUES, TITLES, QUESTIONS = SETS


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _page(site: str, path: str, title: str, *sections: tuple[str, str]) -> dict[str, Any]:
    parts = [{"anchor": h.lower(), "heading": h, "level": 2, "path": [], "text": text} for h, text in sections]
    return {"site": site, "page": f"{site}:/{path}", "title": title, "sections": parts}


def _issue(qid: str, site: str, title: str, body: str, page: str) -> dict[str, Any]:
    gold = [{"page": f"{site}:/{page}", "anchor": ""}]
    return {"qid": qid, "site": site, "title": title, "query": f"{title}\n{body}", "gold": gold}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as `--data` wants it: a site about bread, one about boats, and one in pieces about clocks."""
    pages = [
        _page(
            "bread", "docs/oven", "The oven", ("Heat", "Heat the oven for an hour."), ("Steam", "Add a cup of water.")
        ),
        _page("bread", "docs/dough", "The dough", ("Kneading", "Knead the dough until it is smooth.")),
        _page("boats", "docs/sails", "Sails", ("Reefing", "Reef the sail before the wind is strong.")),
        _page("boats", "docs/anchor", "The anchor", ("Depth", "Let out seven times the depth of the water.")),
    ]
    issues = [
        _issue("bread-1", "bread", "Dough sticks to my hands", "I have kneaded it twice.", "docs/dough"),
        _issue("boats-1", "boats", "Too much sail in a storm", "When does one reef?", "docs/sails"),
    ]
    address = "https://docs.claude.com/en/winding"
    pieces = [{"chunk": f"{address}#how", "page": address, "heading": "How", "text": "How\n\nWind the clock at noon."}]
    question = {"qid": "clock-1", "query": "When is the clock wound?", "gold_pages": [address]}
    asked = [question | {"reference_answer": "At noon."}]
    _write(tmp_path, "docs_retrieval.pages.jsonl", pages)
    _write(tmp_path, "docs_retrieval.queries.jsonl", issues)
    _write(tmp_path, "docs_qa_anthropic.chunks.jsonl", pieces)
    _write(tmp_path, "docs_qa_anthropic.queries.jsonl", asked)
    return tmp_path


async def test_pages_are_found_by_the_products_own_search_and_scored(folder: Path, cache: Path) -> None:
    figures = await measure(folder, lambda line: None, cache=cache)
    assert [(figure.set, figure.metric, figure.value, figure.cases) for figure in figures] == [
        (name, metric, 1.0, cases)
        for name, cases in (("docs_retrieval", 2), ("docs_retrieval titles", 2), ("docs_qa_anthropic", 1))
        for metric in ("MRR@10", "recall@5", "nDCG@10")
    ]
    assert [figure.goal for figure in figures if figure.set == "docs_retrieval"] == [0.82, 0.95, 0.86]


async def test_a_second_run_embeds_nothing(folder: Path, cache: Path) -> None:
    await run(folder, ISSUES, lambda line: None, cache=cache)
    told: list[str] = []
    found = await run(folder, ISSUES, told.append, cache=cache)
    assert found == [
        {"qid": "bread-1", "pages": ["bread:/docs/dough", "bread:/docs/oven"]},
        {"qid": "boats-1", "pages": ["boats:/docs/sails", "boats:/docs/anchor"]},
    ]
    assert told
    assert not [line for line in told if "embedding" in line]


async def test_questions_about_sites_without_pages_are_told_and_left_out(folder: Path, cache: Path) -> None:
    questions = folder / "docs_retrieval.queries.jsonl"
    first, *_ = questions.read_text().splitlines()
    questions.write_text(
        questions.read_text() + first.replace('"bread"', '"stone"').replace("bread-1", "stone-1") + "\n"
    )
    told: list[str] = []
    figures = await measure(folder, told.append, cache=cache)
    assert [figure.cases for figure in figures if figure.set == "docs_retrieval"] == [2, 2, 2]
    assert "docs_retrieval: 1 of 3 questions are left out: there are no pages of stone" in told


def test_a_page_further_down_scores_less_and_none_scores_nothing() -> None:
    questions = [Asked("a", "s", "?", frozenset({"p"})), Asked("b", "s", "?", frozenset({"p", "q"}))]
    found = [{"qid": "a", "pages": ["x", "p"]}, {"qid": "b", "pages": []}]
    figures = {figure.metric: figure.value for figure in score(ISSUES, questions, found)}
    assert figures == pytest.approx({"MRR@10": 0.25, "recall@5": 0.5, "nDCG@10": 0.5 / np.log2(3)})


async def test_a_missing_file_is_named(folder: Path, cache: Path) -> None:
    (folder / "docs_qa_anthropic.chunks.jsonl").unlink()
    with pytest.raises(DataUnusable, match=r"docs_qa_anthropic\.chunks\.jsonl is missing"):
        await measure(folder, lambda line: None, cache=cache)


def test_markdown_is_read_as_a_built_page(tmp_path: Path) -> None:
    markdown = """
```mdx-code-block
import Tabs from '@theme/Tabs';
```

<Tabs>

Write `Array<T>` **once**, see [the list](./list.md).

</Tabs>

:::tip Do

- one
- two

:::

```js title="a.js"
a();
```

| k | v |
| - | - |
| x | y |
"""
    write_page(tmp_path, "docs/a", "A & B", [Part("", "", 0, "Begin."), Part("use-it", "Use it", 3, markdown)])
    page = read_page((tmp_path / "docs/a/index.html").read_bytes())
    assert page is not None
    assert (page.title, page.version, page.plugin, page.locale) == ("A & B", "current", "docs-default", "en")
    box = page.sections[1].blocks[1].labels
    assert [label.text for label in box] == ["[tip: Do]"]
    assert page.sections == [
        Section(None, (), [Block("paragraph", ["Begin."])]),
        Section(
            "use-it",
            ("Use it",),
            [
                Block("paragraph", ["Write Array<T> once, see the list."]),
                Block("list", ["- one", "- two"], labels=(Label(box[0].number, "[tip: Do]"),)),
                Block("code", ["a();"], head="```js a.js"),
                Block("table", ["x\ty"], head="k\tv"),
            ],
        ),
    ]


async def test_questions_are_asked_where_they_are_answered_and_where_they_are_not(folder: Path, cache: Path) -> None:
    cases = await collect(folder, cache, lambda line: None)
    kinds = [(case.qid, case.asked_on, case.kind) for case in cases if case.set == "docs_qa_anthropic"]
    assert sorted(kinds) == [
        ("clock-1", "anthropic", "near miss"),
        ("clock-1", "anthropic", "own"),
        ("clock-1", "boats", "elsewhere"),
        ("clock-1", "bread", "elsewhere"),
    ]
    (own,) = [case for case in cases if case.qid == "clock-1" and case.kind == "own"]
    (near_miss,) = [case for case in cases if case.qid == "clock-1" and case.kind == "near miss"]
    assert own.found[0][0] > 0.5
    assert near_miss.found.tolist() == [[0.0, 0.0]]  # the only page of its site is the one that answers


def _asked(home: str, asked_on: str, cosine: float, coverage: float) -> Case:
    kind = "own" if home == asked_on else "elsewhere"
    return Case("docs_retrieval", home, home, asked_on, kind, np.array([[0.1, 0.1], [cosine, coverage]]))


def test_the_floor_is_put_between_what_is_answered_and_what_is_not() -> None:
    own = [_asked(site, site, 0.5, 0.4) for site in "abc"]
    elsewhere = [_asked(site, other, 0.5, 0.1) for site in "abc" for other in "abc" if site != other]
    weight, floor = fit([*own, *elsewhere])
    assert 0.5 + 0.1 * weight < floor <= 0.5 + 0.4 * weight
    assert refused([*own, *elsewhere], "own", weight, floor) == 0
    assert refused([*own, *elsewhere], "elsewhere", weight, floor) == 1
    assert left_out([*own, *elsewhere]) == (0.0, 0.0)
    near_miss = replace(own[0], kind="near miss")
    assert report([*own, near_miss, *elsewhere])[-1] == "3 own, 1 near miss, 6 elsewhere"
