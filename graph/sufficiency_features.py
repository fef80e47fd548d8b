"""Measures how the words of a text meet those of a question: the features from which `graph.sufficiency` judges."""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from graph.missing import asked_kind
from graph.notation import MOMENTS, NUMBER_WORDS, RHYTHMS
from graph.ports import MissingKind
from graph.terms import HOW_MUCH, STOP_WORDS, composed, content_terms, negated, stem, tongues
from graph.units import Unit, quotable

Sort = Literal["name", "number", "plain", "common"]

WEIGHTS: Mapping[Sort, float] = {"name": 1.0, "number": 1.0, "plain": 1.0, "common": 0.4}
"""How much a term of each sort counts: a text that answers may well put a common word otherwise."""

_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?|\w")
_ASKING = re.compile(rf"\b(?:{HOW_MUCH}|(?:which|what) (?:command|flag|option|function|snippet))\b", re.IGNORECASE)
_BRITISH = re.compile(r"is(?=(?:e|ed|es|ing|ation|ations|er|ers)$)")
_UMLAUTS = str.maketrans("äöü", "aou")
_IRREGULAR = """
    begin began begun; break broke broken; bring brought; build built; buy bought; catch caught; choose chose chosen;
    come came; do did done; draw drew drawn; drive drove driven; fall fell fallen; feel felt; fight fought; find found;
    fly flew flown; forget forgot; freeze froze frozen; get got gotten; give gave given; go went gone; grow grew grown;
    hide hid hidden; hold held; keep kept; know knew known; lead led; leave left; lose lost; make made; mean meant;
    meet met; pay paid; rise rose risen; run ran; say said; see saw seen; sell sold; send sent; shoot shot;
    show shown; sit sat; speak spoke spoken; spend spent; stand stood; steal stole; stick stuck; take took taken;
    teach taught; tell told; think thought; throw threw thrown; understand understood; wear wore worn; win won;
    write wrote written; bind bound; die dead death; bear born birth
"""
_COMMON_WORDS = """
    kind type sort name call happen occur take place year date time number amount percent percentage person people
    group country city area part way thing something term word example main primary purpose reason cause effect find
    give know make come go become begin start end locate consider see another upon along due refer include contain
    describe role result new many different various set get provide allow let need want able possible value common
    usual often typical normal general origin serve play major deal help try title form month day world else specific
    certain particular current size meaning definition
"""
_OPPOSITES = """
    before after; first last second third fourth fifth; high low; higher lower; highest lowest; large small big little;
    larger smaller; largest smallest; more less fewer; most least; increase decrease; rise fall; begin start end stop
    finish; open close; north south east west; northern southern eastern western; good bad; best worst; better worse;
    same different; public private; early late; earlier later; earliest latest; old new young; older newer younger;
    oldest newest youngest; rich poor; weak strong; weaker stronger; true false; allow forbid; enable disable;
    enabled disabled; add remove; accept reject; include exclude; internal external; above below; always never; easy
    difficult hard; hot cold; fast slow; faster slower; fastest slowest; deep shallow; formal informal; direct
    indirect; major minor; majority minority; maximum minimum; max min; win lose; success failure; import export;
    client server; read write; input output; upper lower; left right; inside outside; male female; men women; husband
    wife; king queen; father mother son daughter brother sister; long short; longer shorter; longest shortest; raise
    lower; support oppose; create destroy; birth death; buy sell; agree disagree; prevent cause; gain loss; profit
    loss; positive negative; enter exit; single multiple; attract repel; full empty; wide narrow; thick thin; heavy
    light; ancient modern; permanent temporary; natural artificial; simple complex; active passive; constant variable;
    dry wet; expand collapse; rare common; often rarely; many few; synchronous asynchronous; required optional; local
    remote global; mutable immutable; show hide; push pull; upload download; install uninstall; connect disconnect;
    encrypt decrypt; lock unlock; valid invalid; primary secondary; offense defense; urban rural; senior junior;
    victory defeat; visible invisible; superior inferior; solid liquid gas; static dynamic; free paid; alpha beta
    stable; development production staging; one two three four five six seven eight nine ten; hundred thousand million
    billion; january february march april may june july august september october november december; monday tuesday
    wednesday thursday friday saturday sunday; linux macos windows android ios; npm yarn pnpm; get post put patch
    delete; javascript typescript python java rust ruby php; hourly daily weekly monthly yearly; second minute hour
    day week month year decade century; red green blue yellow black white; all some none
"""
_NEGATING = ("non", "un", "in", "ab", "dis", "im", "ir", "anti")
_NON = re.compile(r"\bnon[- ]", re.IGNORECASE)

_PERIODS = RHYTHMS | frozenset(
    """night second seconds minute minutes hour hours day days week weeks month months year years decade sekunde
    sekunden minuten stunde stunden tag tage tagen woche wochen monat monate monaten jahr jahre jahren""".split()
)
_FREQUENCIES = _PERIODS | {"once", "twice", "times", "einmal", "zweimal", "mal", "nacht"}
_AMOUNT = re.compile(r"\b(?:an?|one|half an?) (?:second|minute|hour|day|week|month|year)\b", re.IGNORECASE)
_TIME_WORDS = _PERIODS | MOMENTS | {"every"}
_OCCASION = re.compile(
    r"\b(?:(?:at|on|upon|by|until) (?:the (?:beginning|start|end)|(?:each |every |the (?:first|next|last) )?"
    r"(?:start|startup|boot|shutdown|exit|launch|login|logout|sign-?in|sign-?out|import|install(?:ation)?|build|release"
    r"|request|demand|midnight|noon|weekends?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?))"
    r"|whenever|as soon as|beim|um mitternacht|am (?:anfang|ende|\w+tag)|falls)\b",
    re.IGNORECASE,
)
"""Tells when something happens by what happens then."""

_WITHOUT_DIGITS = re.compile(
    r"\b(?:forever|(?:for|is|are) free|kostenlos|gratis|umsonst|unbefristet|für immer)\b",
    re.IGNORECASE,
)
"""Tells how much or how long in no number."""

_NUMBER_WORDS = NUMBER_WORDS | frozenset("one no single ein eine eins keine kein".split())
_CODE = re.compile(
    r"[(){}=<>$`_/\\]|--?\w|\b(?:run|type|call|execute|invoke)s? (?!the\b|an?\b|it\b|this\b)\w", re.IGNORECASE
)
_FOCUS = re.compile(r"\b(?:how (?:many|much)|wie ?viele?[nr]?)\s+([^\W\d_]+)", re.IGNORECASE)
_QUESTION_WORDS = frozenset("wann wohin woher wem wen wessen weshalb worin wonach wieviel wieviele".split())
_NAMES_ITS_KIND = frozenset("what which welche welcher welches welchen welchem".split())
_WANTS_NUMBER = re.compile(
    rf"\b(?:{HOW_MUCH})\b"
    r"|^\W*(?:what|was) (?:is|are|was|ist) (?:the|der|die|das) (?:\w+ )?"
    r"(?:maximum|minimum|percentage|number|limit|size|price|cost|port|timeout|preis|anzahl|größe)\b",
    re.IGNORECASE,
)
_WANTS_CODE = re.compile(
    r"\b(?:which|what) (?:command|flag|option|function|snippet)\b|\bwelcher befehl\b", re.IGNORECASE
)
_HOW_OFTEN = re.compile(r"\b(?:how often|how frequently|wie oft)\b", re.IGNORECASE)

_SUBJECT = 2
"""A name in more sentences than this is what the whole text is about, and need not stand in each."""

_MOST_TERMS = 40
"""Of a longer question the rest is not read: it is pasted text."""

_LONGEST = 200
"""Tokens up to which the length of a sentence is counted; code blocks are longer, and no worse for it."""


class Features(NamedTuple):
    """What a judgement rests on; shares are from 0 to 1 and weighted by `WEIGHTS`."""

    unmet_near: float
    """Of the question, what the best place lacks: a term said n times there counts 1 / (1 + n)."""
    unmet: float
    """The same over the whole text."""
    name_elsewhere: float
    """Names of the question, at most two, that stand in one or two sentences, but not in the best: said of another."""
    other_number: float
    """1 when the question has a number that the best sentence lacks, and that one has another."""
    conflict: float
    """1 when the best sentence has the opposite, or another of its kind, of a word of the question."""
    denied: float
    """1 when the question denies and the best sentence does not."""
    length: float
    """ln(1 + tokens) of the best sentence: a long one holds words by chance."""
    near: float
    """1 / distance in tokens of the fact asked for (a number, a time, a name) to the nearest term of the question."""
    counted: float
    """Of "how many pages": 1 when a number stands before "pages", -1 when none does, 0 of other questions."""
    last_unmet: float
    """1 when the best sentence lacks the question's last word with a meaning: what is asked of the subject."""
    absent: float
    """1 when the question asks for a number, a time or code, and there is none."""


class Measured(NamedTuple):
    """The features of a question and a text, and where the text meets the question.

    `best` are the units that meet it, in the order of the text, and `share` is how much of the question they meet;
    `here` are the question's words met there, `anywhere` those met in the whole text, both as
    `graph.terms.content_terms`.
    """

    features: Features
    best: tuple[Unit, ...]
    share: float
    here: frozenset[str]
    anywhere: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Question:
    """A question's tokens as (word, normal form), and the sort of each form that carries meaning.

    `shows` is what an answer must have on its surface, if anything.
    """

    text: str
    kind: MissingKind
    shows: Literal["period", "number", "time", "code"] | None
    tokens: tuple[tuple[str, str], ...]
    sorts: Mapping[str, Sort]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A unit of the text: its words, their normal forms, and those it may be read with (of a row, its header's)."""

    unit: Unit
    text: str
    words: list[str]
    forms: list[str]
    known: set[str]


@lru_cache(maxsize=50_000)
def normal(word: str) -> str:
    """Return the form by which words are compared: stemmed, irregular forms and British spellings resolved."""
    folded = word.casefold().replace("’", "'").removesuffix("'s").translate(_UMLAUTS)
    if len(folded) > 6:
        folded = _BRITISH.sub("iz", folded)
    stemmed = stem(folded)
    return _BASE_FORMS.get(stemmed, stemmed)


def _groups(table: str) -> list[list[str]]:
    return [group.split() for group in table.split(";")]


_BASE_FORMS: dict[str, str] = {}
_BASE_FORMS.update({stem(form): stem(forms[0]) for forms in _groups(_IRREGULAR) for form in forms})
_COMMON = frozenset(normal(word) for word in _COMMON_WORDS.split())
_OPPOSED: dict[str, set[str]] = {}
for _group in _groups(_OPPOSITES):
    for _word in _group:
        _OPPOSED.setdefault(normal(_word), set()).update(map(normal, _group))


def measure(question: str, sentences: Sequence[Sentence]) -> Measured:
    """Compare a question with the sentences of a text, in time linear in the length of the text."""
    asked = _read_question(question)
    if not asked.sorts or not sentences:
        return Measured(_NOTHING, (), 0.0, frozenset(), frozenset())
    vocabulary = set[str]().union(*(s.known for s in sentences))
    alike = {term: _alike(term, sort, vocabulary) for term, sort in asked.sorts.items()}
    met = frozenset[str]().union(*alike.values())
    hits = [{term for form in met & s.known for term in asked.sorts if form in alike[term]} for s in sentences]
    times = Counter(term for here in hits for term in here)
    at = _best(asked, sentences, hits, met)
    place = range(max(0, at - 1), min(len(hits), at + 2))
    best = sentences[at]
    used = _used(at, place, hits, sentences)
    features = Features(
        unmet_near=_unmet(asked.sorts, Counter(term for i in place for term in hits[i])),
        unmet=_unmet(asked.sorts, times),
        name_elsewhere=_elsewhere(asked.sorts, times, hits[at]),
        other_number=float(_other_number(asked, best)),
        conflict=float(asked.kind != "yes_no" and _conflict(asked, best)),
        denied=float(asked.kind != "yes_no" and negated(question) and not negated(best.text)),
        length=math.log(1 + min(len(best.words), _LONGEST)),
        near=_nearness(_facts(asked, best, met), best, met),
        counted=_counted(asked, [sentences[i] for i in place]),
        last_unmet=float(_last(asked) not in hits[at]),
        absent=float(not any(_gives(asked, sentences[i], met) for i in used)),
    )
    here, anywhere = (_words_met(asked, [hits[i] for i in those]) for those in (used, range(len(hits))))
    there = set[str]().union(*(hits[i] for i in used))
    share = sum(WEIGHTS[asked.sorts[term]] for term in there) / sum(WEIGHTS[sort] for sort in asked.sorts.values())
    return Measured(features, tuple(sentences[i].unit for i in used), share, here, anywhere)


_NOTHING = Features(1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0)


def _read_question(question: str) -> _Question:
    words = _TOKEN.findall(_ASKING.sub(" ", composed(question)))
    german = tongues(question) == {"de"}  # where every noun is capitalised
    tokens = tuple((word, normal(word)) for word in words)
    sorts: dict[str, Sort] = {}
    for at, (word, form) in enumerate(tokens):
        is_letter = len(word) == 1 and word.isascii() and not word.isdigit()
        if is_letter or word.casefold() in STOP_WORDS or word.casefold() in _QUESTION_WORDS:
            continue
        sort = _sort(word, form, begins=at == 0, german=german)
        if sort == "plain" and at and words[at - 1].casefold() in _NAMES_ITS_KIND:
            sort = "common"  # "Which command ...": the text gives one and need not call it so
        sorts.setdefault(form, sort)
        if len(sorts) == _MOST_TERMS:
            break
    kind = asked_kind(question)
    return _Question(question, kind, _shows(question, kind), tokens, sorts)


def _shows(question: str, kind: MissingKind) -> Literal["period", "number", "time", "code"] | None:
    if _HOW_OFTEN.search(question):
        return "period"
    if kind == "number" and _WANTS_NUMBER.search(question):
        return "number"
    if kind == "code" and _WANTS_CODE.search(question):
        return "code"
    return "time" if kind == "time" else None


def _sort(word: str, form: str, *, begins: bool, german: bool) -> Sort:
    if word[0].isdigit():
        return "number"
    if any(c.isupper() for c in word[1:]) or (word[0].isupper() and not begins and not german):
        return "name"
    return "common" if form in _COMMON else "plain"


def read(text: str) -> list[Sentence]:
    """Read the quotable units of a text; a row of a table is read with the header above it."""
    found: list[Sentence] = []
    header: set[str] = set()
    table = -1
    for unit in quotable(text):
        said = text[unit.start : unit.end]
        words = _TOKEN.findall(composed(said))
        forms = [normal(word) for word in words]
        known = set(forms)
        if unit.kind == "row":
            if unit.block != table:
                table, header = unit.block, known
            else:
                known = known | header
        found.append(Sentence(unit, said, words, forms, known))
    return found


def _alike(term: str, sort: Sort, vocabulary: set[str]) -> set[str]:
    """Return the forms of a text that are the term, or else other words of its family (`create`, `creation`).

    A name has no family: `ESLintUtils` is not `ESLint`.
    """
    if term in vocabulary:
        return {term}
    return set() if sort == "name" else {form for form in vocabulary if _is_family(term, form)}


def _is_family(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    root = short[: max(4, math.ceil(len(short) * 0.7))]
    return len(short) >= 5 and len(long) - len(short) <= 5 and long.startswith(root)


def _unmet(sorts: Mapping[str, Sort], times: Mapping[str, int]) -> float:
    lacking = sum(WEIGHTS[sort] / (1 + times.get(term, 0)) for term, sort in sorts.items())
    return lacking / sum(WEIGHTS[sort] for sort in sorts.values())


def _best(asked: _Question, sentences: Sequence[Sentence], hits: Sequence[set[str]], met: frozenset[str]) -> int:
    """Return the sentence around which the terms are met best: a term counts half for each sentence it is away.

    Of those that are as good, the first that may give the fact.
    """
    scores = [0.0] * len(hits)
    for term in set[str]().union(*hits):
        weight = WEIGHTS[asked.sorts[term]]
        there = [weight * (term in here) for here in hits]
        for i in range(1, len(hits)):
            there[i] = max(there[i], there[i - 1] / 2)
        for i in range(len(hits) - 2, -1, -1):
            there[i] = max(there[i], there[i + 1] / 2)
        scores = [score + value for score, value in zip(scores, there, strict=True)]
    top = max(scores)
    equal = [i for i, score in enumerate(scores) if score == top]
    return next((i for i in equal if _gives(asked, sentences[i], met)), equal[0])


def _used(at: int, place: range, hits: Sequence[set[str]], sentences: Sequence[Sentence]) -> list[int]:
    """Return the best sentence, those beside it that meet what it does not, and what it leads to with a colon."""
    used = {at, at + 1} if sentences[at].text.endswith(":") and at + 1 < len(sentences) else {at}
    known = set(hits[at])
    for i in place:
        if hits[i] - known:
            used.add(i)
            known |= hits[i]
    return sorted(used)


def _last(asked: _Question) -> str:
    return [form for _, form in asked.tokens if form in asked.sorts][-1]


def _words_met(asked: _Question, hits: Sequence[set[str]]) -> frozenset[str]:
    met = set[str]().union(*hits)
    return content_terms(" ".join(word for word, form in asked.tokens if form in met))


def _elsewhere(sorts: Mapping[str, Sort], times: Mapping[str, int], here: set[str]) -> float:
    names = [term for term, sort in sorts.items() if sort == "name" and term not in here]
    return float(min(2, sum(0 < times.get(name, 0) <= _SUBJECT for name in names)))


def _other_number(asked: _Question, best: Sentence) -> bool:
    wanted = {form for form, sort in asked.sorts.items() if sort == "number"}
    said = {word for word in best.words if word[0].isdigit()}
    return bool(wanted - said) and bool(said - wanted)


def _conflict(asked: _Question, best: Sentence) -> bool:
    """Tell whether a word of the question stands in the best sentence as its opposite."""
    mine = {form for _, form in asked.tokens}
    for form in mine - best.known:
        if (_OPPOSED.get(form, set()) & best.known) - mine:
            return True
        if form in asked.sorts and len(form) > 3 and any(
            (prefix + form in best.known and prefix + form not in mine)
            or (form.startswith(prefix) and len(form) > len(prefix) + 3 and form[len(prefix) :] in best.known - mine)
            for prefix in _NEGATING
        ):  # fmt: skip
            return True
    return bool(_NON.search(asked.text)) != bool(_NON.search(best.text))


def _facts(asked: _Question, sentence: Sentence, met: frozenset[str]) -> list[int]:
    """Return the tokens of a sentence that may be the fact asked for: of its kind, and not those of the question.

    What the question says may still be the answer where the sentence says it again.
    """
    own: list[int] = []
    said: set[str] = set()
    for i, form in enumerate(sentence.forms):
        if form not in met or form in said:
            own.append(i)
        said.add(form)
    words = sentence.words
    match asked.kind:
        case "number":
            return [i for i in own if _is_number(words[i])]
        case "time":
            return [i for i in own if _is_number(words[i]) or words[i].casefold() in _TIME_WORDS]
        case "person" | "place":
            return [i for i in own if words[i][0].isupper() and words[i].casefold() not in STOP_WORDS]
        case _:
            return []


def _is_number(word: str) -> bool:
    return word[0].isdigit() or word.casefold() in _NUMBER_WORDS


def _nearness(facts: Sequence[int], sentence: Sentence, met: frozenset[str]) -> float:
    places = [i for i, form in enumerate(sentence.forms) if form in met]
    nearest = 0.0
    for fact in facts:
        after = bisect_left(places, fact)
        nearest = max([nearest, *(1 / abs(fact - i) for i in places[max(0, after - 1) : after + 2] if i != fact)])
    return nearest


def _counted(asked: _Question, place: Sequence[Sentence]) -> float:
    focus = _FOCUS.search(asked.text)
    if focus is None or focus[1].casefold() in STOP_WORDS:
        return 0.0
    form = normal(focus[1])
    for s in place:
        for i, other in enumerate(s.forms):
            if (other == form or _is_family(form, other)) and any(map(_is_number, s.words[max(0, i - 3) : i])):
                return 1.0
    return -1.0


def _gives(asked: _Question, sentence: Sentence, met: frozenset[str]) -> bool:
    """Tell whether a sentence may hold the fact asked for; only what shows on the surface is refused."""
    match asked.shows:
        case "period":
            told = _OCCASION.search(sentence.text)
            return told is not None or any(word.casefold() in _FREQUENCIES for word in sentence.words)
        case "number":
            shown = _AMOUNT.search(sentence.text) or _WITHOUT_DIGITS.search(sentence.text)
            return bool(_facts(asked, sentence, met)) or shown is not None
        case "time":
            return bool(_facts(asked, sentence, met)) or _OCCASION.search(sentence.text) is not None
        case "code":
            return sentence.unit.kind == "code" or _CODE.search(sentence.text) is not None
        case None:
            return True
