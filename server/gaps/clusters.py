"""Puts questions together that mean the same, the same way whenever the same questions are given."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from graph.terms import question_terms
from persistence.embeddings import Embedder
from persistence.gaps import Gap

SAME_MEANING = 0.6
"""Cosine of all-MiniLM-L6-v2 from which two questions count as one. Of the 53 made-up questions in the 20 groups of
tests/server/paraphrases.py it joins 45 of the 48 pairs that mean the same, and 6 of the 1,330 that do not: those about
making a backup with those about restoring one (F1 0.91; 0.79 at 0.50, 0.89 at 0.65, 0.84 at 0.70)."""

SAME_WORDS = 0.7
"""The same of questions as sets of terms, where there is no embedding model: 26 of the 48 pairs, and 5 that are
wrong (F1 0.66, the best of 0.50 to 0.80)."""

TELLING = 3
"""Pages and missing things named of a cluster: the most frequent."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Questions that mean the same: `question` is the one asked most, `others` are further wordings with how often."""

    question: str
    others: tuple[tuple[str, int], ...]
    asked: int
    readers: int
    kinds: Counter[str]
    last_asked: datetime
    pages: tuple[str, ...]
    missing: tuple[str, ...]


def cluster(gaps: Sequence[Gap], embedder: Embedder, *, min_readers: int, progress: Progress) -> list[Cluster]:
    """Return the clusters that at least `min_readers` different readers asked for, the widest first. Blocks.

    Equal questions go first, up to case and punctuation. Of the rest, the most frequent first, each joins the most
    similar of those before it that stand for a cluster, or else stands for one itself (leader clustering).
    """
    wordings: dict[str, list[Gap]] = {}
    for gap in gaps:
        wordings.setdefault(_plain(gap.question), []).append(gap)
    order = sorted(wordings, key=lambda plain: (-len(wordings[plain]), plain))
    texts = [wordings[plain][0].question for plain in order]
    local = embedder.dimensions > 0
    vectors = _embedded(texts, embedder, progress) if local else _terms(texts)
    leaders = _leaders(vectors, SAME_MEANING if local else SAME_WORDS)
    members: dict[int, list[str]] = {}
    for plain, leader in zip(order, leaders, strict=True):
        members.setdefault(leader, []).append(plain)
    found = [_cluster([wordings[plain] for plain in plains]) for plains in members.values()]
    found = [one for one in found if one.readers >= min_readers]
    return sorted(found, key=lambda one: (-one.readers, -one.asked, -one.last_asked.timestamp(), one.question))


def _plain(question: str) -> str:
    return " ".join(question.casefold().split()).strip(" ?.!")


def _embedded(texts: Sequence[str], embedder: Embedder, progress: Progress) -> np.ndarray:
    rows: list[np.ndarray] = []
    done = 0
    for batch in embedder.embed_passages(texts):
        rows.append(batch)
        done += len(batch)
        progress(done, len(texts))
    return np.concatenate(rows) if rows else np.empty((0, embedder.dimensions), np.float32)


def _terms(texts: Sequence[str]) -> np.ndarray:
    """Return unit vectors of the questions' content terms."""
    terms = [question_terms(text) for text in texts]
    columns = {term: n for n, term in enumerate(sorted(frozenset[str]().union(*terms)))}
    vectors = np.zeros((len(texts), len(columns)), np.float32)
    for row, found in zip(vectors, terms, strict=True):
        row[[columns[term] for term in found]] = 1 / max(len(found), 1) ** 0.5
    return vectors


def _leaders(vectors: np.ndarray, threshold: float) -> list[int]:
    """Return for each row the row that stands for its cluster."""
    leaders: list[int] = []
    chosen: list[int] = []
    for n, vector in enumerate(vectors):
        similar = vectors[leaders] @ vector if leaders else np.empty(0)
        best = int(np.argmax(similar)) if leaders else -1
        if leaders and similar[best] >= threshold:
            chosen.append(leaders[best])
        else:
            leaders.append(n)
            chosen.append(n)
    return chosen


def _cluster(wordings: Sequence[Sequence[Gap]]) -> Cluster:
    gaps = [gap for same in wordings for gap in same]
    first, *others = [(same[0].question, len(same)) for same in wordings]
    return Cluster(
        question=first[0],
        others=tuple(others),
        asked=len(gaps),
        readers=len({gap.reader for gap in gaps}),
        kinds=Counter(kind for gap in gaps for kind in gap.kinds),
        last_asked=max(gap.asked_at for gap in gaps),
        pages=_frequent(page for gap in gaps for page in gap.pages),
        missing=_frequent(lack for gap in gaps for lack in gap.missing),
    )


def _frequent(found: Iterable[str]) -> tuple[str, ...]:
    counted = Counter(found)
    return tuple(sorted(counted, key=lambda text: (-counted[text], text))[:TELLING])
