"""Knows how numbers, units and times are written, and levels what is written in several ways."""

import re
from functools import lru_cache

_UNITS = {
    written: spellings.split()[0]
    for spellings in (
        "millisecond milliseconds ms millisekunde millisekunden",
        "second seconds s sec secs sek sekunde sekunden",
        "minute minutes min mins minuten",
        "hour hours h hr hrs stunde stunden",
        "day days d tag tage tagen",
        "week weeks woche wochen",
        "month months monat monate monaten",
        "year years jahr jahre jahren",
        "byte bytes",
        "kilobyte kilobytes kb",
        "kibibyte kibibytes kib",
        "megabyte megabytes mb",
        "mebibyte mebibytes mib",
        "gigabyte gigabytes gb",
        "gibibyte gibibytes gib",
        "terabyte terabytes tb",
        "percent % prozent",
        "pixel pixels px",
        "millimetre millimetres mm millimeter millimeters",
        "centimetre centimetres cm centimeter centimeters zentimeter",
        "metre metres meter meters",
        "kilometre kilometres km kilometer kilometers",
        "mile miles meile meilen",
        "gram grams g gramm",
        "kilogram kilograms kg kilogramm",
        "hertz hz",
        "kilohertz khz",
        "megahertz mhz",
        "gigahertz ghz",
        "dollar dollars usd $",
        "euro euros eur €",
        "pound pounds gbp pfund £",
    )
    for written in spellings.split()
}
"""What each way to write a unit stands for, case folded; for `m` see `_unit`."""

_QUANTITY = re.compile(r"(?<![\w.])([$€£]?)(\d+(?:[.,:]\d+)*)([\s\u00a0-]?)([^\W\d_]+|[%€$£])?(?!\w)")

_DECADE = re.compile(r"\d{3}0s")
_MONTHS = (
    "January February March April May June July August September October November December".split(),
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
)
_SHORT = {month[:3]: month for months in reversed(_MONTHS) for month in months} | {"Sept": "September"}
_SHORT_MONTH = re.compile(
    rf"\b(?:(?<=\d )({'|'.join(_SHORT)})\b\.?|({'|'.join(_SHORT)})\b\.?(?=\s\d))"  # "5 Oct.", "Oct 5"
)
_ISO_DATE = re.compile(r"(?<![\w-])(\d{4})-(0[1-9]|1[0-2])-([0-3]\d)(?![\w-])")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
_LIST_NUMBER = re.compile(r"^([ \t]*)\d{1,3}[.)](?=[ \t]+\S)", re.MULTILINE)


def quantities(text: str) -> list[tuple[str, str]]:
    """Return the numbers of `text` that have a unit, each with the unit's name."""
    return [(found[2], unit) for found in _QUANTITY.finditer(text) if (unit := _unit(found))]


def units_spelled(text: str) -> str:
    """Return `text` with the units of its numbers as words: `30s` and `30 sec` are `30 second`, `$5` is `5 dollar`."""
    return _QUANTITY.sub(lambda found: f"{found[2]} {unit}" if (unit := _unit(found)) else found[0], text)


def _unit(found: re.Match[str]) -> str | None:
    """Return the unit of a quantity, if it has one that is known: `5m` are minutes, `5 m` metres, `1990s` a decade."""
    if found[4] == "m":
        return "metre" if found[3] else "minute"
    return None if _DECADE.fullmatch(found[0]) else _UNITS.get(found[1] or (found[4] or "").casefold())


@lru_cache(maxsize=2_048)
def plainly_dated(text: str) -> str:
    """Return `text` with `2018-03-06` as `6 March 2018`, `Oct 5th` as `October 5`, and lists without their numbers."""
    text = _ISO_DATE.sub(lambda found: f"{int(found[3])} {_MONTHS[0][int(found[2]) - 1]} {found[1]}", text)
    text = _ORDINAL.sub("", text)
    text = _SHORT_MONTH.sub(lambda found: _SHORT[found[1] or found[2]], text)
    return _LIST_NUMBER.sub(r"\1-", text)


NUMBER_WORDS = frozenset(
    """two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand million
    billion dozen half third twice once several both unlimited zwei drei vier fünf sechs sieben acht neun zehn elf zwölf
    zwanzig dreißig hundert tausend einmal zweimal unbegrenzt""".split()
)
"""Words that count; `one`, which mostly does not, is not among them."""

MOMENTS = frozenset(
    """january february march april may june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday today before after during when while until once januar februar märz mai juni juli
    oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag wenn nachdem bevor sobald während jede
    jeden jeder""".split()
)
"""Words that tell when."""

RHYTHMS = frozenset(
    """daily hourly weekly monthly yearly nightly always never century täglich stündlich wöchentlich monatlich jährlich
    nachts immer nie""".split()
)
"""Words that tell how often, or how long."""
