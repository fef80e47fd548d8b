"""Keeps which case held on which database, and writes the page of the docs that tells."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.cases import CASES, LEFT_OUT, SECTIONS
from tests.faults.databases import NAMES

PAGE = Path(__file__).parents[2] / "website" / "docs" / "help" / "faults.md"
BEGIN = "<!-- The tables below are written by `./run test --faults`. -->"


@dataclass
class Note:
    """What was measured while a case ran."""

    text: str = ""

    def __call__(self, text: str) -> None:
        """Note it."""
        self.text = text


@dataclass
class Record:
    """The cases of a run by database and number: a note, or what failed."""

    held: dict[tuple[str, int], str] = field(default_factory=dict)
    failed: dict[tuple[str, int], str] = field(default_factory=dict)

    @contextmanager
    def case(self, database: str, number: int) -> Iterator[Note]:
        """Record whether what happens inside holds."""
        note = Note()
        try:
            yield note
        except BaseException as error:
            self.failed[database, number] = f"{type(error).__name__}: {error}"
            error.add_note(f"case {number} on {database}: {CASES[number].injected}")
            raise
        self.held.setdefault((database, number), note.text)

    def missing(self) -> list[tuple[str, int]]:
        """Return what a whole run has not shown to hold."""
        wanted = [(name, number) for name in NAMES for number, case in CASES.items() if name in (case.only or NAMES)]
        return [key for key in wanted if key not in self.held or key in self.failed]

    def tables(self) -> str:
        """Return the tables of the page: one for each section, with a column for each database."""
        lines: list[str] = []
        for title, cases in SECTIONS.items():
            columns = ["Case", "What is done", "What the reader sees", "What is stored", *NAMES]
            lines += [f"## {title}", "", _row(columns), _row(["---"] * len(columns))]
            for number, case in cases.items():
                told = case.injected, case.seen, case.stored
                lines.append(_row([str(number), *told, *(self._cell(name, number) for name in NAMES)]))
            lines.append("")
        left_out = [f"- {number}: {why}" for number, why in LEFT_OUT.items()]
        return "\n".join([*lines, "## Left out", "", *left_out, ""])

    def _cell(self, database: str, number: int) -> str:
        key = (database, number)
        if key in self.failed:
            return "**no**"
        if key in self.held:
            return "; ".join(filter(None, ("yes", self.held[key])))
        return "not run" if database in (CASES[number].only or NAMES) else "-"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def write_page(record: Record, page: Path = PAGE) -> None:
    """Put the tables of a run into the page, below what is written by hand."""
    by_hand = page.read_text(encoding="utf-8").partition(BEGIN)[0]
    page.write_text(f"{by_hand}{BEGIN}\n\n{record.tables()}", encoding="utf-8")
