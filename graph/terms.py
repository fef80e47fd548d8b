"""Reads a text as terms: stemmed content words, numbers, and names that must not be invented."""

import re
from functools import lru_cache

from py_rust_stemmers import SnowballStemmer

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|_+")
_COMPOUND = re.compile(r"-{0,2}[\w@$#./:\\-]*\w")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_THOUSANDS = re.compile(r"^\d{1,3}(?:,\d{3})+$")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|cannot|without|neither|nor|nobody|nothing|nicht|keine?[mnrs]?|nie|niemals|ohne|weder)\b|n['’]t\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\b(?:how (?:many|much|long|large|big|often|fast|old|far|high)|wie ?(?:viele?|lange|groß|oft|schnell|alt|hoch))\b",
    re.IGNORECASE,
)

_ENGLISH_WORDS = frozenset(
    """a about after all also am an and any are as at be because been before being between both but by can could did do
    does doing done down during each either few for from further get gets got had has have having he her here hers him
    his how however i if in into is it its itself just let like many may me might more most much must my need needs of
    off on once one only or other our ours out over own please same shall she should so some such than that the their
    theirs them then there these they this those through to too under until up us use used using very via was way we
    were what when where whether which while who whom whose why will with would you your yours
    mean means meant explain say says tell describe summarize summarise summary""".split()
)
_GERMAN_WORDS = frozenset(
    """aber alle als am an auch auf aus bei beim bin bis bist da dann das dass dein dem den der des die dies diese
    dieser dieses doch dort du durch ein eine einem einen einer eines er es für gibt hat habe haben hier hinter ich
    ihr im in ist ja jede jeder jetzt kann können könnte lässt man mein mit muss müssen nach nur ob oder sein seine
    sich sie sind so soll sollte über um und uns unter vom von vor war warum was welche welcher welches wenn wer
    werden wie wieso wird wo wofür worum wurde zu zum zur zwischen bedeutet heißt erkläre sagt""".split()
)

STOP_WORDS = _ENGLISH_WORDS | _GERMAN_WORDS
"""Words that carry no meaning of their own, or that only ask."""

_TONGUES = {"en": _ENGLISH_WORDS - _GERMAN_WORDS, "de": _GERMAN_WORDS - _ENGLISH_WORDS}


_ENGLISH = SnowballStemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the Snowball (English) stem of a word, case folded; other languages are compared by the same rule."""
    folded = word.casefold()
    return _ENGLISH.stem_word(folded) if len(folded) > 3 else folded


def words(text: str) -> list[str]:
    """Return the words of `text` in order, compounds and camelCase taken apart."""
    return [part for token in _TOKEN.findall(text) for part in _CAMEL.split(token) if part.strip("_")]


@lru_cache(maxsize=4_096)
def content_terms(text: str) -> frozenset[str]:
    """Return the stems of the words of `text` that carry meaning: stop words are left out, numbers kept."""
    return frozenset(stem(word) for word in words(text) if word.casefold() not in STOP_WORDS and _matters(word))


def _matters(word: str) -> bool:
    return len(word) > 1 or word.isdigit() or word.isupper() or not word.isascii()


def tongues(text: str) -> set[str]:
    """Return the languages whose small words stand in `text`; none for a language that is not known here."""
    folded = {word.casefold() for word in words(text)}
    return {name for name, small in _TONGUES.items() if small & folded}


def question_terms(question: str) -> frozenset[str]:
    """Return the content terms of a question: what it asks about, without the words that ask (`how many`)."""
    return content_terms(_ASKING.sub(" ", question))


def numbers(text: str) -> set[str]:
    """Return the numbers of `text`, thousands separators removed (`10,000` is `10000`)."""
    return {n.replace(",", "") if _THOUSANDS.match(n) else n for n in _NUMBER.findall(text)}


def names(text: str) -> set[str]:
    """Return what looks like a name, case folded: identifiers, addresses, words capitalised in mid sentence."""
    found: set[str] = set()
    sentence_begins = True
    for match in _COMPOUND.finditer(text):
        token = match[0].rstrip(".:/-")
        is_name = _is_identifier(token) or (token[:1].isupper() and not sentence_begins)
        if token and is_name and not _NUMBER.fullmatch(token):
            found.add(token.casefold())
        sentence_begins = text[match.end() : match.end() + 1] in {".", "!", "?", ":", "\n"} or token.endswith(
            (".", ":")
        )
    return found


def _is_identifier(token: str) -> bool:
    inner = token[1:]
    return (
        token.startswith(("-", "@", "$", "#"))
        or any(c in token for c in "_./:\\@")
        or any(c.isupper() for c in inner)
        or (any(c.isdigit() for c in token) and any(c.isalpha() for c in token))
    )


def negated(text: str) -> bool:
    """Tell whether `text` denies something."""
    return _NEGATION.search(text) is not None
