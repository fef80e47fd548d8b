"""`citeside bench`: measures this machine; a benchmark prints figures and never fails a test."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings


class Bench:
    """Runs a benchmark of the project."""

    name = "bench"
    help = (
        "Measure this machine: `parts` times retrieval, ingest and start, and weighs the server; `turns` compares "
        "streamed turns with two plain servers; `scale` weighs turns, readers and passages, and says what serves many."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which benchmark and where its figures go."""
        parser.add_argument("what", choices=["parts", "turns", "scale"])
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
        both = parser.add_argument_group("turns and scale")
        both.add_argument("--quick", action="store_true", help="see in half a minute whether everything runs")
        both.add_argument("--docs", action="store_true", help="rewrite the tables of the page in website/docs")
        both.add_argument("--from", type=Path, metavar="FILE", dest="earlier", help="tell a --json FILE again")
        turns = parser.add_argument_group("turns")
        turns.add_argument("--repeat", type=_at_least_one, default=2, metavar="N", help="rounds; the best counts (2)")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Measure, with folders of our own: the data folder is left alone."""
        match args.what:
            case "parts":
                return _parts(args.json)
            case "turns":
                return _turns(args)
            case _:
                return _scale(args)


command = Bench()


def _parts(file: Path | None) -> int:
    """Print a row as soon as each part is measured."""
    from evals.bench.parts import measure

    rows: list[dict[str, str]] = []
    print(f"{'part':<48}{'measured':>16}   goal")
    for row in measure(lambda step: print(f"  {step} ...", end="\r", file=sys.stderr, flush=True)):
        print(f"{row.part:<48}{row.measured:>16}   {row.goal}", flush=True)
        rows.append(row._asdict())
    if file:
        file.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def _turns(args: argparse.Namespace) -> int:
    """Compare the targets, and print all figures at the end; 1 when a target failed, whatever the figures are."""
    import uvloop

    from evals.bench.turns.measure import measure_turns
    from evals.bench.turns.plan import FULL, QUICK
    from evals.bench.turns.report import as_text, rewrite_page
    from evals.bench.turns.results import Results

    if args.earlier:
        results = Results.model_validate_json(args.earlier.read_text())
    else:
        results = uvloop.run(measure_turns(QUICK if args.quick else FULL, args.repeat, _tell))
    print(as_text(results))
    if args.json:
        args.json.write_text(results.model_dump_json(indent=2) + "\n")
    if args.docs:
        rewrite_page(results)
    return 1 if results.failures else 0


def _scale(args: argparse.Namespace) -> int:
    """Measure the costs, and print them with what follows."""
    from evals.bench.scale.costs import measure
    from evals.bench.scale.report import as_text, rewrite_page
    from evals.bench.scale.results import Results

    if args.earlier:
        results = Results.model_validate_json(args.earlier.read_text())
    else:
        results = measure(quick=args.quick, tell=_tell)
    print(as_text(results))
    if args.json:
        args.json.write_text(results.model_dump_json(indent=2) + "\n")
    if args.docs:
        rewrite_page(results)
    return 0


def _tell(step: str) -> None:
    print(f"  {step}", file=sys.stderr, flush=True)


def _at_least_one(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least one round")
    return number
