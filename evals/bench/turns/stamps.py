"""The tokens of the stand-in model: each tells when it was written, and that it arrived whole."""

import re
import time

SENTENCE = 16  # tokens
TOKEN_LENGTH = 10  # characters

_WRAP = 1 << 32  # microseconds, 71 minutes: longer than any stream lasts
_TOKEN = re.compile(rb"([A-Pa-p][a-p]{7})=")

# Digits would make numbers of some tokens, at some times of the day, and a server that looks at its text busier.
_LETTERS = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
# The mark behind a token is one that Markdown has no use for: others are held until what follows them is known.
_DIGITS = bytes.maketrans(b"abcdefghijklmnop", b"0123456789abcdef")


def now() -> int:
    """Return the clock that all processes of a machine share, in microseconds."""
    return time.monotonic_ns() // 1000


def token(number: int) -> bytes:
    """Return the `number`th token of a text, from 1, written now: a word of ten characters in a sentence of 16."""
    stamp = (b"%08x" % (now() % _WRAP)).translate(_LETTERS)
    place = number % SENTENCE
    return b" %s=%s" % (stamp.capitalize() if place == 1 else stamp, b"" if place else b".")


def stamps(text: bytes) -> list[int]:
    """Return when each token of a text was written, however many a server sent together."""
    return [int(stamp.lower().translate(_DIGITS), 16) for stamp in _TOKEN.findall(text)]


def elapsed_us(stamp: int, until: int) -> int:
    """Return the microseconds from a token's writing until a reading of `now`."""
    return (until - stamp) % _WRAP
