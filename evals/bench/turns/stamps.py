"""The tokens of the stand-in model: each tells when it was written, and that it arrived whole."""

import re
import time

_WRAP = 1 << 32  # microseconds, 71 minutes: longer than any stream lasts
_TOKEN = re.compile(rb"([0-9a-f]{8})~")


def now() -> int:
    """Return the clock that all processes of a machine share, in microseconds."""
    return time.monotonic_ns() // 1000


def token(ends_sentence: bool) -> bytes:
    """Return a token written now: ten characters, and a full stop behind the last one of a sentence."""
    return b" %08x~%s" % (now() % _WRAP, b"." if ends_sentence else b"")


def stamps(text: bytes) -> list[int]:
    """Return when each token of a text was written, however many a server sent together."""
    return [int(stamp, 16) for stamp in _TOKEN.findall(text)]


def elapsed_us(stamp: int, until: int) -> int:
    """Return the microseconds from a token's writing until a reading of `now`."""
    return (until - stamp) % _WRAP
