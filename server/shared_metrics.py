"""Adds up the numbers of all workers of a server, for a scrape reaches one of them and means them all.

Each worker keeps its numbers in files of a common folder, as the client library does it for several processes, but
under a slot of its own instead of its process id. A worker that replaces one that died takes over its slot, and goes on
counting where it ended: no counter runs backwards, and no file is left behind. The slots are held by locks, which the
system lets go when a process dies.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from prometheus_client import Metric, values
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector


class SharedMetrics:
    """The numbers of all workers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return each metric added up over the workers; what a worker that died had running does not count."""
        alive = {lock.stem for lock in self._folder.glob("*.slot") if _is_held(lock)}
        files = [file for file in self._folder.glob("*.db") if _counts(file.stem, alive)]
        metrics = MultiProcessCollector.merge([str(file) for file in files])
        return [*metrics, GaugeMetricFamily("citeside_workers", "Workers of this server.", value=len(alive))]


def _counts(name: str, alive: set[str]) -> bool:
    """Tell whether a file counts: `counter_SLOT` does for ever, `gauge_livesum_SLOT` as long as somebody holds it."""
    return not name.startswith("gauge_") or name.rpartition("_")[2] in alive


def _is_held(lock: Path) -> bool:
    opened = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


@contextmanager
def joined(folder: Path) -> Iterator[SharedMetrics]:
    """Keep what is counted from now on in a slot of the folder, the first one that is free."""
    slot, lock = _take_slot(folder)
    for gauge in folder.glob(f"gauge_*_{slot}.db"):
        with suppress(FileNotFoundError):
            gauge.unlink()
    before = values.ValueClass
    values.ValueClass = shared = values.MultiProcessValue(lambda: slot)
    try:
        yield SharedMetrics(folder)
    finally:
        values.ValueClass = before
        shared.close_all_files()
        os.close(lock)


def _take_slot(folder: Path) -> tuple[int, int]:
    """Return the number of a slot and the descriptor that holds it."""
    for slot in count():
        lock = os.open(folder / f"{slot}.slot", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return slot, lock
    raise AssertionError("count() has no end")
