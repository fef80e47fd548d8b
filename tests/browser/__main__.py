"""Runs the suite: `python -m tests.browser`.

Chromium is installed from Debian where that can be done without asking, else the one command is named.
"""

import subprocess
import sys
from collections.abc import Sequence

from tests.browser.stack import CHROMIUM
from tests.debian import install


def main(words: Sequence[str]) -> int:
    """Install Chromium if it is missing, and run."""
    if not ready():
        return 1
    return subprocess.run([sys.executable, "-m", "pytest", "tests/browser", "--durations=5", *words]).returncode


def ready() -> bool:
    """Tell whether Chromium is there, or could be installed; if not, say what to run."""
    reason = "" if CHROMIUM.exists() else install([CHROMIUM.name])
    if reason:
        print(f"{reason}\nThe browser tests need Chromium. Run: apt-get install {CHROMIUM.name}")
    return not reason


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
