"""`citeside prune`: deletes what is older than it need be, now instead of when the server is used next."""

import argparse
from typing import TYPE_CHECKING

from graph.errors import ConfigurationError

if TYPE_CHECKING:
    from collections import Counter

    from server.settings import Settings


class Prune:
    """Deletes old conversations, beside a server that runs or without one."""

    name = "prune"
    help = "Delete conversations that are older than CITESIDE_RETENTION_DAYS, and what has no use any more."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the age and the dry run."""
        parser.add_argument(
            "--older-than",
            type=days,
            metavar="DAYS",
            help="days since a conversation was continued last (default: CITESIDE_RETENTION_DAYS)",
        )
        parser.add_argument("--dry-run", action="store_true", help="delete nothing; say how much would go")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Prune and print how many rows went, table by table."""
        import asyncio

        age = args.older_than or settings.retention_days
        if not age:
            raise ConfigurationError(
                "CITESIDE_RETENTION_DAYS is 0, which keeps everything: name an age by --older-than."
            )
        counted = asyncio.run(_prune(settings, age, dry_run=args.dry_run))
        verb = "would be deleted" if args.dry_run else "deleted"
        print(f"Older than {age} days, {verb}:")
        print("\n".join(f"  {rows:>9,}  {table}" for table, rows in sorted(counted.items())) or "  nothing")
        return 0


command = Prune()


def days(text: str) -> int:
    """Return a number of days. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to 36500")
    return int(text)


async def _prune(settings: "Settings", age: int, *, dry_run: bool) -> "Counter[str]":
    from collections import Counter

    from persistence.retention import Retention
    from server.service import open_database_of

    gone: Counter[str] = Counter()
    async with open_database_of(settings) as database:
        retention = Retention(database)
        if dry_run:
            return await retention.count(age)
        async for batch in retention.prune(age):
            gone.update(batch)
    return gone
