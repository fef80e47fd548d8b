"""Scans tracked files for secrets, registry addresses and paths of one machine: `python -m tests.secrets`."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

ROOT = Path(__file__).parents[1]
HASHES = re.compile(r"requirements.*\.lock|package-lock\.json|\.svg$|\.png$")
MADE_UP = {"password", "secret", "hunter2", "xyzzy", "p%40ss", "3q2-7wEXAMPLEtokenOf256RandomBits"}
"""What stands for a secret in docs and tests."""
PUBLIC = {"53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
"""The sha256 of the embedding weights."""
FORBIDDEN = {
    "registry address": re.compile(r"files\.pythonhosted|pypi\.org/simple|registry\.npmjs|\"resolved\": \"http"),
    "path of a machine": re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+|work)/"),
}


def findings() -> Iterator[str]:
    """Yield a line for each finding in the files that git tracks."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with default_settings():
        for name in filter(None, tracked.split("\0")):
            file = ROOT / name
            if not file.is_file() or file == Path(__file__):
                continue
            text = file.read_text(encoding="utf-8", errors="replace")
            for what, pattern in FORBIDDEN.items():
                for match in pattern.finditer(text):
                    yield f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {what}"
            if not HASHES.search(name):
                found = (s for s in scan_file(str(file)) if s.secret_value not in MADE_UP | PUBLIC)
                yield from (f"{name}:{s.line_number}: {s.type}" for s in found)


if __name__ == "__main__":
    found = list(findings())
    print("\n".join(found) or "no secret in any tracked file")
    sys.exit(1 if found else 0)
