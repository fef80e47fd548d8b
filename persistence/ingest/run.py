"""Brings the index to what a site says now: reads its pages, embeds what is new, and publishes them as a whole."""

import asyncio
import fcntl
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile

from graph.errors import AlreadyOwned, IndexMissing, IngestError
from persistence.embedded_index import read_manifest
from persistence.embeddings import Embedder, VectorCache
from persistence.index import INDEX_FOLDER, Keywords, Manifest, open_index, open_writer
from persistence.ingest.progress import Progress, silent
from persistence.ingest.spool import Spool
from persistence.pages import Site, open_site, read_page
from persistence.passages import cut_into_passages, last_versions

_BATCH = 64  # passages embedded and written at once


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest found: pages by what became of them, and the generation that is searched from now on."""

    pages: int
    passages: int
    new: int
    changed: int
    gone: int
    unchanged: int
    seconds: float
    generation: str


def ingest(
    source: str,
    *,
    data_dir: Path,
    embedder: Embedder,
    base_url: str | None = None,
    qdrant_url: str | None = None,
    qdrant_api_key: str | None = None,
    allow_private: bool = False,
    progress: Progress = silent,
) -> IngestReport:
    """Index the site in a build folder or behind the URL of its sitemap. Blocks; belongs in a process of its own.

    When nothing changed, nothing is written. Otherwise a whole generation is written beside the one in use and takes
    its place at the end: an ingest that fails or is killed leaves the old one. A URL in a private network is read only
    with `allow_private`. Raises IngestError when the site cannot
    be read, AlreadyOwned while another ingest runs, IndexUnavailable when the index or a remote model is away.
    """
    started = time.monotonic()
    index = _Index(data_dir, embedder, qdrant_url, qdrant_api_key)
    with (
        _only_one(data_dir),
        open_site(source, base_url, allow_private=allow_private) as site,
        TemporaryFile(dir=data_dir / INDEX_FOLDER) as file,
    ):
        spool = Spool(file)
        entries = _read(site, source, spool, progress)
        pages = _settle(entries, spool)
        locale = _default_locale(entries)
        before = asyncio.run(index.manifest())
        if before and before.is_read_by(embedder.name) and _says(before, site.base_url, locale, pages):
            now = before
        else:
            now = asyncio.run(index.write(spool, site.base_url, locale, pages, progress))
    known = before.pages if before else {}
    both = len(pages.keys() & known.keys())
    same = len(pages.items() & known.items())
    return IngestReport(
        pages=len(pages),
        passages=now.passages,
        new=len(pages) - both,
        changed=both - same,
        gone=len(known) - both,
        unchanged=same,
        seconds=round(time.monotonic() - started, 3),
        generation=now.generation,
    )


def _says(manifest: Manifest, base_url: str, locale: str | None, pages: dict[str, str]) -> bool:
    return (manifest.base_url, manifest.default_locale, manifest.pages) == (base_url, locale, pages)


@dataclass(frozen=True, slots=True)
class _Index:
    """The index to write to, and what makes vectors for it."""

    data_dir: Path
    embedder: Embedder
    url: str | None
    api_key: str | None

    async def manifest(self) -> Manifest | None:
        """Return what is searched now, None when that is nothing or cannot be read and must be written anew."""
        if self.url is None:
            return read_manifest(self.data_dir / INDEX_FOLDER)
        async with open_index(self.data_dir, self.embedder, url=self.url, api_key=self.api_key) as index:
            try:
                return await index.manifest()
            except IndexMissing:
                return None

    async def write(
        self, passages: Spool, base_url: str, locale: str | None, pages: dict[str, str], progress: Progress
    ) -> Manifest:
        """Write a generation from the vectors that are known and those that have to be made, and publish it."""
        total = len(passages)
        keywords = Keywords.of(passages)
        async with open_writer(self.data_dir, self.embedder, keywords, url=self.url, api_key=self.api_key) as writer:
            with VectorCache(self.data_dir / "vectors.db") as vectors:
                for start in range(0, total, _BATCH):
                    progress("embedding", start, total)
                    batch = passages[start : start + _BATCH]
                    await writer.add(batch, vectors.embed(self.embedder, [passage.embedded for passage in batch]))
            progress("embedding", total, total)
            progress("writing", 0, total)
            manifest = await writer.publish(base_url=base_url, default_locale=locale, pages=pages)
        progress("writing", total, total)
        return manifest


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is remembered of a page whose passages are in the spool, at the positions `span`."""

    url: str
    path: str
    locale: str | None
    version: str | None
    plugin: str | None
    listed: bool
    span: slice


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    """Hold the lock that one ingest into a data folder has at a time. Raises AlreadyOwned naming the other."""
    folder = data_dir / INDEX_FOLDER
    for made in (data_dir, folder):  # parents would be made for everybody to read
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "ingest.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 100, 0).decode(errors="replace")
            raise AlreadyOwned(
                f"Another ingest into {data_dir} is running: {owner}. Wait for it, or stop it."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC".encode(), 0)
        yield
    finally:
        os.close(lock)


def _read(site: Site, source: str, spool: Spool, progress: Progress) -> list[_Entry]:
    """Read and cut all pages into the spool and return an entry for each that will be searched."""
    entries: dict[str, _Entry] = {}
    for count, found in enumerate(site.pages(), 1):
        url = site.base_url + found.path
        try:
            page = read_page(found.html)
        except IngestError as error:
            raise IngestError(f"{url} is not read. {error} Leave the page out of the site, or mend it.") from None
        if page and url not in entries:
            passages = cut_into_passages(page, url, found.path)
            span = slice(len(spool), len(spool) + len(passages))
            spool.add(passages)
            entries[url] = _Entry(url, found.path, page.locale, page.version, page.plugin, page.listed, span)
        progress("reading", count, site.count)
    if not entries:
        raise IngestError(f"None of the {site.count} pages in {source} holds text. Is it a site built by Docusaurus?")
    listed = [entry for entry in entries.values() if entry.listed]
    return listed or list(entries.values())  # a site may be noindex as a whole, and is then still read by its readers


def _settle(entries: Sequence[_Entry], spool: Spool) -> dict[str, str]:
    """Decide what the whole site tells, last versions and hidden pages, and return each page's sha256."""
    spool.settle(last_versions((e.plugin, e.version, e.path) for e in entries if e.plugin and e.version))
    pages = {entry.url: hashlib.sha256(repr(spool[entry.span]).encode()).hexdigest() for entry in entries}
    spool.keep(entry.span for entry in entries)
    return pages


def _default_locale(entries: Sequence[_Entry]) -> str | None:
    """Return the locale whose pages stand at the root: Docusaurus puts the others below a segment of their name."""
    at_root: Counter[str] = Counter()
    for entry in entries:
        if entry.locale:
            at_root[entry.locale] += not f"{entry.path}/".startswith(f"{entry.locale}/")
    return max(at_root, key=lambda locale: at_root[locale], default=None)
