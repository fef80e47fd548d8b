"""Tells what was found: line by line to people, as one document to programs."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from server.doctor.checklist import CHECKLIST
from server.doctor.findings import Check, Finding, Outcome

_MARKS: dict[Outcome, tuple[str, str]] = {
    "ok": ("✓", "\033[32m"),
    "warn": ("!", "\033[33m"),
    "fail": ("✗", "\033[31m"),
    "skipped": ("–", "\033[2m"),
}
_WORDS: dict[Outcome, tuple[str, str]] = {
    "ok": ("good", "good"),
    "warn": ("warning", "warnings"),
    "fail": ("failure", "failures"),
    "skipped": ("not looked at", "not looked at"),
}
_WIDEST = max(len(check.id) for check in CHECKLIST)


def lines(check: Check[Any], found: Finding, *, coloured: bool) -> Iterator[str]:
    """Yield the lines of one finding, with how to mend it and where the docs say more."""
    mark, colour = _MARKS[found.outcome]
    shown = f"{colour}{mark}\033[0m" if coloured else mark
    indent = " " * (_WIDEST + 5)
    width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 120)) - len(indent)
    first, *more = textwrap.wrap(found.detail, width, break_long_words=False, break_on_hyphens=False) or [""]
    yield f" {shown} {check.id:<{_WIDEST}}  {first}".rstrip()
    if found.mend:
        told = f"Mend: {found.mend} ({check.page})"
        more += textwrap.wrap(told, width, break_long_words=False, break_on_hyphens=False)
    yield from (indent + line for line in more)


def summary(findings: Sequence[Finding]) -> str:
    """Return the last line: how many of each kind."""
    counted = Counter(finding.outcome for finding in findings)
    told = [f"{counted[kind]} {words[counted[kind] != 1]}" for kind, words in _WORDS.items() if counted[kind]]
    return f"{len(findings)} checks: {', '.join(told)}."


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 1 when something failed; warnings are allowed."""
    return 1 if any(finding.outcome == "fail" for finding in findings) else 0


def document(version: str, url: str | None, found: Sequence[tuple[Check[Any], Finding]]) -> dict[str, Any]:
    """Return all of it for programs; the form only grows."""
    findings = [finding for _, finding in found]
    return {
        "version": version,
        "url": url,
        "passed": exit_code(findings) == 0,
        "counts": {kind: sum(finding.outcome == kind for finding in findings) for kind in _MARKS},
        "findings": [
            {"check": check.id, "title": check.title, **finding._asdict(), "page": check.page}
            for check, finding in found
        ],
    }
