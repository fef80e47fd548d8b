"""Makes a case of a stored turn, for example one that a reader disliked: scrubbed, and to be completed by hand."""

import hashlib
import json
import re
from uuid import UUID

from evals.cases import Case, GroundedCase, SufficiencyCase
from graph.errors import CitesideError
from persistence.postgres import open_database
from persistence.reported import ReportedTurn, reported_turn
from server import personal_data
from server.requests import StoredRequest
from server.settings import Settings

_NOT_FOR_A_REPOSITORY = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "[id]"),
    (re.compile(r"(?<![\w/])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])[\w+/-]{24,}={0,2}(?![\w/])"), "[key]"),
    (re.compile(r"(?<![\d.])(?!\d{4}-\d\d-\d\d)\+?\d[\d ()/-]{7,}\d(?!\.?\d)"), "[number]"),
    (re.compile(r"(?<![\d.])(?!127\.|0\.0\.0\.0)\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)"), "[address]"),
    (
        re.compile(
            r"(\b[\w-]*(?:token|secret|passwor[dt]|passwd|pwd|(?:api|access)[_-]?key)\b[\"']?"
            r"(?:\s*[:=]\s*|\s+(?:is|ist)\s+(?=\S*\d)))(?!\[)[^\s&\"'<>]+",
            re.IGNORECASE,
        ),
        r"\1[secret]",
    ),
)
"""What a deployment may keep and a file of cases may not: whatever looks like an id, a token or a long number."""


def scrub(text: str) -> str:
    """Return a text without addresses, tokens, ids and long numbers."""
    text = personal_data.scrub(text)
    for pattern, put in _NOT_FOR_A_REPOSITORY:
        text = pattern.sub(put, text)
    return text


async def case_of_turn(settings: Settings, turn_id: str) -> str:
    """Return a stored turn as a line for a file of cases. Raises CitesideError for one that is not there."""
    try:
        wanted = UUID(turn_id)
    except ValueError:
        raise CitesideError(f"{turn_id!r} is no turn's id") from None
    url = settings.database_url.get_secret_value() if settings.database_url else None
    async with open_database(url, settings.data_dir) as database:
        turn = await reported_turn(database, wanted)
    if turn is None:
        raise CitesideError(f"There is no turn {turn_id} that has ended in this database")
    case = case_of(turn, wanted)
    told = {"suite": case.suite, "site": case.site, **case.model_dump(exclude_defaults=True)}
    return json.dumps(told, ensure_ascii=False)


def case_of(turn: ReportedTurn, turn_id: UUID) -> Case:
    """Return the case: what was asked, and what was answered as a first guess at what is expected.

    A thumb down turns the guess round: a question that was declined is taken for covered where a page was near, a
    verdict for the wrong one.
    """
    asked = StoredRequest.model_validate(turn.request)
    name = f"turn-{hashlib.sha256(turn_id.bytes).hexdigest()[:10]}"
    question = scrub(asked.message)
    liked = turn.rating != "down"
    if asked.selected_text is not None:
        said = turn.answer.verdict.verdict if turn.answer.verdict else "insufficient"
        sufficient = (said == "sufficient") == liked
        return SufficiencyCase(
            id=name, suite="sufficiency", question=question, selection=scrub(asked.selected_text),
            verdict="sufficient" if sufficient else "insufficient",
        )  # fmt: skip
    cited = turn.answer.citations or turn.answer.nearest
    pages = tuple(dict.fromkeys(found.path.partition("#")[0] for found in cited))
    covered = bool(pages) and (turn.answer.outcome != "not_covered" or not liked)
    return GroundedCase(
        id=name, suite="grounded", question=question, earlier=tuple(map(scrub, turn.earlier)), covered=covered,
        pages=pages if covered else (), version=asked.scope.version, locale=asked.scope.locale,
    )  # fmt: skip
