"""`citeside gaps`: the questions that the docs did not answer, put together, for whoever writes the docs."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from graph.errors import ConfigurationError
from server.cli.prune import days

if TYPE_CHECKING:
    from persistence.gaps import Gap
    from server.scrub import Scrub
    from server.settings import Settings


class Gaps:
    """Reads what was asked in vain, beside a server that runs or without one."""

    name = "gaps"
    help = (
        "Show what readers asked in vain: refused, insufficient, unsupported or thumbed down, put together by meaning."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what to look at and how to show it."""
        parser.add_argument("--days", type=days, default=30, metavar="N", help="look back so many days (default: 30)")
        parser.add_argument("--format", choices=("table", "csv", "html"), default="table")
        parser.add_argument("--out", type=Path, metavar="FILE", help="write to this file (default: standard output)")
        parser.add_argument("--version", dest="of_version", metavar="VERSION", help="only questions about this version")
        parser.add_argument("--locale", metavar="LOCALE", help="only questions asked in this locale")
        parser.add_argument(
            "--min-readers", type=int, default=1, metavar="K", help="only what at least K different readers asked"
        )

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Print the report, or write it to a file."""
        import asyncio
        from datetime import UTC, datetime

        from persistence.embeddings import open_embedder
        from persistence.ingest import shown
        from server.gaps.clusters import cluster
        from server.gaps.report import About, as_csv, as_html, as_table

        gaps, scrubbed = asyncio.run(_read(settings, args))
        # The local model, whatever answers are searched with: what was asked leaves the machine no second time.
        embedder = open_embedder(settings.data_dir, model=None, api_key=None, base_url=None)
        with shown(sys.stderr) as progress:
            clusters = cluster(
                gaps,
                embedder,
                min_readers=args.min_readers,
                progress=lambda done, total: progress("embedding", done, total),
            )
        about = About(
            days=args.days,
            version=args.of_version,
            locale=args.locale,
            min_readers=args.min_readers,
            questions=len(gaps),
            by_meaning=embedder.name != "none",
            scrubbed=scrubbed,
            at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
        match args.format:
            case "csv":
                written = as_csv(clusters)
            case "html":
                written = as_html(clusters, about)
            case _:
                written = f"{as_table(clusters, about)}\n"
        _write(written, args.out)
        return 0


command = Gaps()


async def _read(settings: "Settings", args: argparse.Namespace) -> "tuple[list[Gap], bool]":
    """Return the gaps, with their texts scrubbed also where that was not on yet when they were asked."""
    from persistence.gaps import read_gaps
    from server.scrub import open_scrub
    from server.service import open_database_of

    scrub = open_scrub(settings)
    async with open_database_of(settings) as database:
        gaps = await read_gaps(database, args.days, version=args.of_version, locale=args.locale)
    return [await _scrubbed(gap, scrub) for gap in gaps] if scrub.on else gaps, scrub.on


async def _scrubbed(gap: "Gap", scrub: "Scrub") -> "Gap":
    """Return a gap without what the function finds in it; what is missing is said in words of the question."""
    from server.requests import MESSAGE_LIMIT

    question = await scrub.text(gap.question, MESSAGE_LIMIT)
    missing = [await scrub.text(lack, MESSAGE_LIMIT) for lack in gap.missing]
    return gap.model_copy(update={"question": question, "missing": tuple(missing)})


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"{out} cannot be written: {error.strerror}") from error
    print(f"written: {out}", file=sys.stderr)
