"""A documentation site of one page, which covers every question of the suite, and its index, made once."""

from pathlib import Path

from persistence.embeddings import open_embedder
from persistence.ingest import ingest
from tests.persistence.site import BASE, doc, heading, write_site

PAGE = (
    "<h1>Sessions</h1><p>A session lasts 30 days after it was last seen.</p>"
    + heading(2, "How long does a session last? Key, tokens, pace, size, finish and fault", "last")
    + "<p>How long does a session last? A session lasts as long as its key says, with tokens at their pace and size, "
    "the finish and the fault: stall, cut, malformed, error, refused, silent, empty, none, length, content filter.</p>"
)


def ingest_once(folder: Path) -> Path:
    """Write and ingest the site in `folder`, and return the data folder of which each worker gets a copy."""
    site = write_site(folder / "site", {"docs/intro/index.html": doc(PAGE)})
    data = folder / "data"
    embedder = open_embedder(data, model=None, api_key=None, base_url=None)
    ingest(str(site), data_dir=data, embedder=embedder, base_url=BASE)
    return data
