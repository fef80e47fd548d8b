"""Rewrites what measurements say in the pages of the docs, between marks that readers do not see."""

from collections.abc import Sequence
from pathlib import Path

from evals.cases import SUITES
from evals.external import Figure
from evals.gate import Judged
from evals.report import circumstances, figure, interval
from evals.results import Results
from graph.errors import CitesideError

DOCS = Path(__file__).parents[1] / "website" / "docs"
HOW_GOOD = DOCS / "help" / "how-good.md"


def put_between(page: Path, name: str, parts: Sequence[str]) -> None:
    """Put paragraphs between a page's marks of a name. Raises CitesideError where that cannot be done."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    try:
        before, begun, rest = page.read_text().partition(begin)
    except OSError as error:
        raise CitesideError(f"{page.name} cannot be read ({error.strerror}); --docs works in a checkout.") from error
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise CitesideError(f"{page.name} has lost the marks between which the figures stand.")
    page.write_text("\n\n".join([before + begin, *parts, end]) + after)


def markdown(table: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Return a table whose first `left` columns stand to the left."""
    head, *rows = table
    dashes = ["---" if n < left else "---:" for n in range(len(head))]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, dashes, *rows])


def rewrite_page(results: Results, judged: Sequence[Judged], page: Path = HOW_GOOD) -> None:
    """Put the metrics of a whole run about our own docs into the page. Raises CitesideError for any other run."""
    about = results.about
    is_whole = not about["limit"] and set(about["suites"]) == set(SUITES)
    if not is_whole or about["url"] or about.get("sites") != ["docs", "synthetic"]:
        raise CitesideError(
            "The page tells whole runs about our own docs in this process; it is left as it is after one with --limit, "
            "--suite, --synthetic-only, --site or --url."
        )
    gates = {one.metric: one for one in judged}
    table = [["metric", "what it is", "measured", "95 % interval", "cases", "bound"]]
    for one in results.measured:
        gate = gates.get(one.name)
        bound = f"{gate.bound}{'' if gate.passed else ', missed'}".replace("<", "&lt;") if gate else ""
        told = figure(one) if one.value is not None else "not measured"
        table.append([f"`{one.name}`", one.text, told, interval(one), str(one.cases or ""), bound])
    counted = [["suite", "cases by hand", "cases by rule"]]
    counted += [
        [suite, str(of.get("by hand", 0)), str(of.get("by rule", 0))] for suite, of in results.about["cases"].items()
    ]
    put_between(page, "eval", [circumstances(results), markdown(counted), markdown(table, left=2)])


def rewrite_figures(figures: Sequence[Figure], page: Path = HOW_GOOD) -> None:
    """Put what was measured on cases from elsewhere into the page."""
    table = [["set", "metric", "measured", "best baseline", "goal", "cases"]]
    for f in figures:
        told = ["" if value is None else f"{value:.3f}" for value in (f.value, f.baseline, f.goal)]
        table.append([f.set, f.metric, *told, str(f.cases)])
    put_between(page, "eval data", [markdown(table, left=2)])
