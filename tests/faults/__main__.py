"""Runs the suite: `python -m tests.faults`, or `python -m tests.faults --whole` on all three databases.

What it needs from Debian is installed where that can be done without asking, else the one command is named.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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


def install(packages: Sequence[str]) -> str:
    """Install packages of Debian; return why that cannot be done, or nothing."""
    sudo: tuple[str, ...] = ()
    if not shutil.which("apt-get"):
        return "This machine has no apt-get."
    if os.geteuid() != 0:
        sudo = ("sudo", "-n")
        if not shutil.which("sudo") or subprocess.run([*sudo, "true"], capture_output=True).returncode:
            return "Installing them takes root, or sudo without a password."
    print(f"Installing {', '.join(packages)} from Debian ...", flush=True)
    quiet = ["-o", "DPkg::Lock::Timeout=120", "-qq"]
    words = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *quiet]
    if subprocess.run([*words, "update"]).returncode:
        return "apt-get update failed."
    if subprocess.run([*words, "install", "-y", "--no-install-recommends", *packages]).returncode:
        return "apt-get install failed."
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
