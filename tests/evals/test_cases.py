"""Cases: what is wrong with a file is told by line and field, and those that are there mean what they say."""

import re
from pathlib import Path

import pytest

from evals.cases import SUITES, CaseInvalid, GroundedCase, RetrievalCase, SufficiencyCase, Suite, own_cases, read_cases
from evals.cases.by_rule import cases_by_rule
from evals.sites import EvalSite, read_site
from evals.synthetic import FORMER, LAST, TOPICS, fact, write_synthetic_site
from graph.citations import find_verbatim

DOCS = Path(__file__).parents[2] / "website"
GOOD = '{"id": "a", "question": "What?", "pages": ["docs/"]}'


@pytest.mark.parametrize(
    ("suite", "lines", "told"),
    {
        "no JSON": ("retrieval", [GOOD, "{"], "line 2: Expecting property name"),
        "no object": ("retrieval", ["[]"], "line 1: an object is wanted, not list"),
        "a field is missing": ("retrieval", ['{"id": "a", "question": "What?"}'], "line 1: pages: Field required"),
        "a field nobody knows": ("retrieval", [GOOD.replace('"pages"', '"x": 1, "pages"')], "line 1: x: Extra"),
        "a field is empty": ("retrieval", [GOOD.replace("What?", "")], "line 1: question: String should have at least"),
        "the same id": ("retrieval", [GOOD, "", GOOD], "line 3: id 'a' stands in line 1 already"),
        "covered by no page": ("grounded", ['{"id": "a", "question": "?"}'], "a covered question needs `pages`"),
        "a canary without a bird": (
            "constrained",
            ['{"id": "a", "kind": "canary", "question": "?", "selection": "x"}'],
            "line 1: the case: a canary needs `never`",
        ),
        "nothing to cut": (
            "sufficiency",
            ['{"id": "a", "question": "?", "selection": "x y", "verdict": "insufficient", "cut": "z"}'],
            "`cut` must stand in the selection once",
        ),
        "a verdict that is none": (
            "sufficiency",
            ['{"id": "a", "question": "?", "selection": "x", "verdict": "maybe"}'],
            "line 1: verdict: Input should be",
        ),
    }.values(),
)  # fmt: skip
def test_a_malformed_file_is_told_by_line_and_field(tmp_path: Path, suite: str, lines: list[str], told: str) -> None:
    file = tmp_path / f"{suite}.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(CaseInvalid) as error:
        read_cases(file)
    assert str(error.value).startswith(f"{file}, ")
    assert told in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaseInvalid, match="cannot be read"):
        read_cases(tmp_path / "retrieval.jsonl")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> EvalSite:
    """The synthetic site, not indexed."""
    return read_site("synthetic", write_synthetic_site(tmp_path_factory.mktemp("site")))


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_has_a_hundred_cases_and_half_of_them_by_rule(site: EvalSite, suite: Suite) -> None:
    by_hand, by_rule = own_cases(suite), cases_by_rule(suite, site, seed=1)
    assert len(by_hand) + len(by_rule) >= 100
    assert len(by_rule) >= len(by_hand) > 20
    assert by_rule == cases_by_rule(suite, site, seed=1)
    assert len({case.id for case in (*by_hand, *by_rule)}) == len(by_hand) + len(by_rule)


@pytest.mark.parametrize("suite", SUITES)
def test_rules_make_cases_of_any_built_site(site: EvalSite, suite: Suite) -> None:
    foreign = EvalSite("site", site.folder, site.base_url, site.pages)
    cases = cases_by_rule(suite, foreign, seed=1)
    assert len(cases) >= 20
    assert all(case.site == "site" and case.rule for case in cases)


def test_cases_by_rule_name_pages_that_exist(site: EvalSite) -> None:
    cases = [*cases_by_rule("retrieval", site, 1), *cases_by_rule("grounded", site, 1)]
    named = {page for case in cases if isinstance(case, RetrievalCase | GroundedCase) for page in case.pages}
    assert named <= site.pages.keys()


def test_the_two_versions_of_a_page_never_say_the_same() -> None:
    for topic in TOPICS:
        said = [fact(topic, index, version) for index in range(3) for version in (LAST, FORMER)]
        assert len({re.findall(r"\d+", sentence)[0] for sentence in said}) == 6


def _source(page: str) -> str:
    """Return the Markdown that a page of our docs is built from, without the marks that readers do not see."""
    route = page.strip("/") + "/intro" if page == "docs/" else page.strip("/")
    files = [DOCS / f"{route}{end}" for end in (".md", ".mdx", "/index.md")]
    found = next((file for file in files if file.is_file()), None)
    assert found, f"{page} is no page of the docs"
    return re.sub(r"[`*]", "", found.read_text())


def test_cases_by_hand_name_pages_of_the_docs_that_say_what_is_expected() -> None:
    for case in own_cases("retrieval"):
        assert isinstance(case, RetrievalCase)
        assert all(map(_source, case.pages))
    for case in own_cases("grounded"):
        assert isinstance(case, GroundedCase)
        told = "\n".join(map(_source, case.pages)).casefold()
        assert all(text.casefold() in told for text in case.says), case.id


def test_what_is_cut_out_takes_the_answer_along(site: EvalSite) -> None:
    cut = [c for c in cases_by_rule("sufficiency", site, 1) if isinstance(c, SufficiencyCase) and c.cut]
    assert cut
    for case in cut:
        assert case.never, case.id
        assert not [text for text in case.never if find_verbatim(text, case.without_cut)], case.id
