"""What the docs list of codes, settings and events is what the code has: a reader can rely on those tables."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from server import problems
from server.settings import Settings, variable
from server.wire import StreamError, StreamEvent

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "website" / "docs"
ERRORS = ("api/errors.md", "Codes")


def _rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, its header row left out."""
    section = (DOCS / page).read_text().split(f"\n## {heading}\n")[1]
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table, f"{page} has no table below {heading}"
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table[0].splitlines()[2:]]


def _raised() -> Iterator[tuple[str, int]]:
    """Yield code and status of every problem that the server's sources make with both written out."""
    for file in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Name("not_found"), args=[ast.Constant(str(what))]):
                    yield f"{what}_unknown", 404
                case ast.Call(args=[ast.Constant(int(status)), ast.Constant(str(code)), *_]) if 400 <= status < 600:
                    yield code, status
                case _:
                    pass


def test_the_page_of_errors_lists_every_code_with_its_status() -> None:
    codes = {code: {503} for code in problems.FAILURES}
    codes |= {code: {422} for code in ("invalid_request", *problems._TELLING)}
    for code, status in [*_raised(), *((code, status) for status, code in problems._CODES.items())]:
        codes.setdefault(code, set()).add(status)
    listed = {code.strip("`"): set(map(int, re.findall(r"\d+", status))) for code, status, *_ in _rows(*ERRORS)}
    assert listed == codes | {"http_error": set()}  # "any other" status


def test_the_codes_that_end_a_stream_are_the_last_of_the_table() -> None:
    listed = [code.strip("`") for code, *_ in _rows(*ERRORS)]
    assert set(listed[listed.index("internal") :]) == set(problems.FAILURES)


def test_the_page_of_settings_lists_every_variable_with_its_default() -> None:
    listed = {name.strip("`"): default for name, default, *_ in _rows("guides/configuration.md", "Settings")}
    assert listed.keys() == {variable(field) for field in Settings.model_fields}
    for field, info in Settings.model_fields.items():
        told = listed[variable(field)]
        if field == "data_dir":
            assert told.endswith("`~/.local/share/citeside`")  # of Linux; the code asks the system
        elif info.default in (None, ()):
            assert told == "unset", field
        else:
            assert told == f"`{_as_written(info.default)}`", field


def _as_written(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(default)
        case _:
            return str(default)


def test_the_example_of_an_env_file_names_every_variable() -> None:
    named = re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(variable(field) for field in Settings.model_fields)


def test_the_page_of_the_stream_lists_every_event() -> None:
    shapes = TypeAdapter(StreamEvent | StreamError).json_schema()["$defs"].values()
    tags = {shape["properties"]["event"]["const"] for shape in shapes if "event" in shape.get("properties", {})}
    assert {name.strip("`") for name, *_ in _rows("api/stream.md", "The events")} == tags
