"""Fits the relevance floor: which questions a site answers, told by the nearest passage that a search finds.

Run as `python -m evals.fit.floor --data DIR`. A question from elsewhere is asked on its own site, which answers it, on
its own site without the pages that do (near misses), and on all other sites of the folder, which do not.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evals.external import Tell
from evals.external.retrieval import CACHE, DEPTH, SETS, Asked, searched_sites
from graph.grounded import PASSAGES
from graph.support import COVERAGE_WEIGHT, FLOOR
from graph.types import Passage, Scope

WEIGHTS = [round(0.05 * step, 2) for step in range(21)]
FLOORS = [round(0.01 * step, 2) for step in range(151)]


@dataclass(frozen=True, slots=True)
class Case:
    """A question asked somewhere: the cosine and coverage of the passages found, and whether one should answer."""

    set: str
    qid: str
    home: str
    asked_on: str
    kind: str  # "own", "near miss" or "elsewhere"
    found: np.ndarray  # one row each: cosine, coverage


async def collect(folder: Path, cache: Path, tell: Tell) -> list[Case]:
    """Ask every question on every site."""
    questions = [(scored.name, each) for scored in SETS for each in scored.load(folder)]
    cases: list[Case] = []
    async for site, index, pages in searched_sites(folder, cache, tell):
        tell(f"asking {len(questions)} questions on {site}")
        for name, asked in questions:
            found = await index.search(asked.question, scope=Scope(), limit=DEPTH)
            if asked.site == site:
                others = [passage for passage in found if pages(passage) not in asked.gold]
                cases += [_case(name, asked, site, "own", found), _case(name, asked, site, "near miss", others)]
            else:
                cases.append(_case(name, asked, site, "elsewhere", found))
    return cases


def _case(name: str, asked: Asked, site: str, kind: str, found: Sequence[Passage]) -> Case:
    figures = [(passage.score, passage.coverage) for passage in found[:PASSAGES]]
    return Case(name, asked.qid, asked.site, site, kind, np.array(figures or [(0.0, 0.0)]))


def refused(cases: Sequence[Case], kind: str, weight: float, floor: float) -> float:
    """Return the share of the cases of a kind whose nearest passage lies below the floor."""
    nearest = [(case.found @ (1.0, weight)).max() for case in cases if case.kind == kind]
    return float(np.mean(np.array(nearest) < floor))


def fit(cases: Sequence[Case]) -> tuple[float, float]:
    """Return weight and floor with the least mean of both errors; of equals those nearest to the middle of them."""
    own = [case.found for case in cases if case.kind == "own"]
    elsewhere = [case.found for case in cases if case.kind == "elsewhere"]
    errors: dict[tuple[float, float], float] = {}
    for weight in WEIGHTS:
        near = np.array([(found @ (1.0, weight)).max() for found in own])
        far = np.array([(found @ (1.0, weight)).max() for found in elsewhere])
        for floor in FLOORS:
            errors[weight, floor] = float((near < floor).mean() + (far >= floor).mean()) / 2
    least = min(errors.values())
    best = [pair for pair, error in errors.items() if error <= least + 1e-9]
    middle = np.median(np.array(best), axis=0)
    return min(best, key=lambda pair: float(np.abs(np.array(pair) - middle).sum()))


def left_out(cases: Sequence[Case]) -> tuple[float, float]:
    """Return both errors on each site's questions by values fitted without that site: refused own, let through."""
    wrong: dict[str, list[bool]] = {"own": [], "elsewhere": []}
    for home in sorted({case.home for case in cases}):
        weight, floor = fit([case for case in cases if home not in {case.home, case.asked_on}])
        for case in cases:
            if case.home == home and case.kind in wrong:
                near = (case.found @ (1.0, weight)).max() >= floor
                wrong[case.kind].append(bool(near) != (case.kind == "own"))
    return float(np.mean(wrong["own"])), float(np.mean(wrong["elsewhere"]))


def report(cases: Sequence[Case]) -> list[str]:
    """Return what was measured, as lines."""
    lines = [f"{'weight':>8}{'floor':>7}   refused: own, near miss, elsewhere"]
    fitted = fit(cases)
    for name, (weight, floor) in {"in use": (COVERAGE_WEIGHT, FLOOR), "fitted": fitted}.items():
        for group, chosen in {"all": cases, **_by_set(cases)}.items():
            shares = [refused(chosen, kind, weight, floor) for kind in ("own", "near miss", "elsewhere")]
            figures = ", ".join(f"{share:.3f}" for share in shares)
            lines.append(f"{weight:>8.2f}{floor:>7.2f}   {figures}   {name}, {group}")
    own, elsewhere = left_out(cases)
    lines.append(f"fitted without the site asked about: own refused {own:.3f}, elsewhere let through {elsewhere:.3f}")
    counts = {kind: sum(case.kind == kind for case in cases) for kind in ("own", "near miss", "elsewhere")}
    lines.append(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    return lines


def _by_set(cases: Sequence[Case]) -> dict[str, list[Case]]:
    groups = {scored.name: [case for case in cases if case.set == scored.name] for scored in SETS}
    return {name: group for name, group in groups.items() if group}


def main() -> None:
    """Collect, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="a folder of external cases")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help="keeps indexes and vectors")
    args = parser.parse_args()
    cases = asyncio.run(collect(args.data, args.cache, lambda line: print(line, file=sys.stderr, flush=True)))
    print("\n".join(report(cases)))


if __name__ == "__main__":
    main()
