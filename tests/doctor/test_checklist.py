"""The checklist of the docs is the doctor's: the same checks in the same order, each with why and how to mend."""

import re
from pathlib import Path

from server.doctor.checklist import CHECKLIST, DEPLOYMENT, MACHINE
from server.doctor.findings import PAGE

DOCS = Path(__file__).parents[2] / "website" / "docs"
TEXT = (DOCS / f"{PAGE}.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^### (?P<title>[^\n]+) \{#(?P<id>[\w-]+)\}\n\n(?P<text>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def test_the_page_has_a_section_for_each_check_in_its_order_and_no_other() -> None:
    halves = TEXT.partition("{#outside}")
    listed = [[(found["id"], found["title"]) for found in SECTION.finditer(half)] for half in (halves[0], halves[2])]
    assert listed == [[(check.id, check.title) for check in half] for half in (MACHINE, DEPLOYMENT)]


def test_each_section_says_why_and_how_to_mend() -> None:
    for found in SECTION.finditer(TEXT):
        assert re.fullmatch(r"\*\*Why\.\*\* .+\n\n\*\*How to mend\.\*\* .+\n\n?", found["text"]), found["id"]


def test_the_page_shows_a_line_of_each_check() -> None:
    shown = re.findall(r"^ [✓!✗–] ([\w-]+) ", TEXT, re.MULTILINE)
    assert shown == [check.id for check in CHECKLIST]


def test_a_check_stands_behind_those_it_waits_for() -> None:
    for checks in (MACHINE, DEPLOYMENT):
        seen: set[str] = set()
        for check in checks:
            assert {*check.needs, *check.after} <= seen, check.id
            seen.add(check.id)
    assert len({check.id for check in CHECKLIST}) == len(CHECKLIST)
