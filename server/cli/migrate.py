"""`citeside migrate`: brings the database to this version's tables."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings


class Migrate:
    """Applies the files of `migrations/` that the database has not seen yet."""

    name = "migrate"
    help = "Bring the database (DATABASE_URL, else the embedded one) to this version's tables."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the dry run."""
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is to be done")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Migrate and say which files were applied."""
        import asyncio

        applied = asyncio.run(_migrate(settings, check=args.check))
        verb = "to apply" if args.check else "applied"
        print(f"{verb}: {', '.join(applied)}" if applied else "The database is up to date.")
        return 1 if args.check and applied else 0


command = Migrate()


async def _migrate(settings: "Settings", *, check: bool) -> list[str]:
    from persistence.migrate import migrate
    from persistence.postgres import open_database

    url = settings.database_url.get_secret_value() if settings.database_url else None
    async with open_database(url, settings.data_dir) as database:
        return await migrate(database.url, check=check)
