"""Runs the command line of this very environment: `python -m server.cli`."""

import sys

from server.cli import main

sys.exit(main())
