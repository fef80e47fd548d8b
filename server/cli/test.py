"""`citeside test`: everything that must hold before a change lands, each step named and timed."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent

HANGS = ("-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true")
"""A test that waits for what never comes ends its step, with the stack of each thread; the longest takes 20 s."""

PYTEST = (sys.executable, "-m", "pytest", "--durations=5", *HANGS)
FAULTS = (sys.executable, "-m", "tests.faults")

Steps = tuple[tuple[str, tuple[str, ...]], ...]

STEPS: Steps = (
    ("lint", (str(BIN / "ruff"), "check", "--quiet")),
    ("format", (str(BIN / "ruff"), "format", "--check", "--quiet")),
    ("contracts", (str(BIN / "lint-imports"),)),
    ("server", (*PYTEST, "tests/server")),
)

BESIDE: tuple[Steps, ...] = (
    (
        ("plugin", (sys.executable, "-m", "tests.plugin")),
        ("browser", (sys.executable, "-m", "tests.browser")),  # on the packages that the plugin's step installs
        ("faults", FAULTS),
    ),
    (
        ("parts", (*PYTEST, "tests", "--ignore=tests/server", "--ignore=tests/faults", "--ignore=tests/browser")),
        ("types", (str(BIN / "basedpyright"),)),
        ("secrets", (sys.executable, "-m", "tests.secrets")),
    ),
)
"""Lanes that run beside the steps above, each one step after the other: the tests wait more than they work."""

OTHER_PYTHONS = ("3.11", "3.13")
"""Oldest and newest supported version: the one that does not run this gets an environment of its own."""

QUICK = ("tests/graph", "tests/contracts")


class Test:
    """Runs lint, types, import contracts, the secret scan and the tests."""

    name = "test"
    help = "Run all checks; words behind -- go to pytest, which then runs alone."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is passed on to pytest."""
        parser.add_argument(
            "--faults", action="store_true", help="run all faults on three databases instead, and write their page"
        )
        parser.add_argument("pytest", nargs="*", metavar="PYTEST_ARGUMENT", help="for example: -- -k citations -x")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Run every step, then say how long each took and which failed."""
        if args.faults:
            return subprocess.run([*FAULTS, "--whole", *args.pytest], cwd=ROOT).returncode
        if args.pytest:
            return subprocess.run([sys.executable, "-m", "pytest", *args.pytest], cwd=ROOT).returncode
        with ThreadPoolExecutor(max_workers=len(BESIDE)) as lanes:
            beside = [lanes.submit(_lane, steps) for steps in BESIDE]
            rows = [_step(*step) for step in STEPS]
            rows += [_quick(version) for version in OTHER_PYTHONS if version != _running()]
            rows += [row for lane in beside for row in lane.result()]
        print("\nstep         seconds")
        for name, seconds, outcome in rows:
            print(f"{name:<13}{seconds:>7.1f}  {outcome}")
        return 1 if any(outcome.startswith("FAILED") for _, _, outcome in rows) else 0


command = Test()

Row = tuple[str, float, str]


def _lane(steps: Steps) -> list[Row]:
    return [_step(*step, told_later=True) for step in steps]


def _step(name: str, words: Sequence[str], *, told_later: bool = False, **env: str) -> Row:
    """Run a step; what one prints that runs beside others is told when it has ended."""
    began = time.monotonic()
    if not told_later:
        print(f"== {name}", flush=True)
    output = subprocess.PIPE if told_later else None
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **env}  # hundreds of processes would compile our modules
    done = subprocess.run(words, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT if output else None)
    if told_later:
        print(f"== {name}, beside the steps above\n{done.stdout.decode(errors='replace')}", flush=True)
    code = done.returncode
    return name, time.monotonic() - began, "ok" if code == 0 else f"FAILED ({code})"


def _quick(version: str) -> Row:
    """Run a subset under another Python of this machine, and say so when there is none."""
    name = f"python {version}"
    python = next(filter(_works, _pythons(version)), None)
    if python is None:
        return name, 0.0, "not run: this machine has no such Python"
    env = {"CITESIDE_PYTHON": python, "CITESIDE_VENV": str(ROOT / f".venv-{version}")}
    return _step(name, ["./run", "test", "--", "-q", *QUICK], told_later=True, **env)


def _pythons(version: str) -> list[str]:
    on_path = shutil.which(f"python{version}")
    of_pyenv = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    return [*([on_path] if on_path else []), *map(str, of_pyenv)]


def _works(python: str) -> bool:
    """Tell whether a Python starts; pyenv leaves shims on the path for versions that are switched off."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _running() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
