"""Reads a text as terms: stemmed content words, numbers, and names that must not be invented."""

import re
from decimal import Decimal
from functools import lru_cache
from unicodedata import normalize

from py_rust_stemmers import SnowballStemmer

from graph.notation import plainly_dated, units_spelled

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|_+")
_COMPOUND = re.compile(r"-{0,2}[\w@$#./:\\-]*\w")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z](?!s(?![a-z]))[a-z])")
_THOUSANDS = re.compile(r"^\d{1,3}(?:,\d{3})+$")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|cannot|without|neither|nor|nobody|nothing|nicht|keine?[mnrs]?|nie|niemals|ohne|weder)\b|n['’]t\b",
    re.IGNORECASE,
)
HOW_MUCH = (
    r"how (?:many|much|long|large|big|often|frequently|fast|old|far|high)"
    r"|wie ?(?:viele?[nr]?|lange|groß|oft|schnell|alt|hoch)"
)
"""How a question for a number begins, as a pattern; English and German."""

_ASKING = re.compile(rf"\b(?:{HOW_MUCH}|wann|not|no|nicht|keine?[mnrs]?)\b", re.IGNORECASE)
"""What only asks, or denies: "What is not shared?" is about what is shared."""

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

_CONTRACTED = frozenset(
    f"{verb}n{sign}t"
    for verb in "are is was were do does did ca wo have has had should could would must need might".split()
    for sign in "'’"
)

STOP_WORDS = _ENGLISH_WORDS | _GERMAN_WORDS | _CONTRACTED
"""Words that carry no meaning of their own, or that only ask."""

_TONGUES = {"en": _ENGLISH_WORDS - _GERMAN_WORDS, "de": _GERMAN_WORDS - _ENGLISH_WORDS}


_ENGLISH = SnowballStemmer("english")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the Snowball (English) stem of a word, case folded; other languages are compared by the same rule."""
    folded = word.casefold()
    return _ENGLISH.stem_word(folded) if len(folded) > 3 else folded


_COMPOSABLE = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]{1,300}")


def composed(text: str) -> str:
    """Return `text` in NFC, for comparing alone: what is stored or shown stays as it was written.

    Piece by piece: the time that Python's `normalize` takes grows with the square of a run of combining marks (2 s for
    20,000 of them).
    """
    return text if text.isascii() else _COMPOSABLE.sub(lambda piece: normalize("NFC", piece[0]), text)


def words(text: str) -> list[str]:
    """Return the words of `text` in order, composed, compounds and camelCase taken apart."""
    tokens = _TOKEN.findall(composed(text))
    parts = (part for token in tokens for part in ((token,) if token.islower() else _CAMEL.split(token)))
    return [part for part in parts if part.strip("_")]


@lru_cache(maxsize=4_096)
def content_terms(text: str) -> frozenset[str]:
    """Return the stems of the words of `text` that carry meaning: stop words are left out, numbers kept."""
    return frozenset(stem(word) for word in words(text) if _matters(word))


def says_something(text: str) -> bool:
    """Tell whether any word of `text` carries meaning."""
    return any(map(_matters, words(text)))


def _matters(word: str) -> bool:
    return word.casefold() not in STOP_WORDS and (
        len(word) > 1 or word.isdigit() or word.isupper() or not word.isascii()
    )


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
    end = 0
    text = composed(text)
    for match in _COMPOUND.finditer(text):
        token = match[0].rstrip(".:/-")
        begins = end == 0 or any(c in ".!?:\n" for c in text[end : match.start()])
        if token and (_is_identifier(token) or (token[:1].isupper() and not begins)) and not _NUMBER.fullmatch(token):
            found.add(token.casefold())
        end = match.end()
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


def affirmed(text: str) -> str:
    """Return `text` without the words that deny."""
    return _NEGATION.sub(" ", text)


_SPELLED = {
    word: str(value)
    for value, spelled in {
        2: "two zwei",
        3: "three drei",
        4: "four vier",
        5: "five fünf",
        6: "six sechs",
        7: "seven sieben",
        8: "eight acht",
        9: "nine neun",
        10: "ten zehn",
        11: "eleven elf",
        12: "twelve zwölf",
        13: "thirteen dreizehn",
        14: "fourteen vierzehn",
        15: "fifteen fünfzehn",
        16: "sixteen sechzehn",
        17: "seventeen siebzehn",
        18: "eighteen achtzehn",
        19: "nineteen neunzehn",
        20: "twenty zwanzig",
        30: "thirty dreißig",
        40: "forty vierzig",
        50: "fifty fünfzig",
        60: "sixty sechzig",
        70: "seventy siebzig",
        80: "eighty achtzig",
        90: "ninety neunzig",
        100: "hundred hundert",
    }.items()
    for word in spelled.split()
}
_SCALED = re.compile(
    r"(?<![^\W_])(\d+(?:[.,:]\d+)*)([kKM]\b| ?(?:thousand|tausend|million|Million|Millionen|billion|Milliarden?)\b)?"
)
_SCALES = {
    word: power
    for power, spelled in {3: "k thousand tausend", 6: "m million millionen", 9: "billion milliarde milliarden"}.items()
    for word in spelled.split()
}
"""Powers of ten."""
_GROUPED = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3}(?!\d))")
_GERMAN_THOUSANDS = re.compile(r"^\d{1,3}(?:\.\d{3})+$")


@lru_cache(maxsize=2_048)
def written_out(text: str) -> str:
    """Return `text` with numbers, units and dates in one spelling: `1,000` and `1k` are 1000, `30s` is `30 second`."""
    plain = _GROUPED.sub("", plainly_dated(text))
    return units_spelled(_SCALED.sub(lambda found: _value(found[1], found[2]) or found[0], plain))


def _value(digits: str, scale: str | None) -> str | None:
    """Return what a scaled number amounts to; None when it has no scale or is no plain decimal."""
    if not scale or not digits.replace(".", "", 1).isdigit():
        return None
    return f"{Decimal(digits).scaleb(_SCALES[scale.strip().casefold()]):f}"


def plain_words(text: str) -> list[str]:
    """Return the words of `text` in order as `words` does, numbers in plain digits."""
    return [_SPELLED.get(word.casefold(), word) for word in words(written_out(text))]


def is_content(word: str) -> bool:
    """Tell whether a word carries meaning, by the rule of `content_terms`."""
    return word.casefold() not in STOP_WORDS and _matters(word)


def number_forms(text: str) -> list[frozenset[str]]:
    """Return for each number of `text` the ways to write it: `1k` is also 1000, `08:00` is 8, `1.000` may be 1000.

    Digits inside of words are no numbers, and of those spelled out only ten and more surely count. Of what is scaled
    the plain digits stay a form: `1.5 million` meets `1.5`.
    """
    found: list[frozenset[str]] = []
    for digits, scale in _SCALED.findall(_GROUPED.sub("", plainly_dated(text))):
        forms = {digits, digits.removesuffix(":00")}
        if _GERMAN_THOUSANDS.match(digits):
            forms.add(digits.replace(".", ""))
        if value := _value(digits, scale):
            forms.add(value)
        found.append(frozenset(forms | {form.lstrip("0") or "0" for form in forms}))
    return found + [frozenset({number}) for number in spelled_numbers(text) if len(number) > 1]


def spelled_numbers(text: str) -> frozenset[str]:
    """Return the numbers that `text` spells out, as digits."""
    return frozenset(_SPELLED[word.casefold()] for word in words(text) if word.casefold() in _SPELLED)
