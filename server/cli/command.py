"""What a command of the command line is."""

import argparse
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from server.settings import Settings


class Command(Protocol):
    """One word of the command line; a module that defines one imports nothing heavy before `run`."""

    @property
    def name(self) -> str:
        """The word itself."""
        ...

    @property
    def help(self) -> str:
        """A sentence that says what it does."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's own arguments; `--data-dir` is there already."""
        ...

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Do it and return the exit code. Raises CitesideError with a line for the person who typed it."""
        ...
