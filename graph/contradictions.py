"""Finds what shared words cannot show: that evidence denies a sentence, or says its parts of something else.

Each rule is narrow. It speaks only where both texts are plain about the same thing, and stays silent otherwise.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby

from graph.notation import quantities
from graph.support_features import read, strange_names, strange_numbers
from graph.terms import (
    affirmed,
    content_terms,
    is_content,
    negated,
    plain_words,
    spelled_numbers,
    stem,
    words,
    written_out,
)
from graph.units import quotable

_CLAUSE = re.compile(r"[,;:()\n]+|[.!?](?=\s|$)|\b(?:and|but|while|whereas|und|aber|während)\b")
_WITHOUT = re.compile(r"\b(?:without|ohne)\b", re.IGNORECASE)
_OR_NOT = re.compile(r"\b(?:or|oder) (?:not|nicht)\b", re.IGNORECASE)
_AGENT = re.compile(r"\b(?:by|from|than|von|vom|durch|als)\b", re.IGNORECASE)
_CODE = re.compile(r"`([^`\n]+)`")
_IDENTIFIER = re.compile(r"\w+(?:_\w+)+")

_ROW = "\t"
_ABSENT = re.compile(r"(?:unset|none|false|nothing|no|nein|kein\w*|nichts|-|–)?\.?", re.IGNORECASE)
"""Cells that say there is nothing: a sentence puts that as a denial ("has no default")."""
_EVERY = frozenset("both all any beide alle".split())
"""Cells that stand for whatever other rows have in their column."""
_DENIED_BEFORE = re.compile(r"\b(?:not?|kein\w*|nicht|unset)\b[^,;]{0,12}$|\bunlike\b[^,;]*$", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_TURNED_OFF = frozenset({"0", "unset"})
_DEFAULT = re.compile(r"default|standard|vorein", re.IGNORECASE)

_OPPOSITES = tuple(
    frozenset(group.split())
    for group in """
    enabled disabled; enable disable; enables disables; before after; minimum maximum; higher lower; allowed forbidden;
    allow forbid; allows forbids; required optional; mandatory optional; true false; always never; increases decreases;
    inside outside; earliest latest; newest oldest; smallest largest; ascending descending; synchronous asynchronous;
    public private; internal external; on off; at-least at-most; hourly daily weekly monthly yearly; per-second
    per-minute per-hour per-day per-week per-month per-year; aktiviert deaktiviert; mindestens höchstens; immer nie;
    stündlich täglich wöchentlich monatlich jährlich; an aus
    """.split(";")
)
"""Words of which a sentence that says one does not mean another; `at-least`, `per-day`, `on` and `an` as `_telling`
finds them. Far fewer than the opposites of `graph.sufficiency_features`: those only lower a chance, these mark."""

_TELLING = re.compile(
    r"\b(?:(?P<bound>at (?:least|most))|(?P<rate>per (?:second|minute|hour|day|week|month|year))"
    r"|(?:is|are|be|turned|switched|ist|sind) (?P<state>on|off|an|aus)(?=\W*$|[.,;:])"
    r"|(?!(?:on|off|an|aus)\b)(?P<word>\w+))",
    re.IGNORECASE,
)
_SIGNED = re.compile(r"(?<![\w.-])(-?)(\d+(?:[.,]\d+)*)(?![\w-])")

RESTATED = 0.6
"""Share of a sentence's terms in one sentence of the evidence from which it restates that one, if that has not many
more. In paraphrases further off a "not" on one side only tells nothing: near half of them people found supported."""

_OWN = 0.3
"""Share of the evidence's sentence that its restatement must hold; a long one denies many other things."""


def contradicts(sentence: str, evidence: str) -> bool:
    """Tell whether a sentence restates one of `evidence` with another number, name, unit or order, or with a denial.

    Only one sentence is compared: several in a row may deny this and count that.
    """
    if not is_single(sentence):
        return False
    nearest = _nearest(sentence, evidence)
    return takes_a_cell_of_another_row(sentence, evidence) or (
        _restates(sentence, nearest)
        and (
            bool(strange_numbers(sentence, evidence))
            or bool(strange_names(sentence, evidence))
            or counts_otherwise(sentence, evidence)
            or strange_code(sentence, evidence)
            or _denies_otherwise(sentence, nearest)
            or has_another_unit(sentence, evidence)
            or opposes(sentence, nearest)
            or has_another_sign(sentence, evidence)
            or takes_a_number_of_something_else(sentence, evidence)
            or swaps(sentence, nearest)
        )
    )


def is_single(text: str) -> bool:
    """Tell whether `text` is one sentence."""
    return len(_sentences(text)) <= 1


def has_another_unit(sentence: str, evidence: str) -> bool:
    """Tell whether a quantity of `sentence` stands in `evidence` in other units only (`30 s` for `30 minutes`)."""
    known = _quantities(evidence)
    return any(
        unit not in units
        for number, said in _quantities(sentence).items()
        if (units := known.get(number))
        for unit in said
    )


@lru_cache(maxsize=2_048)
def _quantities(text: str) -> dict[str, set[str]]:
    """Return the known units each number of `text` stands with."""
    found: dict[str, set[str]] = {}
    for number, unit in quantities(text):
        found.setdefault(number.replace(",", ""), set()).add(unit)
    return found


def opposes(sentence: str, nearest: str) -> bool:
    """Tell whether `sentence` says a word and `nearest` its opposite (`per second` for `per minute`), neither both."""
    said, known = _telling(sentence), _telling(nearest)
    return any(said & group and known & group and not said & known & group for group in _OPPOSITES)


@lru_cache(maxsize=2_048)
def _telling(text: str) -> frozenset[str]:
    """Return the words of `text`, bounds and rates as one word each, `on` and `off` only where they are a state."""
    found = (match[match.lastgroup or 0].casefold() for match in _TELLING.finditer(text))
    return frozenset("-".join(words.split()) for words in found)


def has_another_sign(sentence: str, evidence: str) -> bool:
    """Tell whether a number of `sentence` stands in `evidence` with the other sign only (`-1` for `1`)."""
    known = _signs(evidence)
    return any(signs.isdisjoint(known.get(number, signs)) for number, signs in _signs(sentence).items())


@lru_cache(maxsize=2_048)
def _signs(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sign, number in _SIGNED.findall(text):
        found.setdefault(number, set()).add(sign)
    return found


def takes_a_number_of_something_else(sentence: str, evidence: str) -> bool:
    """Tell whether a number of `sentence` belongs to a rival of what the sentence speaks of.

    "Plan A allows 5 users, plan B allows 10" speaks against "Plan A allows 10": the clause of 10 is built like that of
    A, but names B in its place and another number stands with A. It does not speak against "Plan A allows 5 users".
    """
    clauses = _clauses(evidence)
    for forms in read(sentence).numbers:
        about = frozenset[str]().union(*(clause for clause in _clauses(sentence) if clause & forms)) - forms
        with_it = [clause for clause in clauses if clause & forms]
        elsewhere = about - frozenset[str]().union(*with_it)
        if with_it and elsewhere and all(_rivals(clause, clauses, about, elsewhere, forms) for clause in with_it):
            return True
    return False


def _rivals(
    clause: frozenset[str],
    clauses: Sequence[frozenset[str]],
    about: frozenset[str],
    elsewhere: frozenset[str],
    forms: frozenset[str],
) -> bool:
    """Tell whether another clause with another number holds what `clause` lacks, built like it or saying it all."""
    strange = {term for term in clause - about - forms - {_ROW} if not term.isdigit()}
    return bool(strange) and any(
        other & elsewhere
        and not other & forms
        and any(term.isdigit() for term in other)
        and (other & clause & (about | {_ROW}) or other >= about)
        for other in clauses
    )


def takes_a_cell_of_another_row(sentence: str, evidence: str) -> bool:
    """Tell whether a sentence about a row of a table says what stands in a column of another row, and not of its own.

    "Team has 15 pages" where the table has 100 for Team, and 15 for Free.
    """
    sentence = _THOUSANDS.sub("", sentence)
    tables = [(rows, [row for row in rows if _stands(row[0], sentence)]) for rows in _tables(evidence)]
    cells = {cell for _, named in tables for row in named for cell in row}
    return any(
        _stands(theirs, sentence)
        and not _stands(own, sentence)
        and own.casefold() not in _EVERY
        and not any(_stands(theirs, cell) for cell in cells)
        and _claims(theirs, sentence)
        for rows, named in tables
        if len(named) == 1
        for other in rows
        for own, theirs in list(zip(named[0], other, strict=False))[1:]
    )


def _claims(cell: str, sentence: str) -> bool:
    """Tell whether a sentence that holds the words of a cell claims them: it does not deny them, nor does it say what
    happens when something is 0 or unset."""
    is_condition = cell in _TURNED_OFF and not _DEFAULT.search(sentence)
    return bool(content_terms(cell)) and not is_condition and not _is_denied(cell, sentence)


def _is_denied(words: str, sentence: str) -> bool:
    """Tell whether a sentence denies the words just before it says them."""
    return bool(_DENIED_BEFORE.search(sentence[: sentence.casefold().find(words.casefold())].rstrip()))


@lru_cache(maxsize=2_048)
def _tables(text: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Return the tables of a text: the cells of each of their rows but the first, which names the columns."""
    lines = [tuple(cell.strip() for cell in line.split(_ROW)) for line in _THOUSANDS.sub("", text).split("\n")]
    runs = ([*run] for is_row, run in groupby(lines, lambda cells: len(cells) > 1) if is_row)
    return tuple(tuple(rows[1:]) for rows in runs)


def _stands(words: str, text: str) -> bool:
    """Tell whether words stand in a text, not as a part of others; of several in whatever form ("deletes a thread")."""
    if " " in words and f" {_stems(words)} " in f" {_stems(text)} ":
        return True
    if not words or words.casefold() not in text.casefold():
        return False
    return bool(re.search(rf"(?<![\w-])(?<!\d[.,]){re.escape(words)}(?![\w-]|[.,]\d)", text, re.IGNORECASE))


@lru_cache(maxsize=2_048)
def _stems(text: str) -> str:
    return " ".join(map(stem, plain_words(text)))


@lru_cache(maxsize=2_048)
def _clauses(text: str) -> tuple[frozenset[str], ...]:
    """Return the terms of each clause; rows of a table, which are built alike, also hold a tab."""
    return tuple(
        terms | {_ROW} if _ROW in part else terms
        for part in _CLAUSE.split(written_out(text))
        if (terms := frozenset(stem(word) for word in plain_words(part) if is_content(word)))
    )


def counts_otherwise(sentence: str, evidence: str) -> bool:
    """Tell whether `sentence` spells a number that does not stand in `evidence`, of what `evidence` counts otherwise.

    Of numbers below ten only these are told: "the two methods" need not be counted in the text.
    """
    counted = {noun for _, noun in _counts(evidence)}
    spelled = spelled_numbers(sentence) - read(evidence).known_numbers
    return any(number in spelled and noun in counted for number, noun in _counts(sentence))


@lru_cache(maxsize=2_048)
def _counts(text: str) -> frozenset[tuple[str, str]]:
    """Return each number with each of the two words behind it: `3 working days` counts days."""
    said = read(text).words
    return frozenset(
        (number, noun) for at, number in enumerate(said) if number.isdigit() for noun in said[at + 1 : at + 3]
    )


def strange_code(sentence: str, evidence: str) -> bool:
    """Tell whether `sentence` has code with a word that does not stand in `evidence`."""
    code = {word.casefold() for span in _CODE.findall(sentence) for word in words(span)}
    return bool(code) and not code <= {word.casefold() for word in words(evidence)}


def swaps(sentence: str, nearest: str) -> bool:
    """Tell whether two names change places around the same word (`Ann pays Bob` for `Bob pays Ann`).

    Sentences that turn the order themselves, as a passive does, are left alone.
    """
    if _AGENT.search(sentence) or _AGENT.search(nearest):
        return False
    said, known = _places(sentence), _places(nearest)
    shared = [term for term in said if term in known]
    capital = {stem(word) for word in plain_words(sentence) if word[:1].isupper()}
    names = [term for term in shared if term in capital]
    return any(
        said[first] < said[middle] < said[second] and known[second] < known[middle] < known[first]
        for first in names
        for second in names
        for middle in shared
        if middle not in capital
    )


def _places(text: str) -> dict[str, int]:
    """Return where each term stands that stands in `text` once."""
    terms = [stem(word) for word in plain_words(text) if is_content(word)]
    return {term: at for at, term in enumerate(terms) if terms.count(term) == 1}


def _nearest(sentence: str, text: str) -> str:
    """Return the sentence of `text` that shares the most terms: a "not" elsewhere in it denies nothing here."""
    terms = content_terms(sentence)
    return max(_sentences(text), key=lambda words: len(terms & content_terms(words)), default="")


def _denies(text: str, other: str) -> bool:
    """Tell whether `text` denies something that `other` speaks of: half of the terms of the clause that denies.

    What it goes on without is denied when `other` speaks of any of it. "Or not" denies nothing, and a cell of a table
    no other cell: `other` must speak of it, and not only of what the row is about. So a bare "no" there denies nothing.
    """
    about, *cells = text.split(_ROW)
    known = content_terms(other)
    if not cells:
        return _denied_in(about, known)
    return any(_denied_in(cell, known - content_terms(about), by_bare_words=False) for cell in cells)


def _denies_otherwise(sentence: str, nearest: str) -> bool:
    """Tell whether only one of both denies; a sentence may say what a cell of its row denies, or that there is none."""
    if not _denies(sentence, nearest):
        return _denies(nearest, sentence)
    if _denies(nearest, sentence):
        return False
    known = content_terms(sentence)
    cells = nearest.split(_ROW)[1:]
    return any(_stands(cell, sentence) and _is_denied(cell, sentence) for cell in cells) or not any(
        _ABSENT.fullmatch(cell.strip()) or _denied_in(cell, known, by_bare_words=False) for cell in cells
    )


def _denied_in(text: str, known: frozenset[str], *, by_bare_words: bool = True) -> bool:
    head, *without = _WITHOUT.split(_OR_NOT.sub("", text), maxsplit=1)
    return any(
        negated(_IDENTIFIER.sub("", clause)) and 2 * len(terms & known) >= len(terms) and (terms or by_bare_words)
        for clause in _CLAUSE.split(head)
        for terms in [content_terms(affirmed(clause))]
    ) or any(negated(rest) or not content_terms(rest).isdisjoint(known) for rest in without)


def _restates(sentence: str, nearest: str) -> bool:
    terms, known = read(sentence).vocabulary, read(nearest).vocabulary
    shared = len(terms & known)
    return shared > 0 and shared >= RESTATED * len(terms) and shared >= _OWN * len(known)


@lru_cache(maxsize=2_048)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(text[unit.start : unit.end] for unit in quotable(text))
