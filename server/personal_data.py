"""An example of what CITESIDE_SCRUB may name: puts `[email]`, `[phone]`, `[card]`, `[iban]` or `[key]` in their place.

It is made for questions about technical docs, where most numbers are none of a person's: versions, ports, dates, UUIDs,
hashes and network addresses stay. So it finds what has a telling form or a check digit, and no names.

Every pattern is bounded, so that no text takes long: 20,000 code points made to lead them astray took 0.05 s at most.
"""

import re
from collections.abc import Callable

_EMAIL = re.compile(r"(?<![\w.+-])(?!git@)[\w.+-]{1,64}@(?!\d+\.\d)(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")

_KEY = re.compile(
    r"""
    -----BEGIN[ ](?P<kind>[A-Z ]{0,20}PRIVATE[ ]KEY)-----(?:[\w\s+/=:,]|-(?!-)){0,8000}-----END[ ](?P=kind)-----
    | (?<=://)[^\s/:@\[\]]{0,100}:[^\s/@\[\]]{1,200}(?=@)                  # name and password in an address
    | \beyJ[\w-]{8,4000}\.eyJ[\w-]{8,4000}\.[\w-]{0,4000}                  # a JSON web token
    | (?<![\w-])(?:sk|pk|rk)[-_](?=[\w-]{0,200}\d)[\w-]{16,200}            # OpenAI, Anthropic, Stripe
    | \b(?:gh[pousr]_|github_pat_|glpat-|npm_|hf_|lsv2_|pypi-)[\w-]{16,200}
    | \bxox[abeprs]-[\w-]{10,200}                                         # Slack
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                       # AWS
    | \bAIza[\w-]{35}(?![\w-])                                            # Google
    | (?<=[Bb]earer[ ])(?=[\w.~+/-]*\d)[\w.~+/-]{20,2000}={0,2}
    """,
    re.VERBOSE,
)

_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_BRAND = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|(?:6011|65\d\d|35\d\d|62\d\d)\d{12}"
)
"""Visa, Mastercard, American Express, Diners Club; Discover, JCB and UnionPay: by ISO/IEC 7812."""

_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU XK", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS", 23: "AE GI IL IQ OM TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
"""The registry of ISO 13616."""

_PHONE = re.compile(
    r"""
    (?<![\w+.])\+\d(?:[ ().\/-]{0,2}\d){7,14}(?![\w-])            # +49 (0)30 1234567
    | (?<![\w.:/-])\(\d{3}\)[ ]?\d{3}-\d{4}(?![\w-])              # (555) 123-4567
    | (?<![\w.:/-])\d{3}-\d{3}-\d{4}(?![\w-])                     # 555-123-4567
    # 030 1234567
    | (?<![\w.,:/-])(?<!\d[ ])(?=(?:[ /-]?\d){10,13}(?!\d))0[1-9]\d{1,3}[ /-]\d{3,8}(?:[ -]\d{1,6})?(?![\w:/-]|\.\d)
    """,
    re.VERBOSE,
)


def scrub(text: str) -> str:
    """Return the text with what may name a person, or open a door, replaced by what it was; twice is as once."""
    text = _KEY.sub("[key]", text)
    text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub(_without_iban, text)
    text = _CARD.sub(_unless(_is_no_card, "[card]"), text)
    return _PHONE.sub("[phone]", text)


def _unless(spared: Callable[[str], bool], put: str) -> Callable[[re.Match[str]], str]:
    return lambda found: found[0] if spared(found[0]) else put


def _is_no_card(found: str) -> bool:
    digits = re.sub(r"\D", "", found)
    return not _BRAND.fullmatch(digits) or not _luhn(digits)


def _luhn(digits: str) -> bool:
    """Tell whether the check digit of a card number is right (ISO/IEC 7812-1, annex B)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _without_iban(found: re.Match[str]) -> str:
    """Replace an account number whose length and check digits are right; what follows it may look like a part of it."""
    length = _IBAN_LENGTHS.get(found[0][:2], 0)
    places = [at for at, character in enumerate(found[0]) if character != " "][:length]
    account = "".join(found[0][at] for at in places)
    if not length or len(account) < length or not _mod97(account):
        return found[0]
    return "[iban]" + found[0][places[-1] + 1 :]


def _mod97(account: str) -> bool:
    """Tell whether the check digits of an IBAN are right (ISO 7064, MOD 97-10)."""
    return int("".join(str(int(character, 36)) for character in account[4:] + account[:4])) % 97 == 1
