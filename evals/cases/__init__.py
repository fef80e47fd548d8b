"""What is asked, and what a good answer is: cases of six suites, by hand in the JSON-lines files here and by rule.

A case names the site it is about: `docs` are the pages of this project, `synthetic` those of `evals.synthetic`, `site`
those given with `--site`.
"""

import json
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from graph.errors import CitesideError
from graph.types import Frozen

Suite = Literal["retrieval", "grounded", "constrained", "sufficiency", "support", "injection"]
SUITES: tuple[Suite, ...] = get_args(Suite)
SITES = ("docs", "synthetic", "site")
FOLDER = Path(__file__).parent

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class CaseInvalid(CitesideError):
    """A file of cases cannot be read; the message names file, line and field."""


class _Case(Frozen):
    """What all cases have; `rule` names the rule that made one, by hand it is None."""

    id: str = Field(min_length=1, max_length=200)
    site: str = "docs"
    rule: str | None = None


class RetrievalCase(_Case):
    """A question, and the pages (paths below the base URL) of which any answers it, at the reader's place.

    `reworded` marks a question in other words than those of its pages: keywords alone hardly find them.
    """

    suite: Literal["retrieval"] = "retrieval"
    question: Text
    pages: tuple[str, ...] = Field(min_length=1)
    version: str | None = None
    locale: str | None = None
    reworded: bool = False


class GroundedCase(_Case):
    """A question to the docs, after `earlier` ones of its thread.

    Covered, it is answered by one of `pages`, and the answer holds one of the texts in `says`; to a question with two
    parts, one of those in `and_says` too. Not covered, it is near the docs' topic and they do not answer it.
    """

    suite: Literal["grounded"] = "grounded"
    question: Text
    earlier: tuple[Text, ...] = ()
    covered: bool = True
    pages: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    and_says: tuple[str, ...] = ()
    version: str | None = None
    locale: str | None = None

    @model_validator(mode="after")
    def _names_pages(self) -> Self:
        if self.covered and not self.pages:
            raise ValueError("a covered question needs `pages`")
        return self


class ConstrainedCase(_Case):
    """A question about a selection: what the answer has to say, and what it may not.

    `canary`: the index holds the answer, the selection does not. `counterfactual`: the selection contradicts the docs,
    and the answer has to follow it. `sufficient`: the selection answers.
    """

    suite: Literal["constrained"] = "constrained"
    kind: Literal["sufficient", "counterfactual", "canary"]
    question: Text
    selection: Text
    says: tuple[str, ...] = ()
    never: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _tells_right_from_wrong(self) -> Self:
        if not (self.never if self.kind == "canary" else self.says):
            raise ValueError("a canary needs `never`, another kind `says`")
        return self


class SufficiencyCase(_Case):
    """A question and a selection with its true verdict.

    With `cut`, a text of the selection, the selection is asked about without it and then whole: the verdict has to
    become `sufficient`, and what is said to be missing may not state anything in `never`.
    """

    suite: Literal["sufficiency"] = "sufficiency"
    question: Text
    selection: Text
    verdict: Literal["sufficient", "insufficient"]
    cut: str | None = None
    never: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _can_be_cut(self) -> Self:
        if self.cut is None:
            return self
        if self.verdict != "insufficient" or self.selection.count(self.cut) != 1 or not self.without_cut.strip():
            raise ValueError("`cut` must stand in the selection once, leave a text, and make it insufficient")
        return self

    @property
    def without_cut(self) -> str:
        """The selection as it is asked about."""
        return self.selection.replace(self.cut, "", 1) if self.cut else self.selection


class SupportCase(_Case):
    """A sentence and evidence that supports it, or does not."""

    suite: Literal["support"] = "support"
    sentence: Text
    evidence: Text
    supported: bool


class InjectionCase(_Case):
    """A question whose pages or selection hold an instruction; an answer that obeys it says `payload`.

    With `behaviour` the page is honest and the model is not: see `evals.adversaries`.
    """

    suite: Literal["injection"] = "injection"
    question: Text
    selection: Text | None = None
    payload: Text
    says: tuple[str, ...] = ()
    version: str | None = None
    behaviour: str | None = None


Case = Annotated[
    RetrievalCase | GroundedCase | ConstrainedCase | SufficiencyCase | SupportCase | InjectionCase,
    Field(discriminator="suite"),
]

_CASE: TypeAdapter[Case] = TypeAdapter(Case)


def read_cases(file: Path) -> list[Case]:
    """Read a JSON-lines file of cases. Raises CaseInvalid, naming the first line that is wrong and each field in it."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseInvalid(f"{file} cannot be read: {error}") from error
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            case = _CASE.validate_python({"suite": file.stem, **_object(line)})
        except ValidationError as error:
            raise CaseInvalid(f"{file}, line {number}: {_fields(error)}") from None
        except ValueError as error:
            raise CaseInvalid(f"{file}, line {number}: {error}") from None
        if case.id in seen:
            raise CaseInvalid(f"{file}, line {number}: id {case.id!r} stands in line {seen[case.id]} already")
        seen[case.id] = number
        cases.append(case)
    return cases


def own_cases(suite: Suite) -> list[Case]:
    """Return the cases of a suite that were written by hand. Raises CaseInvalid."""
    file = FOLDER / f"{suite}.jsonl"
    cases = read_cases(file)
    for case in cases:
        if case.suite != suite:
            raise CaseInvalid(f"{file}, case {case.id}: suite: the file is of {suite}, not of {case.suite}")
        if case.site not in SITES:
            raise CaseInvalid(f"{file}, case {case.id}: site: {case.site!r} is none of {', '.join(SITES)}")
    return cases


def _object(line: str) -> dict[str, object]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError(f"an object is wanted, not {type(value).__name__}")
    return value


def _fields(error: ValidationError) -> str:
    told: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"] if part not in SUITES) or "the case"
        told.append(f"{where}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(told)
