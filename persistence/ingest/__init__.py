"""Reads a site into the index; runs in a process of its own and needs no server."""

from persistence.ingest.progress import Progress, Stage, shown, silent
from persistence.ingest.run import IngestReport, ingest

__all__ = ["IngestReport", "Progress", "Stage", "ingest", "shown", "silent"]
