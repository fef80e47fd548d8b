"""Checks the plugin and the site in Node: `python -m tests.plugin` runs their type checker and vitest."""

import subprocess
import sys

from server.cli.site import WEBSITE, npm_with_packages


def main() -> int:
    """Run both, and return how many failed."""
    npm = npm_with_packages()
    checks = [subprocess.run([*npm, "run", "--silent", name], cwd=WEBSITE) for name in ("typecheck", "test")]
    return sum(check.returncode != 0 for check in checks)


if __name__ == "__main__":
    sys.exit(main())
