"""What readers asked in vain is put together by meaning, always the same way, and steers no program that shows it."""

import asyncio
import csv
import io
import os
import random
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from graph.types import Citation, Grounding, Missing, NearestPage, Scope, Selection, Span, Verdict
from persistence.embeddings import Embedder, NoEmbedder, open_embedder
from persistence.feedback import Feedback
from persistence.gaps import Gap, read_gaps
from persistence.ids import new_id
from persistence.messages import AssistantMetadata, UserMetadata
from persistence.postgres import Database
from persistence.sessions import Sessions
from persistence.turns import Started, Turns
from server.cli.child import CITESIDE
from server.gaps.clusters import Cluster, cluster
from server.gaps.report import About, as_csv, as_html, as_table
from tests.persistence.asking import ask
from tests.postgres_fixtures import own_database as db
from tests.server.paraphrases import GROUPS

__all__ = ["db"]

NEAREST = (NearestPage(url="https://docs.example/x/tokens/", path="tokens/", title="Tokens"),)
ABOUT = About(30, None, None, 1, 3, by_meaning=True, scrubbed=False, at="2026-11-28 10:00 UTC")


@pytest.fixture(scope="session")
def embedder(data_dir: Path) -> Embedder:
    return open_embedder(data_dir, model=None, api_key=None, base_url=None)


async def asked(
    db: Database,
    question: str,
    answer: AssistantMetadata,
    *,
    user: str | None = None,
    rating: Any = None,
    days: int = 0,
) -> Started:
    """Leave a turn that was answered so."""
    session, _ = await Sessions(db).create(user_key=user)
    marked = Selection(text="It is so.") if answer.mode == "constrained" else None
    started = await ask(db, session.id, question, mode=answer.mode, metadata=UserMetadata(selection=marked))
    await Turns(db).finish(started.turn_id, 1, "w", status="completed", content="So.", metadata=answer)
    if rating:
        await Feedback(db).put(session.id, started.message_id, rating, None, None)
    await db.execute(
        "update messages set created_at = now() - make_interval(days => $2) where turn_id = $1", started.turn_id, days
    )
    return started


def grounded(outcome: Any = "answered", **told: Any) -> AssistantMetadata:
    return AssistantMetadata(mode="grounded", outcome=outcome, **told)


def gap(question: str, reader: str = "session 1", **changed: Any) -> Gap:
    values: dict[str, Any] = {
        "turn_id": new_id(), "reader": reader, "mode": "grounded", "asked_at": datetime(2026, 11, 1, tzinfo=UTC),
        "question": question, "kinds": ("not_covered",), "version": None, "locale": None, "pages": ("tokens/",),
        "missing": (),
    }  # fmt: skip
    return Gap.model_validate(values | changed)


def clustered(gaps: Sequence[Gap], embedder: Embedder, min_readers: int = 1) -> list[Cluster]:
    return cluster(gaps, embedder, min_readers=min_readers, progress=lambda done, total: None)


@pytest.mark.anyio
async def test_the_view_tells_why_a_question_is_in_it_and_leaves_good_ones_out(db: Database) -> None:
    cited = Citation(
        marker=1, at=0, passage_id="p", url="u", path="tokens/#life", title="", heading="", quote="q", start=0, end=1
    )
    lacking = Missing(what="a number about “limit”", why="It says nothing.", minimal_text="a sentence")
    verdict = Verdict(verdict="partial", missing=(lacking,))
    await asked(db, "Fine?", grounded(citations=(cited,)), rating="up")
    await asked(db, "Refused?", grounded("not_covered", nearest=NEAREST, scope=Scope(version="2.0", locale="de")))
    await asked(db, "Doubted?", grounded(citations=(cited,), grounding=Grounding(unsupported=(Span(start=0, end=2),))))
    await asked(db, "Disliked?", grounded("partial", citations=(cited,)), rating="down", user="jo")
    await asked(db, "Lacking?", AssistantMetadata(mode="constrained", outcome="partial", verdict=verdict))
    await asked(db, "Long ago?", grounded("not_covered"), days=40)
    found = {g.question: (g.kinds, g.pages, g.missing, g.version, g.locale) for g in await read_gaps(db, 30)}
    assert found == {
        "Refused?": (("not_covered",), ("tokens/",), (), "2.0", "de"),
        "Doubted?": (("unsupported",), ("tokens/",), (), None, None),
        "Disliked?": (("partial", "disliked"), ("tokens/",), (), None, None),
        "Lacking?": (("partial",), (), ("a number about “limit”",), None, None),
    }
    assert [g.question for g in await read_gaps(db, 50, version="2.0", locale="de")] == ["Refused?"]
    readers = {g.question: g.reader for g in await read_gaps(db, 30)}
    assert readers["Disliked?"] == "user jo" and readers["Refused?"].startswith("session ")


@pytest.mark.anyio
async def test_a_question_that_was_answered_well_at_last_is_no_gap(db: Database) -> None:
    first = await asked(db, "Again?", grounded("not_covered"))
    assert [g.turn_id for g in await read_gaps(db, 30)] == [first.turn_id]
    session_id = await db.fetchval("select session_id from turns where id = $1", first.turn_id)
    await Turns(db).retry(session_id, first.turn_id, 1, worker="w")
    await Turns(db).finish(first.turn_id, 2, "w", status="completed", content="So.", metadata=grounded())
    assert await read_gaps(db, 30) == []


def test_the_threshold_joins_made_up_paraphrases_and_keeps_neighbours_apart(embedder: Embedder) -> None:
    group = {question: n for n, questions in enumerate(GROUPS) for question in questions}
    place: dict[str, int] = {}
    for n, one in enumerate(clustered([gap(question) for question in group], embedder)):
        place |= dict.fromkeys((one.question, *(text for text, _ in one.others)), n)
    assert place.keys() == group.keys()
    pairs = [(group[a] == group[b], place[a] == place[b]) for a, b in combinations(group, 2)]
    assert pairs.count((True, True)) >= 44  # of 48
    assert pairs.count((False, True)) <= 8  # of 1,330


@pytest.mark.parametrize("with_meaning", [True, False])
def test_the_order_of_the_rows_changes_nothing(embedder: Embedder, with_meaning: bool) -> None:
    gaps = [gap(question, reader=f"session {n}") for questions in GROUPS for n, question in enumerate(questions)]
    model = embedder if with_meaning else NoEmbedder()
    first = clustered(gaps, model)
    random.Random(3).shuffle(gaps)
    assert clustered(gaps, model) == first


def test_a_cluster_counts_questions_and_readers_and_names_what_was_told_most(embedder: Embedder) -> None:
    later = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=1)
    found = clustered(
        [
            gap("How do I rotate an API token?", "session 1"),
            gap("how do I rotate an API token", "session 1", asked_at=later, kinds=("partial", "disliked")),
            gap("Can I rotate the API tokens?", "user jo", pages=("security/", "tokens/"), missing=("the steps",)),
            gap("Is there a dark theme?", "session 3", pages=()),
        ],
        embedder,
    )
    tokens, theme = found
    assert (tokens.question, tokens.asked, tokens.readers) == ("How do I rotate an API token?", 3, 2)
    assert tokens.others == (("Can I rotate the API tokens?", 1),)
    assert dict(tokens.kinds) == {"not_covered": 2, "partial": 1, "disliked": 1}
    assert (tokens.last_asked, tokens.pages, tokens.missing) == (later, ("tokens/", "security/"), ("the steps",))
    assert (theme.question, theme.asked, theme.readers, theme.pages) == ("Is there a dark theme?", 1, 1, ())


def test_few_readers_are_left_out_when_that_is_asked(embedder: Embedder) -> None:
    gaps = [gap("Is there a dark theme?", f"session {n}") for n in range(3)] + [gap("Where is it?", "session 9")] * 5
    assert [one.question for one in clustered(gaps, embedder, min_readers=2)] == ["Is there a dark theme?"]


def test_nothing_asked_is_nothing_shown(embedder: Embedder) -> None:
    assert clustered([], embedder) == clustered([], NoEmbedder()) == []
    assert "No question of this time was left open." in as_html([], ABOUT)
    assert as_table([], ABOUT).startswith("3 questions of the last 30 days had no good answer")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "＝1", '=cmd|"/c calc"!A1'])
def test_no_spreadsheet_runs_a_readers_question(formula: str) -> None:
    (one,) = clustered([gap(formula, pages=(formula,), missing=(formula,))], NoEmbedder())
    (row,) = csv.DictReader(io.StringIO(as_csv([one])))
    assert row["question"] == row["nearest_pages"] == row["missing"] == f"'{formula}"
    assert (row["asked"], row["not_covered"], row["disliked"]) == ("1", "1", "0")


def test_no_markup_of_a_reader_reaches_the_page_and_nothing_is_fetched() -> None:
    hostile = '<script src="https://evil.example/x.js">alert(1)</script><img src=x onerror=alert(1)>"\'&'
    (one,) = clustered([gap(hostile, pages=(hostile,), missing=(hostile,))], NoEmbedder())
    page = as_html([one], ABOUT)
    assert set(re.findall(r"<\s*(\w+)", page)) <= set(
        """html head meta title style body header h1 p main section h2 dl div dt dd b ol li details summary span time
        h3 ul""".split()
    ) | {"doctype"}
    assert not re.search(r"\s(?:src|href|on\w+)\s*=", re.sub(r"&lt;.*?&gt;", "", page))
    assert "default-src 'none'" in page and "url(" not in page


def test_no_question_moves_the_cursor_of_a_terminal() -> None:
    (one,) = clustered([gap("Is \x1b[2J\x07 it\n\n  so\u202e?")], NoEmbedder())
    table = as_table([one], ABOUT)
    assert "Is ?[2J? it so??" in table
    assert all(character.isprintable() or character == "\n" for character in table)


@pytest.mark.anyio
async def test_the_command_writes_the_page_beside_others_and_says_whose_words_it_holds(
    db: Database, data_dir: Path, tmp_path: Path
) -> None:
    for question in ("How do I rotate tokens of jo@example.com?", "How to rotate the tokens of al@example.org?"):
        await asked(db, question, grounded("not_covered", nearest=NEAREST))
    lacking = Missing(what="the role of jo@example.com", why="It says nothing.", minimal_text="a sentence")
    verdict = Verdict(verdict="insufficient", missing=(lacking,))
    await asked(db, "Which role?", AssistantMetadata(mode="constrained", outcome="insufficient", verdict=verdict))
    out = tmp_path / "gaps.html"
    env = os.environ | {"DATABASE_URL": db.url, "CITESIDE_SCRUB": "server.personal_data:scrub"}

    async def run(*words: str) -> tuple[str, str]:
        done = await asyncio.to_thread(
            subprocess.run,
            [*CITESIDE, "gaps", "--data-dir", str(data_dir), *words],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    printed, progress = await run("--format", "html", "--out", str(out))
    assert printed == "" and '{"stage": "embedding", "done": 3, "total": 3}' in progress
    page = out.read_text()
    assert "2 readers, 2 times" in page and "the role of [email]" in page and "jo@" not in page
    assert "They went through the function in CITESIDE_SCRUB." in page
    table, _ = await run("--min-readers", "3")
    assert "These are your readers&#x27; own words" not in table and "These are your readers' own words" in table
    assert "rotate" not in table
