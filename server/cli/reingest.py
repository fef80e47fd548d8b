"""Keeps the index up to date beside a server that serves: `serve --reingest URL --every 6h`."""

import argparse
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST = 60.0
"""Seconds; a site that is read more often than this would be loaded for nothing."""


def duration(text: str) -> float:
    """Return the seconds of a duration such as `30m` or `6h`. Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,5})([smhd])", text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if seconds < SHORTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration of at least a minute; write for example 30m or 6h")
    return seconds


@contextmanager
def reingesting(source: str, every: float, data_dir: Path, *, allow_private: bool) -> Iterator[None]:
    """Ingest `source` now and then every so many seconds while the block runs, in a process of its own.

    The server takes the new index up by itself. An ingest that fails leaves the index as it was; what it says is
    printed with what the server prints.
    """
    words = ["ingest", source, "--data-dir", str(data_dir), *(["--allow-private"] if allow_private else [])]
    stopping = threading.Event()
    thread = threading.Thread(target=_repeat, args=(words, every, stopping), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _repeat(words: list[str], every: float, stopping: threading.Event) -> None:
    from server.cli.child import CITESIDE

    while not stopping.is_set():
        with subprocess.Popen(
            [*CITESIDE, *words], stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
        ) as child:
            while child.poll() is None:
                if stopping.wait(0.2):
                    child.terminate()
                    child.wait()
        if child.returncode and not stopping.is_set():
            print(f"citeside serve: {words[1]} was not ingested; it is tried again in {every:.0f} s", file=sys.stderr)
        stopping.wait(every)
