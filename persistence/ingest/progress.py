"""Shows how far an ingest has come: a bar on a terminal, lines of JSON elsewhere."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TextIO

Stage = Literal["reading", "embedding", "writing"]


class Progress(Protocol):
    """Is told after each step how much of a stage is done; reading counts pages, the others passages."""

    def __call__(self, stage: Stage, done: int, total: int) -> None:
        """Take note; a total may grow while pages are still being found."""
        ...


def silent(stage: Stage, done: int, total: int) -> None:
    """Show nothing."""


@contextmanager
def shown(stream: TextIO) -> Iterator[Progress]:
    """Show progress on a stream such as stderr."""
    if stream.isatty():
        yield from _bar(stream)
    else:
        yield _lines(stream)


def _bar(stream: TextIO) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(file=stream, leave=False, dynamic_ncols=True, unit=" pages") as bar:

        def show(stage: Stage, done: int, total: int) -> None:
            if bar.desc != f"{stage}: ":
                bar.reset(total)
                bar.set_description(stage)
                bar.unit = " pages" if stage == "reading" else " passages"
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _lines(stream: TextIO) -> Progress:
    """Write a line a second at most, and one when a stage is done."""
    written = float("-inf")

    def show(stage: Stage, done: int, total: int) -> None:
        nonlocal written
        if done == total or time.monotonic() - written >= 1:
            written = time.monotonic()
            print(json.dumps({"stage": stage, "done": done, "total": total}), file=stream, flush=True)

    return show
