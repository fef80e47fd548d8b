"""`citeside pause` and `citeside resume`: all workers refuse new turns, or take them again, from one moment on."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from persistence.limits import Pause
    from server.settings import Settings


class PauseTurns:
    """Writes the row that every turn's start looks for."""

    name = "pause"
    help = "Take no new questions, in any worker, until `citeside resume`; answers that are being written go on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the reason."""
        parser.add_argument("--reason", metavar="TEXT", help="why, for whoever looks next; readers do not see it")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Pause and say so."""
        import asyncio

        before, now = asyncio.run(_pause(settings, args.reason))
        print(f"{'Still paused' if before else 'Paused'} {_since(now)}")
        return 0


class ResumeTurns:
    """Takes that row away."""

    name = "resume"
    help = "Take questions again after `citeside pause`."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare nothing."""

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Resume and say what ended."""
        import asyncio

        ended = asyncio.run(_resume(settings))
        print(f"Resumed; it was paused {_since(ended)}" if ended else "Nothing was paused.")
        return 0


pause, resume = PauseTurns(), ResumeTurns()


def _since(pause: "Pause") -> str:
    since = f"since {pause.since:%Y-%m-%d %H:%M:%S} UTC"
    return f"{since}: {pause.reason}" if pause.reason else f"{since}."


async def _pause(settings: "Settings", reason: str | None) -> "tuple[Pause | None, Pause]":
    from persistence.limits import Limits
    from server.service import open_database_of

    async with open_database_of(settings) as database:
        limits = Limits(database)
        return await limits.paused(), await limits.pause(reason)


async def _resume(settings: "Settings") -> "Pause | None":
    from persistence.limits import Limits
    from server.service import open_database_of

    async with open_database_of(settings) as database:
        return await Limits(database).resume()
