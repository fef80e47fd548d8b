"""Runs the suite: `python -m tests.faults`, or `python -m tests.faults --whole` on all three databases.

What it needs from Debian is installed where that can be done without asking, else the one command is named.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.debian import install

PROGRAMS = {
    "pgbouncer": ("/usr/sbin/pgbouncer",),
    "postgresql": tuple(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb"))),
    "nginx-light": ("/usr/sbin/nginx",),
}
QUICK = ("pgbouncer",)


def main(words: Sequence[str]) -> int:
    """Install what is missing, and run."""
    whole = "--whole" in words
    missing = [name for name in (PROGRAMS if whole else QUICK) if not any(map(os.path.exists, PROGRAMS[name]))]
    if missing and (reason := install(missing)):
        print(f"{reason}\nThe faults need {', '.join(missing)}. Run: apt-get install {' '.join(missing)}")
        return 1
    others = [word for word in words if word != "--whole"]
    gear = ["-m", "not faults_quick"] if whole else []
    if not whole:
        print("A quick part; all of it, on three databases, with the soak: ./run test --faults", flush=True)
    environment = os.environ | ({"CITESIDE_TEST_FAULTS_PAGE": "1"} if whole and not others else {})
    command = [sys.executable, "-m", "pytest", "tests/faults", "--durations=5", *gear, *others]
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
