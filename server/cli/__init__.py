"""The command line: finds the command, reads the settings, and turns what goes wrong into one line."""

import argparse
import signal
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points, version
from pathlib import Path

from graph.errors import CitesideError, ConfigurationError
from server.cli.command import Command

EXTENSIONS = "citeside.commands"
"""Entry-point group through which other packages add commands."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed with a line on stderr, 2 wrong words, 130 Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="citeside", description="Cited answers at the side of your docs.", epilog="Start with: ./run demo"
    )
    parser.add_argument("--version", action="version", version=f"citeside {version('citeside')}")
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _commands():
        words = choices.add_parser(command.name, help=command.help, description=command.help)
        words.add_argument(
            "--data-dir",
            type=Path,
            metavar="DIR",
            help="folder of the database, the index and the models (default: CITESIDE_DATA_DIR, else the user's own)",
        )
        command.add_arguments(words)
        words.set_defaults(command=command)
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: what was started is stopped in order
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a shell started us in the background
    try:
        return _run(args)
    except CitesideError as error:
        print(f"citeside {args.command.name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    from server.settings import load_settings  # pydantic takes longer to import than --help may take

    try:
        settings = load_settings()
    except ConfigurationError as error:
        if explain := getattr(args.command, "without_settings", None):
            return explain(args, error)
        raise
    if args.data_dir:
        settings = settings.model_copy(update={"data_dir": args.data_dir.expanduser()})
    return args.command.run(args, settings)


def _commands() -> Iterator[Command]:
    from server.cli import ask, demo, doctor, gaps, ingest, migrate, pause, prune, serve, sessions, test

    yield from (demo.command, serve.command, ingest.command, ask.command, migrate.command)
    yield from (doctor.command, pause.pause, pause.resume, prune.command, sessions.command, gaps.command)
    for extension in entry_points(group=EXTENSIONS):
        try:
            yield extension.load()
        except (ImportError, AttributeError) as error:  # another package hides it; `doctor` says which
            print(f"citeside: the command {extension.name} is left out: {error}", file=sys.stderr)
    yield test.command
