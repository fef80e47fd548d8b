"""`citeside eval`: scores answers, searches and verdicts on cases, and fails where a gate is missed."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langsmith import Client

    from evals.external import Figure
    from evals.gate import Bounds, Judged
    from evals.results import Results
    from evals.run import Plan, Told
    from evals.sites import EvalSite
    from server.settings import Settings

_BASE_URL = "/citeside/"
_SITE_PORT, _API = 3000, "http://127.0.0.1:8000"
"""The same as those of the demo, so that the site is built once for both."""


class Eval:
    """Runs the suites and tells what they found."""

    name = "eval"
    help = "Score retrieval, citations, verdicts and refusals on cases; without a key, everything that needs no model."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is run, against what, and where the results go."""
        what = parser.add_argument_group("what is run")
        what.add_argument("--suite", action="append", metavar="NAME", help="run this suite alone; may be repeated")
        what.add_argument("--limit", type=_at_least_one, metavar="N", help="at most so many cases a suite")
        what.add_argument("--seed", type=int, default=1, help="of the choice of cases and of resampling (1)")
        what.add_argument("--site", type=Path, metavar="DIR", help="a built site for cases by rule (default: our docs)")
        what.add_argument("--base-url", metavar="URL", help="where that site is served, if its pages do not say so")
        what.add_argument("--url", help="put the cases to this running server, which has ingested the site")
        what.add_argument("--synthetic-only", action="store_true", help="leave the built site out")
        what.add_argument("--judge", metavar="MODEL", help="have a model judge groundedness too; needs a key")
        what.add_argument("--price", type=float, metavar="USD", help="of a million tokens, to tell costs")
        results = parser.add_argument_group("results")
        results.add_argument("--out", type=Path, default=Path("eval-results"), metavar="DIR", help="(eval-results)")
        results.add_argument("--resume", action="store_true", help="go on with the interrupted run in --out")
        results.add_argument("--from", type=Path, dest="earlier", metavar="FILE", help="tell a results.json again")
        results.add_argument("--compare", type=Path, metavar="FILE", help="compare with another run's results.json")
        results.add_argument("--gate", type=Path, metavar="FILE", help="bounds to reach (default: evals/gates.toml)")
        results.add_argument("--docs", action="store_true", help="rewrite the tables of website/docs/help/how-good.md")
        other = parser.add_argument_group("instead")
        other.add_argument("--data", type=Path, metavar="DIR", help="score on cases from elsewhere")
        other.add_argument("--runs", type=Path, metavar="DIR", help="with --data: write run files for its scorers")
        other.add_argument("--from-turn", metavar="TURN_ID", help="print a stored turn as a case, scrubbed")
        other.add_argument("--langsmith", action="store_true", help="run as an experiment in LangSmith too")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Run, tell, and return 1 when a gate is missed."""
        _fit_together(args)
        if args.from_turn:
            from evals.from_turn import case_of_turn

            print(asyncio.run(case_of_turn(settings, args.from_turn)))
            return 0
        if args.data:
            return _external(args)
        bounds = _bounds(args)
        before = _earlier(args.compare) if args.compare else None
        client = _langsmith(settings) if args.langsmith else None
        results = _earlier(args.earlier) if args.earlier else _run(args, settings)
        code = _tell(args, results, before, bounds)
        if client:
            _upload(results, client, args.out)
        return code


command = Eval()


_OF_A_RUN = ("suite", "limit", "site", "base_url", "url", "synthetic_only", "judge", "price", "resume", "langsmith")
_OF_RESULTS = ("earlier", "compare", "gate")


def _fit_together(args: argparse.Namespace) -> None:
    """Refuse options that would be ignored beside others. Raises ConfigurationError."""
    from graph.errors import ConfigurationError

    def refuse(beside: str, names: Sequence[str]) -> None:
        if given := [f"--{name.replace('_', '-')}".replace("earlier", "from") for name in names if getattr(args, name)]:
            raise ConfigurationError(f"{', '.join(given)} would do nothing beside {beside}. Leave one of them out.")

    if args.from_turn:
        refuse("--from-turn", (*_OF_A_RUN, *_OF_RESULTS, "data", "runs", "docs"))
    elif args.data:
        refuse("--data", (*_OF_A_RUN, *_OF_RESULTS, *(("docs",) if args.runs else ())))
    elif args.runs:
        raise ConfigurationError("--runs needs --data, the folder with the cases.")
    elif args.earlier:
        refuse("--from", _OF_A_RUN)


def _run(args: argparse.Namespace, settings: "Settings") -> "Results":
    """Run the suites in a temporary folder of their own, and write results.json beside the log."""
    from evals.run import choose, header_of, left_out, open_log, prepare, run

    plan = _plan(args)
    with tempfile.TemporaryDirectory(prefix="citeside-eval-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)  # as root the embedded Postgres runs as nobody, who must get in
        sites = _sites(args, folder)
        for site, count in left_out(plan, sites).items():
            _say(f"{count} cases by hand are left out: {site!r} is no site of this run")
        log = open_log(args.out, header_of(plan, choose(plan, sites), settings), resume=args.resume)
        embedding_model = None
        if not plan.url and set(plan.suites) != {"support"}:
            for site in sites.values():
                _say(f"indexing {site.name}")
                embedding_model = prepare(settings, site, folder, lambda *_: None)
        with _progress() as tell:
            try:
                results = asyncio.run(run(plan, settings, sites, folder, log, tell))
            except KeyboardInterrupt:
                _say(f"{len(log.rows)} results are kept in {log.file}; run the same again with --resume")
                raise
    results = _about(results, embedding_model=embedding_model)
    if args.price is not None:
        results = _with_cost(results, args.price)
    _keep(results, args.out)
    if args.judge:
        from evals.judge import judged

        results = asyncio.run(judged(results, settings, args.judge))
        _keep(results, args.out)
    return results


def _langsmith(settings: "Settings") -> "Client":
    """Return the client of an experiment before anything is run for it."""
    from evals.experiments import open_client

    return open_client(settings)


def _upload(results: "Results", client: "Client", folder: Path) -> None:
    from langsmith.utils import LangSmithError

    from evals.experiments import run_experiment
    from graph.errors import CitesideError

    try:
        asyncio.run(run_experiment(results, client))
    except LangSmithError as error:  # its text may hold a part of the key
        raise CitesideError(
            f"LangSmith did not take the run ({type(error).__name__}); the results are in {folder}."
        ) from None


def _keep(results: "Results", folder: Path) -> None:
    (folder / "results.json").write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")


def _write(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _plan(args: argparse.Namespace) -> "Plan":
    from evals.cases import SUITES
    from evals.run import Plan
    from graph.errors import ConfigurationError

    suites = args.suite or SUITES
    if strange := [name for name in suites if name not in SUITES]:
        raise ConfigurationError(f"There is no suite {', '.join(strange)}; there are {', '.join(SUITES)}.")
    return Plan(suites=tuple(suites), limit=args.limit, seed=args.seed, url=args.url, judge=args.judge)


def _sites(args: argparse.Namespace, folder: Path) -> Mapping[str, "EvalSite"]:
    """Return the sites that cases are about: the synthetic one, and our own docs or that of --site."""
    from evals.sites import read_site
    from evals.synthetic import write_synthetic_site

    sites = {"synthetic": read_site("synthetic", write_synthetic_site(folder / "synthetic-site"))}
    if args.site:
        sites["site"] = read_site("site", args.site, args.base_url)
    elif not args.synthetic_only:
        sites["docs"] = read_site("docs", _built_docs())
    return sites


def _built_docs() -> Path:
    from graph.errors import CitesideError
    from server.cli.site import build_own_site

    _say("building the documentation site, if it has changed")
    try:
        with redirect_stdout(sys.stderr):
            return build_own_site(f"http://localhost:{_SITE_PORT}", _BASE_URL, _API)
    except CitesideError as error:
        raise CitesideError(f"{error}\nWith --synthetic-only the docs are left out.") from error


def _tell(args: argparse.Namespace, results: "Results", before: "Results | None", bounds: "Bounds | None") -> int:
    """Print and write everything that was found; 1 when a gate is missed."""
    from evals.compare import compare
    from evals.gate import judge
    from evals.report import as_html, as_text, differences_as_text
    from evals.run import make_folder

    judged = judge(results, bounds) if bounds is not None else []
    print(as_text(results, judged))
    make_folder(args.out)
    compared = compare(before, results) if before else None
    if compared:
        print(f"\n{differences_as_text(compared.differences)}\n{compared.told}")
        _write(args.out / "comparison.json", compared._asdict() | {"differences": [d._asdict() for d in compared[1]]})
    report = args.out / "report.html"
    report.write_text(as_html(results, judged, compared), encoding="utf-8")
    print(f"\nEvery case: {report}")
    if args.docs:
        from evals.page import rewrite_page

        rewrite_page(results, judged)
    return _verdict(results, judged, bounds)


def _verdict(results: "Results", judged: "Sequence[Judged]", bounds: "Bounds | None") -> int:
    missed = [one for one in judged if not one.passed]
    if results.fell_back:
        print(
            f"{results.fell_back} answers were made without the model {results.about['model'] or ''}, which was away: "
            "this run does not measure it. See that it can be reached, and run again.",
            file=sys.stderr,
        )
    for one in missed:
        print(f"gate missed: {one}", file=sys.stderr)
    if bounds is None:
        print("No gate was looked at.")
    elif not missed and not results.fell_back:
        print(f"Gate passed: {len(judged)} of {len(judged)} bounds.")
    return 1 if missed or results.fell_back else 0


def _bounds(args: argparse.Namespace) -> "Bounds | None":
    """Return the bounds of --gate; else our own, of the suites that are run, unless a server is asked."""
    from evals.gate import GATES, read_gates

    if args.gate:
        return read_gates(args.gate)
    if args.url:
        return None
    ours = read_gates(GATES)
    if args.suite:
        ours = {metric: bound for metric, bound in ours.items() if metric.partition(".")[0] in args.suite}
        _say(f"judged are the bounds of {', '.join(args.suite)} alone")
    return ours


def _earlier(file: Path) -> "Results":
    from pydantic import ValidationError

    from evals.results import Results
    from graph.errors import CitesideError

    try:
        results = Results.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CitesideError(f"{file} cannot be read: {error}") from error
    except ValidationError as error:
        raise CitesideError(f"{file} holds no results of a run: {error.errors()[0]['msg']}") from None
    if lacks := {"models", "versions", "seed", "seconds", "revision", "cases"} - results.about.keys():
        raise CitesideError(f"{file} holds no results of a run: `about` lacks {', '.join(sorted(lacks))}")
    return results


def _with_cost(results: "Results", price: float) -> "Results":
    tokens = [row.tokens for row in results.rows if row.tokens is not None]
    cost = round(sum(tokens) * price / 1e6, 4) if tokens else None
    return _about(results, price=price, cost=cost)


def _about(results: "Results", **more: object) -> "Results":
    return results.model_copy(update={"about": {**results.about, **more}})


def _external(args: argparse.Namespace) -> int:
    """Score on cases from elsewhere, or write what was found for their own scoring scripts."""
    from evals.external.subjects import measure_all, write_all_runs
    from evals.run import make_folder, revision

    if args.runs:
        args.runs.mkdir(parents=True, exist_ok=True)
        asyncio.run(write_all_runs(args.data, args.runs, _say))
        print(f"Run files are in {args.runs}.")
    else:
        make_folder(args.out)
        figures = asyncio.run(measure_all(args.data, _say))
        print(_figures(figures))
        _write(args.out / "figures.json", {"revision": revision(), "figures": [asdict(one) for one in figures]})
        missed = [f"{f.set} {f.metric}" for f in figures if f.goal is not None and f.value < f.goal]
        print(f"\nGoals missed: {', '.join(missed)}." if missed else "\nAll goals reached.")
        if args.docs:
            from evals.page import rewrite_figures

            rewrite_figures(figures)
    return 0


def _figures(figures: "Sequence[Figure]") -> str:
    from evals.report import aligned

    def told(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    table = [["set", "metric", "measured", "baseline", "goal", "cases", ""]]
    for f in figures:
        reached = "" if f.goal is None else "reached" if f.value >= f.goal else "missed"
        table.append([f.set, f.metric, told(f.value), told(f.baseline), told(f.goal), str(f.cases), reached])
    return aligned(table, left=2)


@contextmanager
def _progress() -> Iterator["Told"]:
    """Show a bar on a terminal, and nothing elsewhere: the end comes soon enough."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(file=sys.stderr, leave=False, dynamic_ncols=True, unit=" cases") as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield tell


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one case")
    return number
