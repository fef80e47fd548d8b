"""`citeside test`: everything that must hold before a change lands, each step named and timed."""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lint", (str(BIN / "ruff"), "check", "--quiet")),
    ("format", (str(BIN / "ruff"), "format", "--check", "--quiet")),
    ("types", (str(BIN / "basedpyright"),)),
    ("contracts", (str(BIN / "lint-imports"),)),
    ("secrets", (sys.executable, "-m", "tests.secrets")),
    ("tests", (sys.executable, "-m", "pytest", "--durations=5")),
)


class Test:
    """Runs lint, types, import contracts, the secret scan and the tests."""

    name = "test"
    help = "Run all checks; words behind -- go to pytest, which then runs alone."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is passed on to pytest."""
        parser.add_argument("pytest", nargs="*", metavar="PYTEST_ARGUMENT", help="for example: -- -k citations -x")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Run every step, then say how long each took and which failed."""
        if args.pytest:
            return subprocess.run([sys.executable, "-m", "pytest", *args.pytest], cwd=ROOT).returncode
        rows: list[tuple[str, float, int]] = []
        for name, words in STEPS:
            print(f"== {name}", flush=True)
            began = time.monotonic()
            code = subprocess.run(words, cwd=ROOT).returncode
            rows.append((name, time.monotonic() - began, code))
        print("\nstep        seconds")
        for name, seconds, code in rows:
            print(f"{name:<12}{seconds:>7.1f}  {'ok' if code == 0 else f'FAILED ({code})'}")
        return 1 if any(code for _, _, code in rows) else 0


command = Test()
