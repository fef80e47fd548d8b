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
    help = "Measure this machine: `parts` times retrieval, ingest and start, and weighs the server."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare which benchmark and where its figures go."""
        parser.add_argument("what", choices=["parts"])
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Print a row as soon as each part is measured. It uses folders of its own and leaves the data folder alone."""
        from evals.bench.parts import measure

        rows: list[dict[str, str]] = []
        print(f"{'part':<48}{'measured':>16}   goal")
        for row in measure(lambda step: print(f"  {step} ...", end="\r", file=sys.stderr, flush=True)):
            print(f"{row.part:<48}{row.measured:>16}   {row.goal}", flush=True)
            rows.append(row._asdict())
        if args.json:
            args.json.write_text(json.dumps(rows, indent=2) + "\n")
        return 0


command = Bench()
