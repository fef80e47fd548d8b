"""Holds the passages of a whole site on the disk while an ingest decides what to do with them."""

import pickle
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import IO

from persistence.passages import IndexedPassage


class Spool:
    """Passages in a file: a site of 10,000 pages has some 300,000, which would take half a gigabyte of memory."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to a file that the caller closes."""
        self._file = file
        self._offsets = array("Q")
        self._last_versions: dict[str, str] = {}

    def add(self, passages: Iterable[IndexedPassage]) -> None:
        """Append passages."""
        for passage in passages:
            self._offsets.append(self._file.tell())
            pickle.dump(passage, self._file)

    def keep(self, spans: Iterable[slice]) -> None:
        """Forget all passages that stand in none of the spans."""
        self._offsets = array("Q", chain.from_iterable(self._offsets[span] for span in spans))

    def settle(self, last_versions: dict[str, str]) -> None:
        """Say which version of each docs plugin is its last, which is known only when all pages are read."""
        self._last_versions = last_versions

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[IndexedPassage]:
        return map(self._load, self._offsets)

    def __getitem__(self, span: slice) -> list[IndexedPassage]:
        """Read some of the passages back."""
        return [self._load(offset) for offset in self._offsets[span]]

    def _load(self, offset: int) -> IndexedPassage:
        self._file.seek(offset)
        passage: IndexedPassage = pickle.load(self._file)  # noqa: S301 - our own file, unlinked since it was made
        return replace(passage, last=passage.plugin is None or self._last_versions[passage.plugin] == passage.version)
