"""Measures retrieval on questions and pages from elsewhere: the right page among the first ten.

Pages are written as a built site, ingested into an embedded index in the cache folder, and searched as for a reader's
question. An ingest that finds nothing changed writes nothing, so that a second run takes seconds.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from evals.built import BASE_URL, Part, write_page
from evals.external import DataUnusable, Figure, Tell, rows
from graph.types import Passage, Scope
from persistence.embeddings import Embedder, open_embedder
from persistence.index import PassageIndex, open_index
from persistence.ingest import ingest

DEPTH = 50
"""Passages asked for, enough that ten pages are among them."""

CACHE = user_cache_path("citeside") / "external"
"""Where indexes and vectors are kept unless told otherwise."""

_STEPS_TOLD = 64


@dataclass(frozen=True, slots=True)
class Goal:
    """A metric of ir-measures as we call it, the best baseline known and what is to be reached."""

    metric: str
    measure: str
    baseline: float | None = None
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the site it is asked on, and the pages that answer it."""

    qid: str
    site: str
    question: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Set:
    """Questions about sites, how they are put, and what is measured of the answers."""

    name: str
    load: Callable[[Path], list[Asked]]
    goals: tuple[Goal, ...]


def _issues(question: Callable[[dict[str, Any]], str]) -> Callable[[Path], list[Asked]]:
    def load(folder: Path) -> list[Asked]:
        return [
            Asked(row["qid"], row["site"], question(row), frozenset(gold["page"] for gold in row["gold"]))
            for row in rows(folder, "docs_retrieval.queries.jsonl")
        ]

    return load


def _docs_questions(folder: Path) -> list[Asked]:
    return [
        Asked(row["qid"], "anthropic", row["query"], frozenset(row["gold_pages"]))
        for row in rows(folder, "docs_qa_anthropic.queries.jsonl")
    ]


SETS = (
    Set(
        "docs_retrieval",
        _issues(lambda row: row["query"]),
        (
            Goal("MRR@10", "RR@10", 0.767, 0.82),
            Goal("recall@5", "R@5", 1.0, 0.95),
            Goal("nDCG@10", "nDCG@10", 0.8266, 0.86),
        ),
    ),
    Set(
        "docs_retrieval titles",
        _issues(lambda row: row["title"]),
        (
            Goal("MRR@10", "RR@10", 0.6729, 0.5792),
            Goal("recall@5", "R@5", 0.7955, 0.7727),
            Goal("nDCG@10", "nDCG@10", 0.7342, 0.6637),
        ),
    ),
    Set(
        "docs_qa_anthropic",
        _docs_questions,
        (
            Goal("MRR@10", "RR@10", 0.9607, 0.97),
            Goal("recall@5", "R@5", 0.96, None),
            Goal("nDCG@10", "nDCG@10", 0.9383, None),
        ),
    ),
)


async def measure(folder: Path, tell: Tell, *, cache: Path = CACHE) -> list[Figure]:
    """Score every set of `folder`, in which the corpora lie too; `cache` keeps indexes and vectors between runs."""
    figures: list[Figure] = []
    for scored in SETS:
        found = await run(folder, scored, tell, cache=cache)
        asked = {row["qid"] for row in found}
        figures += score(scored, [each for each in scored.load(folder) if each.qid in asked], found)
    return figures


async def run(folder: Path, asked: Set, tell: Tell, *, cache: Path) -> list[dict[str, Any]]:
    """Return a row for each question whose site has pages: `{"qid", "pages"}`, the pages best first and each once."""
    questions = asked.load(folder)
    found: dict[str, list[str]] = {}
    async for site, index, page in searched_sites(folder, cache, tell, only={each.site for each in questions}):
        here = [each for each in questions if each.site == site]
        tell(f"{asked.name}: asking {len(here)} questions about {site}")
        for each in here:
            passages = await index.search(each.question, scope=Scope(), limit=DEPTH)
            found[each.qid] = list(dict.fromkeys(map(page, passages)))
    tell_left_out(asked.name, questions, found, tell)
    return [{"qid": each.qid, "pages": found[each.qid]} for each in questions if each.qid in found]


def tell_left_out(name: str, questions: Sequence[Asked], found: Container[str], tell: Tell) -> None:
    """Tell how many questions are about sites without pages. Raises DataUnusable when all are."""
    left_out = [each for each in questions if each.qid not in found]
    if not left_out:
        return
    sites = ", ".join(sorted({each.site for each in left_out}))
    told = f"{name}: {len(left_out)} of {len(questions)} questions are left out: there are no pages of {sites}"
    if len(left_out) == len(questions):
        raise DataUnusable(told)
    tell(told)


async def searched_sites(
    folder: Path, cache: Path, tell: Tell, *, only: Collection[str] = ()
) -> AsyncIterator[tuple[str, PassageIndex, Callable[[Passage], str]]]:
    """Yield each site of a folder (those of `only`, if any): its name, its open index, and what names a passage's page.

    Ingests first what is not in the cache folder yet. An index closes when the next one is asked for.
    """
    corpora = await asyncio.to_thread(_corpora, folder)
    embedder = await asyncio.to_thread(open_embedder, cache, model=None, api_key=None, base_url=None)
    for site, corpus in sorted(corpora.items()):
        if only and site not in only:
            continue
        data_dir = await asyncio.to_thread(ingested, corpus, site, embedder, cache, tell)

        def page(passage: Passage, corpus: Corpus = corpus) -> str:
            return corpus[passage.path.partition("#")[0]].id

        async with open_index(data_dir, embedder, url=None, api_key=None) as index:
            yield site, index, page


def score(asked: Set, questions: Sequence[Asked], found: Sequence[dict[str, Any]]) -> list[Figure]:
    """Return the set's metrics, computed by ir-measures on pages."""
    import ir_measures

    measures = {goal.metric: ir_measures.parse_measure(goal.measure) for goal in asked.goals}
    truth = {each.qid: dict.fromkeys(each.gold, 1) for each in questions}
    ranked = {row["qid"]: {page: 1 / rank for rank, page in enumerate(row["pages"], 1)} for row in found}
    ranked = {qid: pages or {"": 0.0} for qid, pages in ranked.items()}  # a question without any row is left out
    values = ir_measures.calc_aggregate(measures.values(), truth, ranked)
    return [
        Figure(asked.name, goal.metric, float(values[measures[goal.metric]]), len(questions), goal.baseline, goal.goal)
        for goal in asked.goals
    ]


@dataclass(frozen=True, slots=True)
class Source:
    """A page as it came: its id in the cases, its title and its Markdown."""

    id: str
    title: str
    parts: tuple[Part, ...]


Corpus = dict[str, Source]
"""Pages by their path below the base URL."""


def _corpora(folder: Path) -> dict[str, Corpus]:
    """Return each site's pages."""
    sites: dict[str, Corpus] = {}
    for row in rows(folder, "docs_retrieval.pages.jsonl"):
        parts = tuple(Part(s["anchor"], s["heading"], s["level"], s["text"]) for s in row["sections"])
        sites.setdefault(row["site"], {})[_path(row["page"])] = Source(row["page"], row["title"], parts)
    chunks: dict[str, list[dict[str, Any]]] = {}
    for row in rows(folder, "docs_qa_anthropic.chunks.jsonl"):
        chunks.setdefault(row["page"], []).append(row)
    sites["anthropic"] = {_path(page): _chunked(page, found) for page, found in chunks.items()}
    return sites


def _path(page: str) -> str:
    """Return the path in `site:/path` or in a URL."""
    return urlsplit(page).path.strip("/")


def _chunked(page: str, chunks: Iterable[dict[str, Any]]) -> Source:
    """Put a page together from its pieces, each beginning with its heading; its title is not in the set."""
    title = page.rstrip("/").rpartition("/")[2].replace("-", " ").capitalize()
    parts = tuple(
        Part(c["chunk"].partition("#")[2], c["heading"], 2, c["text"].removeprefix(c["heading"])) for c in chunks
    )
    return Source(page, title, parts)


def ingested(corpus: Corpus, site: str, embedder: Embedder, cache: Path, tell: Tell) -> Path:
    """Bring a site's index in the cache folder up to date and return its data folder."""
    build, data_dir = cache / "sites" / site, cache / "data" / site
    shutil.rmtree(build, ignore_errors=True)  # pages that another run wrote
    for path, page in corpus.items():
        write_page(build, path, page.title, page.parts)

    def show(stage: str, done: int, total: int) -> None:
        if done == total or done % _STEPS_TOLD == 0:
            tell(f"{site}: {stage} {done}/{total}")

    ingest(str(build), data_dir=data_dir, embedder=embedder, base_url=BASE_URL, progress=show)
    return data_dir
