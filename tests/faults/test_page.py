"""The page that lists the faults lists those of this suite."""

from tests.faults.cases import CASES, LEFT_OUT
from tests.faults.gears import quick
from tests.faults.record import BEGIN, PAGE, Record

pytestmark = quick  # the whole run writes the page anew


def test_the_page_lists_exactly_the_cases_of_the_suite() -> None:
    _, begin, tables = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert begin, f"{BEGIN} is missing"
    assert _rows(tables) == _rows(Record().tables())


def test_each_case_of_the_list_is_run_or_left_out_with_a_reason() -> None:
    assert set(range(1, 44)) <= set(CASES) | set(LEFT_OUT)
    assert not set(CASES) & set(LEFT_OUT)


def _rows(tables: str) -> list[list[str]]:
    """Return number, fault, sight and store of each row: all but what the last run found."""
    return [line.split(" | ")[:4] for line in tables.splitlines() if line[:3].strip("| ").isdigit()]
