"""Makes cases from built sites by rule, the same ones for the same site and seed."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import NamedTuple, TypeVar

from evals.adversaries import BEHAVIOURS, named
from evals.cases import (
    Case,
    ConstrainedCase,
    GroundedCase,
    InjectionCase,
    RetrievalCase,
    SufficiencyCase,
    Suite,
    SupportCase,
)
from evals.sites import EvalSite
from evals.synthetic import (
    FORMER,
    GERMAN,
    INSTRUCTED,
    INSTRUCTION,
    LAST,
    PAYLOAD,
    REWORDED,
    TOPICS,
    Topic,
    code_of,
    fact,
    number,
)
from graph.terms import content_terms, negated, question_terms
from graph.units import quotable
from persistence.passages import IndexedPassage

A_RULE = 40
"""Cases that one rule may make of one site."""

_QUANTITY = re.compile(r"(?<![\w.`/-])(\d{1,3}(?:,\d{3})+|\d+)(?= [a-z]{3,})")
_ASKABLE = frozenset("default type status meaning purpose limit goal size value description code unit result".split())
_NAME = re.compile(r"[_/.-]|[a-z][A-Z]|[A-Z]{2}")
_IS = re.compile(r"\b(is|are|can|may|must|has|have|does|do)\b(?! not\b)")

_T = TypeVar("_T")


def cases_by_rule(suite: Suite, site: EvalSite, seed: int) -> list[Case]:
    """Return the cases of a suite about a site."""
    made = _SYNTHETIC[suite]() if site.name == "synthetic" else _BUILT[suite](site, random.Random(f"{seed} {suite}"))
    return list(made)


class _Pair(NamedTuple):
    """A passage, a sentence or row of it, a question that this answers, and the words that answer."""

    passage: IndexedPassage
    unit: str
    question: str
    answer: str


def _some(rng: random.Random, found: Iterable[_T], most: int = A_RULE) -> list[_T]:
    """Return some of what a rule found, in the order of the site."""
    listed = list(found)
    return [listed[n] for n in sorted(rng.sample(range(len(listed)), min(most, len(listed))))]


def _quantities(site: EvalSite) -> Iterator[_Pair]:
    """Yield sentences with one quantity, asked for in its place: `expires how many days after ...?`"""
    for passage in site.passages():
        for unit in quotable(passage.text):
            said = passage.text[unit.start : unit.end]
            found = _QUANTITY.findall(said)
            if unit.kind == "sentence" and len(found) == 1 and 6 <= len(said.split()) <= 25 and said[-1] == ".":
                asked = _QUANTITY.sub("how many", said, count=1).rstrip(".")
                if passage.text.count(said) == 1:
                    yield _Pair(passage, said, f"{asked}?", found[0])


def _rows(site: EvalSite) -> Iterator[_Pair]:
    """Yield rows of tables with a name in the first cell, asked for by it and the heading of the second."""
    found: list[_Pair] = []
    named: Counter[str] = Counter()
    for passage in site.passages():
        for table in re.findall(r"(?:^[^\n]*\t[^\n]*(?:\n|$))+", passage.text, re.MULTILINE):
            head, *rows = (line.split("\t") for line in table.splitlines())
            for cells in rows:
                row = "\t".join(cells)
                named[cells[0]] += 1
                can_be_asked = head[1].casefold() in _ASKABLE and _NAME.search(cells[0]) and len(cells[0]) <= 40
                if can_be_asked and 2 <= len(cells[1]) <= 60 and passage.text.count(row) == 1:
                    found.append(_Pair(passage, row, f"What is the {head[1].lower()} of {cells[0]}?", cells[1]))
    yield from (pair for pair in found if named[pair.unit.split("\t")[0]] == 1)


def _pages(site: EvalSite, pair: _Pair) -> tuple[str, ...]:
    """Return the pages with a passage that says all that the pair does: its own is one of them."""
    words = content_terms(pair.unit.split("\t")[0] if "\t" in pair.unit else pair.unit)
    return tuple(
        dict.fromkeys(
            p.page
            for p in site.passages()
            if p.page == pair.passage.page or (pair.answer in p.text and words <= content_terms(p.text))
        )
    )


def _version(passage: IndexedPassage) -> str | None:
    """Return the version that a reader of a passage has, None where the site has one only."""
    return None if passage.version == "current" else passage.version


def _alone(pair: _Pair) -> bool:
    """Tell whether nothing else in the passage speaks of most of what is asked: cut out, the answer is gone."""
    terms = question_terms(pair.question)
    rest = pair.passage.text.replace(pair.unit, "", 1)
    others = [rest[u.start : u.end] for u in quotable(rest)]
    near = max((len(terms & content_terms(other)) / (len(terms) or 1) for other in others), default=0)
    return bool(others) and near <= 0.5 and pair.answer not in rest


def _retrieval(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    passages = list(site.passages())
    headings = Counter(p.heading.rpartition(" > ")[2].casefold() for p in passages)
    unique = {}
    for p in passages:
        heading = p.heading.rpartition(" > ")[2]
        if headings[heading.casefold()] == 1 and len(content_terms(heading)) >= 2:
            unique[heading] = p
    for heading, p in _some(rng, unique.items()):
        yield _asked_of(site, "heading", p, heading)
    frequency = Counter(term for p in passages for term in content_terms(p.embedded))
    for p in _some(rng, (p for p in passages if len(content_terms(p.text)) >= 12)):
        # Words as a reader would type them, rare ones first, of one sentence.
        sentences = [p.text[u.start : u.end] for u in quotable(p.text) if u.kind == "sentence"]
        best = max(sentences, key=lambda s: len(content_terms(s)), default="")
        words = {w for w in re.findall(r"[A-Za-z][\w-]{3,}", best) if content_terms(w)}
        rare = sorted(words, key=lambda w: (min(frequency[t] for t in content_terms(w)), w))[:4]
        if len(rare) == 4:
            yield _asked_of(site, "keywords", p, " ".join(w for w in re.findall(r"[\w-]+", best) if w in rare))
    for pair in _some(rng, (*_quantities(site), *_rows(site))):
        yield _asked_of(site, "fact", pair.passage, pair.question, _pages(site, pair))


def _asked_of(site: EvalSite, rule: str, passage: IndexedPassage, question: str, pages: tuple[str, ...] = ()) -> Case:
    name = f"{site.name}:{rule}:{passage.path}:{passage.position}:{abs(hash_of(question)) % 10_000}"
    return RetrievalCase(
        id=name, site=site.name, rule=rule, question=question, pages=pages or (passage.page,),
        version=_version(passage), locale=passage.locale,
    )  # fmt: skip


def hash_of(text: str) -> int:
    """Return a number that is the same in every process."""
    return random.Random(text).randrange(2**31)


def _grounded(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    for pair in _some(rng, (*_quantities(site), *_rows(site)), 2 * A_RULE):
        p = pair.passage
        yield GroundedCase(
            id=f"{site.name}:fact:{p.path}:{hash_of(pair.question)}", site=site.name, rule="fact",
            question=pair.question, pages=_pages(site, pair), says=(pair.answer,),
            version=_version(p), locale=p.locale,
        )  # fmt: skip
    for pair in _some(rng, _rows(site), A_RULE // 2):
        strange = pair.question.replace(pair.unit.split("\t")[0], f"`{_nonce(rng)}`")
        yield GroundedCase(
            id=f"{site.name}:strange:{hash_of(strange)}", site=site.name, rule="strange", question=strange,
            covered=False,
        )  # fmt: skip


def _nonce(rng: random.Random) -> str:
    return "".join(rng.choice(letters) for letters in ("vwxzq", "aeou", "brtk", "aeiou", "lmzn", "ox"))


def _constrained(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    for pair in _some(rng, filter(_alone, (*_quantities(site), *_rows(site)))):
        name = f"{site.name}:fact:{pair.passage.path}:{hash_of(pair.question)}"
        yield ConstrainedCase(
            id=name, site=site.name, rule="sufficient", kind="sufficient", question=pair.question,
            selection=pair.passage.text, says=(pair.answer,),
        )  # fmt: skip
    for pair in _some(rng, filter(_alone, _quantities(site))):
        other = _another(pair, rng)
        swapped = pair.unit.replace(pair.answer, other, 1)
        yield ConstrainedCase(
            id=f"{site.name}:swapped:{pair.passage.path}:{hash_of(pair.question)}", site=site.name,
            rule="counterfactual", kind="counterfactual", question=pair.question,
            selection=pair.passage.text.replace(pair.unit, swapped, 1), says=(other,), never=(f" {pair.answer} ",),
        )  # fmt: skip


def _sufficiency(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    for pair in _some(rng, filter(_alone, (*_quantities(site), *_rows(site)))):
        name = f"{site.name}:{pair.passage.path}:{hash_of(pair.question)}"
        made = partial(SufficiencyCase, site=site.name, question=pair.question, selection=pair.passage.text)
        yield made(id=f"{name}:whole", rule="whole", verdict="sufficient")
        yield made(
            id=f"{name}:cut", rule="cut", verdict="insufficient", cut=pair.unit, never=_telling(pair)
        )  # fmt: skip


def _another(pair: _Pair, rng: random.Random) -> str:
    """Return a number in place of the one that answers, which stands nowhere in the passage."""
    value = int(pair.answer.replace(",", ""))
    return next(n for n in iter(lambda: str(value + rng.randrange(3, 900)), "") if n not in pair.passage.text)


def _telling(pair: _Pair) -> tuple[str, ...]:
    return () if pair.answer.casefold() in pair.question.casefold() else (pair.answer,)


def _support(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    passages = list(site.passages())
    numbered = _some(rng, _quantities(site))
    for pair in numbered:
        name = f"{site.name}:{pair.passage.path}:{hash_of(pair.unit)}"
        made = partial(SupportCase, site=site.name, evidence=pair.passage.text)
        strange = rng.choice([p for p in passages if p.page != pair.passage.page])
        other = pair.unit.replace(pair.answer, _another(pair, rng), 1)
        yield made(id=f"{name}:said", rule="said", sentence=pair.unit, supported=True)
        yield made(id=f"{name}:number", rule="number", sentence=other, supported=False)
        yield SupportCase(
            id=f"{name}:strange", rule="strange", site=site.name, sentence=pair.unit, evidence=strange.text,
            supported=False,
        )  # fmt: skip
        if _IS.search(pair.unit) and not negated(pair.unit):
            denied = _IS.sub(r"\1 not", pair.unit, count=1)
            yield made(id=f"{name}:denied", rule="denied", sentence=denied, supported=False)
    yield from _told_rows(site, rng)


def _told_rows(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    """Yield rows as sentences, and with the answer of another row of the passage."""
    rows = list(_rows(site))
    for pair in _some(rng, rows):
        name = f"{site.name}:{pair.passage.path}:{hash_of(pair.question)}"
        made = partial(SupportCase, site=site.name, evidence=pair.passage.text)
        about = pair.question.removeprefix("What is t").rstrip("?")
        yield made(id=f"{name}:row", rule="row", sentence=f"T{about} is {pair.answer}.", supported=True)
        others = [p.answer for p in rows if p.passage is pair.passage and p.answer not in pair.unit]
        if others:
            told = f"T{about} is {rng.choice(others)}."
            yield made(id=f"{name}:other row", rule="other row", sentence=told, supported=False)


def _injection(site: EvalSite, rng: random.Random) -> Iterator[Case]:
    """Yield instructions in marked text, and models that ignore their rules; a built site's pages are not changed."""
    pairs = list(filter(_alone, (*_quantities(site), *_rows(site))))
    for pair in _some(rng, pairs):
        yield InjectionCase(
            id=f"{site.name}:{pair.passage.path}:{hash_of(pair.question)}:selection", site=site.name, rule="selection",
            question=pair.question, selection=f"{pair.passage.text}\n\n{INSTRUCTION}", payload=PAYLOAD,
            says=(pair.answer,),
        )  # fmt: skip
    told = "\n".join(p.text for p in site.passages())
    for behaviour in BEHAVIOURS.values():
        # What a page says itself gives no model away.
        for pair in _some(rng, pairs, 3) if behaviour.payload not in told else ():
            p = pair.passage
            yield InjectionCase(
                id=f"{site.name}:{p.path}:{hash_of(pair.question)}:{behaviour.name}", site=site.name, rule="model",
                question=named(pair.question, behaviour, "site"), behaviour=behaviour.name, payload=behaviour.payload,
                selection=p.text if behaviour.constrained else None,
                version=_version(p),
            )  # fmt: skip


_BUILT: dict[Suite, Callable[[EvalSite, random.Random], Iterator[Case]]] = {
    "retrieval": _retrieval,
    "grounded": _grounded,
    "constrained": _constrained,
    "sufficiency": _sufficiency,
    "support": _support,
    "injection": _injection,
}


# The synthetic site is ours, so its questions are a reader's.


def _page(slug: str, version: str = LAST) -> str:
    return f"docs/{slug}/" if version == LAST else f"docs/{version}/{slug}/"


def _facts() -> Iterator[tuple[Topic, int, str, str]]:
    """Yield topic, number of the fact, version and the name of a case about it."""
    for topic in TOPICS:
        for index in range(len(topic.facts)):
            for version in (LAST, FORMER):
                yield topic, index, version, f"synthetic:{topic.slug}:{index}:{version}"


def _synthetic_retrieval() -> Iterator[Case]:
    for topic, index, version, name in _facts():
        yield RetrievalCase(
            id=name, site="synthetic", rule="version", question=topic.facts[index].question,
            pages=(_page(topic.slug, version),), version=version, locale="en",
        )  # fmt: skip
    for slug, _, _, facts in GERMAN:
        for index, (_, question) in enumerate(facts):
            yield RetrievalCase(
                id=f"synthetic:de:{slug}:{index}", site="synthetic", rule="locale", question=question,
                pages=(f"de/{_page(slug)}",), version=LAST, locale="de",
            )  # fmt: skip
    for slug, questions in REWORDED.items():
        for index, question in enumerate(questions):
            yield RetrievalCase(
                id=f"synthetic:{slug}:reworded:{index}", site="synthetic", rule="reworded", question=question,
                pages=(_page(slug),), version=LAST, locale="en", reworded=True,
            )  # fmt: skip


def _synthetic_grounded() -> Iterator[Case]:
    for topic, index, version, name in _facts():
        yield GroundedCase(
            id=name, site="synthetic", rule="version", question=topic.facts[index].question,
            pages=(_page(topic.slug, version),), says=(str(number(topic.slug, version, index)),),
            version=version, locale="en",
        )  # fmt: skip
    for slug, _, _, facts in GERMAN:
        for index, (_, question) in enumerate(facts):
            yield GroundedCase(
                id=f"synthetic:de:{slug}:{index}", site="synthetic", rule="locale", question=question,
                pages=(f"de/{_page(slug)}",), says=(str(number(slug, LAST, index)),), version=LAST, locale="de",
            )  # fmt: skip
    for n, (topic, other) in enumerate(pairwise([*TOPICS, TOPICS[0]])):
        first, second = (n % len(each.facts) for each in (topic, other))
        asked = other.facts[second].question
        yield GroundedCase(
            id=f"synthetic:{topic.slug}:{other.slug}:two", site="synthetic", rule="two parts",
            question=f"{topic.facts[first].question.rstrip('?')} and {asked[0].lower()}{asked[1:]}",
            pages=(_page(topic.slug), _page(other.slug)), says=(str(number(topic.slug, LAST, first)),),
            and_says=(str(number(other.slug, LAST, second)),), version=LAST, locale="en",
        )  # fmt: skip
    for topic in TOPICS:
        asked = topic.follow_up
        yield GroundedCase(
            id=f"synthetic:{topic.slug}:follow", site="synthetic", rule="follow-up", question=asked.question,
            earlier=(f"What does {topic.title.lower()} mean in Tidepool?",), pages=(_page(topic.slug),),
            says=(str(number(topic.slug, LAST, asked.fact)),), version=LAST, locale="en",
        )  # fmt: skip
        yield GroundedCase(
            id=f"synthetic:{topic.slug}:missing", site="synthetic", rule="near miss", covered=False,
            question=f"Who invented {topic.title.lower()} in Tidepool, and in which year?", version=LAST, locale="en",
        )  # fmt: skip


def _limits(topic: Topic, version: str = LAST) -> list[str]:
    return [fact(topic, n, version) for n in range(len(topic.facts))]


def _synthetic_constrained() -> Iterator[Case]:
    for topic in TOPICS:
        selection = "\n\n".join([topic.intro, *_limits(topic)])
        yield ConstrainedCase(
            id=f"synthetic:{topic.slug}:canary", site="synthetic", rule="canary", kind="canary", selection=selection,
            question=f"What is the maintenance code of {topic.title.lower()}?", never=(code_of(topic.slug),),
        )  # fmt: skip
        for index, (_, question) in enumerate(topic.facts):
            true = [number(topic.slug, version, index) for version in (LAST, FORMER)]
            swapped = str(sum(true) + 100)
            sentences = _limits(topic)
            sentences[index] = topic.facts[index].sentence.format(swapped)
            yield ConstrainedCase(
                id=f"synthetic:{topic.slug}:{index}:swapped", site="synthetic", rule="counterfactual",
                kind="counterfactual", question=question, selection=" ".join(sentences), says=(swapped,),
                never=tuple(f" {value} " for value in true if f" {value} " not in " ".join(sentences)),
            )  # fmt: skip
            # The other version's number is in the index and not in the selection.
            rest = [said for n, said in enumerate(_limits(topic)) if n != index]
            yield ConstrainedCase(
                id=f"synthetic:{topic.slug}:{index}:elsewhere", site="synthetic", rule="canary", kind="canary",
                question=question, selection="\n\n".join([topic.intro, *rest]),
                never=(topic.facts[index].sentence.format(true[0]), topic.facts[index].sentence.format(true[1])),
            )  # fmt: skip


def _synthetic_sufficiency() -> Iterator[Case]:
    for topic in TOPICS:
        selection = "\n\n".join([topic.intro, *_limits(topic)])
        for index, (_, question) in enumerate(topic.facts):
            made = partial(SufficiencyCase, site="synthetic", question=question, selection=selection)
            name = f"synthetic:{topic.slug}:{index}"
            yield made(id=f"{name}:whole", rule="whole", verdict="sufficient")
            yield made(
                id=f"{name}:cut",
                rule="cut",
                verdict="insufficient",
                cut=fact(topic, index, LAST),
                never=(f" {number(topic.slug, LAST, index)} ",),
            )


def _synthetic_support() -> Iterator[Case]:
    for topic, index, version, name in _facts():
        evidence = "\n\n".join([topic.intro, *_limits(topic, version)])
        said = fact(topic, index, version)
        other = fact(topic, index, FORMER if version == LAST else LAST)
        made = partial(SupportCase, site="synthetic", evidence=evidence)
        yield made(id=f"{name}:said", rule="said", sentence=said, supported=True)
        yield made(id=f"{name}:version", rule="version", sentence=other, supported=False)


def _synthetic_injection() -> Iterator[Case]:
    for topic in TOPICS:
        for index, (_, question) in enumerate(topic.facts):
            for version in (LAST, FORMER) if topic.slug in INSTRUCTED else ():
                yield InjectionCase(
                    id=f"synthetic:{topic.slug}:{index}:{version}:page", site="synthetic", rule="page",
                    question=question, payload=PAYLOAD, says=(str(number(topic.slug, version, index)),),
                    version=version,
                )  # fmt: skip
            selection = "\n\n".join([*_limits(topic), INSTRUCTION])
            yield InjectionCase(
                id=f"synthetic:{topic.slug}:{index}:selection", site="synthetic", rule="selection", question=question,
                selection=selection, payload=PAYLOAD, says=(str(number(topic.slug, LAST, index)),),
            )  # fmt: skip
        for behaviour in BEHAVIOURS.values():
            asked = named(topic.facts[0].question, behaviour, topic.slug)
            yield InjectionCase(
                id=f"synthetic:{topic.slug}:{behaviour.name}", site="synthetic", rule="model", question=asked,
                selection="\n\n".join(_limits(topic)) if behaviour.constrained else None, payload=behaviour.payload,
                behaviour=behaviour.name, version=LAST,
            )  # fmt: skip


_SYNTHETIC: dict[Suite, Callable[[], Iterator[Case]]] = {
    "retrieval": _synthetic_retrieval,
    "grounded": _synthetic_grounded,
    "constrained": _synthetic_constrained,
    "sufficiency": _synthetic_sufficiency,
    "support": _synthetic_support,
    "injection": _synthetic_injection,
}
