"""What every engine of the index must do. CITESIDE_TEST_QDRANT_URL adds a real server to those tested."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from langchain_qdrant.sparse_embeddings import SparseEmbeddings, SparseVector
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from graph.errors import IndexMissing, IndexUnavailable
from graph.types import Passage, Scope
from persistence.embeddings import NoEmbedder
from persistence.index import PassageIndex, open_index, open_writer
from persistence.index.engine import Question
from persistence.index.keywords import Keywords, question_terms
from persistence.index.manifest import Visible
from persistence.index.remote import RemoteIndex, Server, draft_on
from tests.persistence.engines import Letters, Library, library, passage

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
]

SHARE = passage("docs/share#links", "Send the link of a notebook to share it.", heading="Links")
LIMITS = passage("docs/limits", "A notebook holds 200 pages.")
EXPORT = passage("docs/export", "Export a notebook as a PDF file.")

EVERYBODY = Scope()

needs_server = pytest.mark.skipif(
    "CITESIDE_TEST_QDRANT_URL" not in os.environ, reason="CITESIDE_TEST_QDRANT_URL names no Qdrant server"
)


@pytest.fixture(params=["embedded", "client", pytest.param("server", marks=needs_server)])
async def shelf(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Library]:
    monkeypatch.setattr("persistence.index.remote.SECONDS_BETWEEN_CHECKS", 0)
    async with library(request.param, tmp_path) as opened:
        yield opened


async def found(shelf: Library, question: str, scope: Scope = EVERYBODY) -> list[str]:
    """Return the paths that a question finds, best first."""
    return [hit.path for hit in await PassageIndex(shelf.engine, Letters()).search(question, scope=scope, limit=10)]


async def test_a_question_finds_the_passage_it_is_about_with_all_that_is_shown_of_it(shelf: Library) -> None:
    await shelf.ingest([LIMITS, SHARE, EXPORT], Letters())
    first, *others = await PassageIndex(shelf.engine, Letters()).search("Can I share links?", scope=Scope(), limit=2)
    assert first == Passage(
        id=SHARE.id,
        url="https://docs.example.com/docs/share#links",
        path="docs/share#links",
        title="Notebook",
        heading="Links",
        text="Send the link of a notebook to share it.",
        version="2.0",
        locale="en",
        score=first.score,
        coverage=1.0,
    )
    assert len(others) == 1


async def test_scores_are_cosines_and_coverage_weighs_rare_words_most(shelf: Library) -> None:
    await shelf.ingest([LIMITS, SHARE, EXPORT], Letters())
    question = "notebook pdf unicorns"
    answered = await PassageIndex(shelf.engine, Letters()).search(question, scope=EVERYBODY, limit=3)
    hits = {hit.path: hit for hit in answered}
    asked, *vectors = next(Letters().embed_passages([question, LIMITS.embedded, SHARE.embedded, EXPORT.embedded]))
    for each, vector in zip((LIMITS, SHARE, EXPORT), vectors, strict=True):
        cosine = asked @ vector / np.linalg.norm(asked) / np.linalg.norm(vector)
        assert hits[each.path].score == pytest.approx(cosine, abs=1e-3)
    idf = {"notebook": 0.1335, "pdf": 0.9808, "unicorns": 2.0794}  # ln(1 + (3 - n + 0.5) / (n + 0.5)) for n = 3, 1, 0
    assert hits[EXPORT.path].coverage == pytest.approx((idf["notebook"] + idf["pdf"]) / sum(idf.values()), abs=1e-3)


async def test_without_vectors_words_alone_find_and_score(shelf: Library) -> None:
    await shelf.ingest([LIMITS, SHARE, EXPORT], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())
    (hit,) = await index.search("sharing links", scope=Scope(), limit=5)
    assert (hit.path, hit.score, hit.coverage) == (SHARE.path, 1.0, 1.0)
    assert await index.search("what is it?", scope=Scope(), limit=5) == []


VERSIONS = [
    passage("docs", "share"),
    passage("docs/1.0/share", "share", version="1.0", last=False),
    passage("docs/next/share", "share", version="current", last=False),
    passage("api", "share", plugin="docs-api", version="5"),
    passage("api/4/share", "share", plugin="docs-api", version="4", last=False),
    passage("blog/share", "share", plugin=None, version=None),
    passage("de/docs", "share", locale="de"),
    passage("de/docs/1.0/share", "share", locale="de", version="1.0", last=False),
]


@pytest.mark.parametrize(
    ("scope", "seen"),
    [
        (Scope(), {"docs", "api", "blog/share"}),
        (Scope(version="1.0"), {"docs/1.0/share", "api", "blog/share"}),
        (Scope(path="docs/next/share#top"), {"docs/next/share", "api", "blog/share"}),
        (Scope(path="/api/4/share"), {"docs", "api/4/share", "blog/share"}),
        (Scope(path="api", version="4"), {"docs", "api/4/share", "blog/share"}),
        (Scope(path="blog/share"), {"docs", "api", "blog/share"}),
        (Scope(version="0.1"), {"docs", "api", "blog/share"}),
        (Scope(locale="de"), {"de/docs"}),
        (Scope(locale="de", path="de/docs/1.0/share"), {"de/docs/1.0/share"}),
        (Scope(locale="fr"), {"docs", "api", "blog/share"}),
    ],
)
async def test_a_reader_sees_their_version_and_the_last_of_everything_else(
    shelf: Library, scope: Scope, seen: set[str]
) -> None:
    await shelf.ingest(VERSIONS, Letters())
    assert set(await found(shelf, "share", scope)) == seen


async def test_words_are_found_in_the_forms_of_their_language(shelf: Library) -> None:
    german = passage("de/docs/a", "Die Häuser werden verschoben.", title="Q", locale="de")
    japanese = passage("ja/docs/b", "ドキュメントの設定を変更する", title="Q", locale="ja")
    await shelf.ingest([german, japanese], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())
    (house,) = await index.search("Haus", scope=Scope(locale="de"), limit=5)
    (setting,) = await index.search("設定を変更するには?", scope=Scope(locale="ja"), limit=5)
    assert (house.id, setting.id) == (german.id, japanese.id)


async def test_a_language_without_spaces_is_found_among_words_that_have_them(shelf: Library) -> None:
    mixed = passage("ja/docs/b", "ドキュメントの設定を変更する to change settings in docs", title="Q", locale="ja")
    await shelf.ingest([mixed], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())
    (setting,) = await index.search("設定を変更するには?", scope=Scope(locale="ja"), limit=5)
    (english,) = await index.search("changing a setting", scope=Scope(locale="ja"), limit=5)
    assert (setting.id, english.id) == (mixed.id, mixed.id)


async def test_a_passage_is_found_by_the_words_of_its_address(shelf: Library) -> None:
    found_by_address = passage("docs/redirects/moved-pages#client-side", "Old links keep working.")
    await shelf.ingest([found_by_address, LIMITS, EXPORT], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())
    (hit,) = await index.search("redirect on the client", scope=Scope(), limit=5)
    assert hit.id == found_by_address.id


async def test_an_identifier_is_found_by_its_words_and_as_a_whole(shelf: Library) -> None:
    named = passage("docs/a", "Pass extraReducers or max_size to it.")
    await shelf.ingest([named, LIMITS, EXPORT], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())
    for question in ("extra reducers", "extrareducers", "max_size", "sizes"):
        (hit,) = await index.search(question, scope=Scope(), limit=5)
        assert hit.id == named.id


async def test_the_first_line_of_a_question_counts_more_than_what_follows(shelf: Library) -> None:
    await shelf.ingest([passage("a", "Share it."), passage("b", "Export it.")], NoEmbedder())
    index = PassageIndex(shelf.engine, NoEmbedder())

    async def first(question: str) -> str:
        return (await index.search(question, scope=Scope(), limit=2))[0].path

    assert [await first("share\nexport"), await first("export\nshare")] == ["a", "b"]


async def test_a_page_with_two_near_passages_comes_before_one_with_a_single_near_passage(shelf: Library) -> None:
    passages = [
        passage("docs/one#a", "Share a link of a link."),
        passage("docs/two#a", "Share a link."),
        passage("docs/two#b", "Links are shared for good."),
        passage("docs/two#c", "A link ends."),
        passage("docs/none", "Nothing of the kind."),
    ]
    await shelf.ingest(passages, NoEmbedder())
    hits = await PassageIndex(shelf.engine, NoEmbedder()).search("share link", scope=Scope(), limit=10)
    paths = [hit.path for hit in hits]
    assert {*paths[:2]} == {"docs/two#a", "docs/two#b"}
    assert paths[2:] == ["docs/one#a", "docs/two#c"]


async def test_both_engines_give_one_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    vocabulary = "share link notebook page export file limit panel answer question reader stream".split()
    passages = [
        passage(f"docs/{n // 4}#{n}", " ".join(rng.choices(vocabulary, k=rng.randint(3, 30)))) for n in range(200)
    ]
    questions = [" ".join(rng.choices(vocabulary, k=4)) for _ in range(10)]
    orders: list[list[list[str]]] = []
    for engine in ("embedded", "client"):
        async with library(engine, tmp_path) as shelf:
            await shelf.ingest(passages, Letters())
            orders.append([await found(shelf, question) for question in questions])
    assert orders[0] == orders[1]


async def test_an_index_of_an_earlier_layout_asks_for_a_new_ingest(
    shelf: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("persistence.index.LAYOUT", 1)
        await shelf.ingest([LIMITS], Letters())
    with pytest.raises(IndexMissing, match=r"has layout 1, but this version reads layout 3. Run `citeside ingest`"):
        await found(shelf, "notebook")


@pytest.mark.parametrize(
    "address", ["docs/share/", "/docs/share", "https://docs.example.com/docs/share/?a=b#links", "docs/share#links"]
)
async def test_a_page_is_read_whole_and_in_its_order(shelf: Library, address: str) -> None:
    texts = [f"Sentence {number} of many." for number in range(30)]
    page = [passage(f"docs/share/#{n}", text, position=n) for n, text in enumerate(texts)]
    await shelf.ingest([LIMITS, *reversed(page)], Letters())
    index = PassageIndex(shelf.engine, Letters())
    read = await index.page(address)
    assert [(found.id, found.path, found.text) for found in read] == [(p.id, p.path, p.text) for p in page]


async def test_of_a_very_long_page_the_beginning_is_read(shelf: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.index.LONGEST_PAGE", 3)
    page = [passage(f"docs/long#{n}", f"Sentence {n}.", position=n) for n in range(9)]
    await shelf.ingest(page[::-1], Letters())
    read = await PassageIndex(shelf.engine, Letters()).page("docs/long")
    assert [found.text for found in read] == ["Sentence 0.", "Sentence 1.", "Sentence 2."]


async def test_there_is_nothing_to_read_where_there_is_no_page(shelf: Library) -> None:
    await shelf.ingest([LIMITS], Letters())
    index = PassageIndex(shelf.engine, Letters())
    for address in ("docs/share", "docs", "", "https://elsewhere.example/docs/limits", "docs/limits/more"):
        assert await index.page(address) == []


async def test_the_next_search_reads_what_an_ingest_has_published(shelf: Library) -> None:
    await shelf.ingest([LIMITS], Letters())
    assert await found(shelf, "notebook") == [LIMITS.path]
    await shelf.ingest([EXPORT], Letters())
    assert await found(shelf, "notebook") == [EXPORT.path]


async def test_a_search_under_way_ends_on_the_generation_it_began_with(shelf: Library) -> None:
    await shelf.ingest([LIMITS], Letters())
    before = await shelf.engine.current()
    await shelf.ingest([EXPORT], Letters())
    assert await found(shelf, "notebook") == [EXPORT.path]
    assert before
    terms = question_terms("notebook", "en")
    (hit,) = await before.search(Question(None, terms, Visible("en", ("docs-default-2.0",))))
    assert hit.id == LIMITS.id


async def test_an_ingest_that_fails_leaves_the_old_index_and_nothing_of_its_own(shelf: Library) -> None:
    manifest = await shelf.ingest([LIMITS], Letters())
    with pytest.raises(RuntimeError, match="the power went"):
        async with shelf.draft(Letters.dimensions) as draft:
            await shelf.write(draft, [EXPORT], Letters())
            raise RuntimeError("the power went")
    assert await found(shelf, "notebook") == [LIMITS.path]
    assert await shelf.generations() == [manifest.generation]


async def test_one_generation_is_kept_besides_the_current_one(shelf: Library) -> None:
    written = [(await shelf.ingest([kept], Letters())).generation for kept in (LIMITS, SHARE, EXPORT)]
    assert await shelf.generations() == sorted(written[1:])


async def test_the_manifest_says_what_was_ingested(shelf: Library) -> None:
    written = await shelf.ingest(VERSIONS, Letters())
    assert await PassageIndex(shelf.engine, Letters()).manifest() == written
    assert (written.passages, written.locales, written.embedding_model) == (8, ("de", "en"), "letters")


async def test_before_any_ingest_the_command_to_run_is_named(shelf: Library) -> None:
    assert await PassageIndex(shelf.engine, Letters()).manifest() is None
    with pytest.raises(IndexMissing, match="Run `citeside ingest`"):
        await found(shelf, "notebook")


async def test_an_index_of_another_model_asks_for_a_new_ingest(shelf: Library) -> None:
    await shelf.ingest([LIMITS], Letters())
    with pytest.raises(IndexMissing, match=r"'letters', but 'none' is configured. Run `citeside ingest` again"):
        await PassageIndex(shelf.engine, NoEmbedder()).search("notebook", scope=Scope(), limit=5)


async def test_many_readers_search_at_once(shelf: Library) -> None:
    await shelf.ingest([LIMITS, SHARE, EXPORT], Letters())
    alone = await found(shelf, "share links")
    assert await asyncio.gather(*(found(shelf, "share links") for _ in range(16))) == [alone] * 16


class LetterEmbeddings(Embeddings):
    """The same vectors as LangChain asks for them."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return next(iter(Letters().embed_passages(texts))).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Bm25Embeddings(SparseEmbeddings):
    """The same keywords as LangChain asks for them."""

    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        terms = question_terms(text, "en")
        return SparseVector(indices=list(terms), values=list(terms.values()))


@pytest.mark.filterwarnings("ignore:Local mode is not recommended")
async def test_langchain_opens_the_index_as_it_is(tmp_path: Path) -> None:
    writing = AsyncQdrantClient(path=str(tmp_path))
    shelf = Library(None, lambda dimensions: draft_on(Server(writing, "", "citeside"), dimensions), None)  # type: ignore[arg-type]
    await shelf.ingest([LIMITS, SHARE, EXPORT], Letters())
    await writing.close()
    client = QdrantClient(path=str(tmp_path))
    store = QdrantVectorStore(
        client=client,
        collection_name="citeside",
        embedding=LetterEmbeddings(),
        sparse_embedding=Bm25Embeddings(),
        retrieval_mode=RetrievalMode.HYBRID,
        vector_name="dense",
        sparse_vector_name="sparse",
    )
    last = models.FieldCondition(key="metadata.last", match=models.MatchValue(value=True))
    (document,) = store.similarity_search("share links", k=1, filter=models.Filter(must=[last]))
    client.close()
    assert (document.page_content, document.metadata["path"]) == (SHARE.text, SHARE.path)
    assert (document.metadata["tag"], document.metadata["_id"]) == ("docs-default-2.0", SHARE.id)


async def test_an_ingest_deletes_only_generations_of_its_own(tmp_path: Path) -> None:
    client = AsyncQdrantClient(":memory:")
    await client.create_collection("citeside-staging", vectors_config={})
    shelf = Library(None, lambda dimensions: draft_on(Server(client, "", "citeside"), dimensions), None)  # type: ignore[arg-type]
    for _ in range(3):
        await shelf.ingest([LIMITS], Letters())
    names = {collection.name for collection in (await client.get_collections()).collections}
    await client.close()
    assert "citeside-staging" in names
    assert len(names) == 4  # with the manifests, the current generation and the one before


async def test_a_generation_whose_publication_is_in_doubt_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    client = AsyncQdrantClient(":memory:")
    server = Server(client, "", "citeside")
    turn = client.update_collection_aliases

    async def turn_and_lose_the_reply(*args: Any, **named: Any) -> bool:
        await turn(*args, **named)
        raise ResponseHandlingException(TimeoutError("no reply"))

    monkeypatch.setattr(client, "update_collection_aliases", turn_and_lose_the_reply)
    shelf = Library(RemoteIndex(server), lambda dimensions: draft_on(server, dimensions), None)  # type: ignore[arg-type]
    with pytest.raises(IndexUnavailable):
        await shelf.ingest([SHARE], Letters())
    assert await found(shelf, "share") == ["docs/share#links"]
    await client.close()


async def test_a_manifest_that_cannot_be_read_asks_for_an_ingest() -> None:
    client = AsyncQdrantClient(":memory:")
    server = Server(client, "", "citeside")
    shelf = Library(RemoteIndex(server), lambda dimensions: draft_on(server, dimensions), None)  # type: ignore[arg-type]
    written = await shelf.ingest([SHARE], Letters())
    (record,), _ = await client.scroll(server.manifests)
    await client.overwrite_payload(server.manifests, {"generation": written.generation}, [record.id])
    with pytest.raises(IndexMissing, match="Run `citeside ingest`"):
        await found(shelf, "share")
    await client.close()


async def test_a_server_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with open_index(tmp_path, Letters(), url=url, api_key=None) as index:
            with pytest.raises(IndexUnavailable, match=f"Qdrant at {url} gave no answer within 10 s"):
                await index.search("notebook", scope=Scope(), limit=5)
        with pytest.raises(IndexUnavailable, match=url):
            async with open_writer(tmp_path, Letters(), Keywords.of([LIMITS]), url=url, api_key=None):
                pass


def test_small_words_of_another_language_do_not_count() -> None:
    """Pages of a German locale that are not translated yet are asked about in English."""
    assert question_terms("What is the price of it?", "de") == question_terms("price?", "de")
    assert question_terms("Was ist der Preis?", "en") == question_terms("Preis", "en")
