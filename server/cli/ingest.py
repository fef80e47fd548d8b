"""`citeside ingest`: indexes a built documentation site, in this process and beside a running server."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.settings import Settings


class Ingest:
    """Brings the index to what a site says now."""

    name = "ingest"
    help = "Index a built Docusaurus site; what did not change costs nothing, and a running server takes it up."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the site."""
        parser.add_argument(
            "source", metavar="PATH_OR_URL", help="a build/ folder, or the URL of a site or its sitemap"
        )
        parser.add_argument(
            "--base-url", metavar="URL", help="where the site is served, with its base URL (default: as its pages say)"
        )

        parser.add_argument(
            "--allow-private",
            action="store_true",
            help="read a URL on this machine or in a private network, which is refused otherwise",
        )

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Ingest and say what was found."""
        from persistence.ingest import ingest, shown
        from server.service import open_embedder_of

        embedder = open_embedder_of(settings)
        if embedder.name == "none":
            print("The embedding model is not installed: passages will be found by keywords alone.", file=sys.stderr)
        with shown(sys.stderr) as progress:
            report = ingest(
                args.source,
                data_dir=settings.data_dir,
                embedder=embedder,
                base_url=args.base_url,
                qdrant_url=settings.qdrant_url,
                qdrant_api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
                allow_private=args.allow_private,
                progress=progress,
            )
        print(
            f"{report.pages} pages, {report.passages} passages in {report.seconds:.1f} s: {report.new} pages new, "
            f"{report.changed} changed, {report.gone} gone, {report.unchanged} unchanged."
        )
        return 0


command = Ingest()
