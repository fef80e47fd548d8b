"""Whether a text answers, judged by words: as a reader would, and never by words alone that the text only mentions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.questions import parts
from graph.sufficiency import COEFFICIENTS, WordSufficiency, answers
from graph.sufficiency_features import measure, read
from graph.types import Verdict

pytestmark = pytest.mark.anyio

SESSIONS = (
    "A session is a reader's browser. It lasts 30 days after it was last seen. Only the reader can end it.\n\n"
    "Threads are kept as long as their session. A thread can hold at most 500 turns."
)
TABLE = "Options:\n\nOption\tDefault\tMeaning\n--port\t8080\tThe port to listen on\n--dir\t.\tWhere the notes live"
CODE = "Start the server with one command:\n\n```sh\nciteside serve --port 8080\n```\n\nThen open the page."
GERMAN = "Eine Sitzung ist der Browser eines Lesers. Sie endet nach 30 Tagen. Notizbücher fassen höchstens 15 Seiten."


async def judge(question: str, text: str, locale: str = "en") -> tuple[str, list[str]]:
    verdict = await WordSufficiency().assess(question, text, locale=locale)
    return verdict.verdict, [text[s.start : s.end] for s in verdict.used]


ANSWERED = [
    ("How many turns can a thread hold?", SESSIONS, "A thread can hold at most 500 turns."),
    ("How many turns can threads hold at most?", SESSIONS, "A thread can hold at most 500 turns."),
    ("Who can end a session?", SESSIONS, "Only the reader can end it."),
    ("What is a session?", SESSIONS, "A session is a reader's browser."),
    ("What is the default port?", "It listens on port 8080 by default.", "It listens on port 8080 by default."),
    ("What is the default locale?", "A site begins with de as its default locale.", "A site begins with de"),
    (
        "What is the meaning of the flag?",
        "The flag means that nothing is sent.",
        "The flag means that nothing is sent.",
    ),
    ("Can the reader end it?", SESSIONS, "Only the reader can end it."),
    ("Are exports encrypted?", "Exports are kept. Exports are not encrypted.", "Exports are not encrypted."),
    ("Which formats does it not export?", "It does not export these formats: PDF and PNG.", "It does not export these"),
    ("What is the default of --port?", TABLE, "--port\t8080\tThe port to listen on"),
    ("Which command starts the server?", CODE, "citeside serve --port 8080"),
    ("How was the colour organised?", "The color was organized by hand.", "The color was organized by hand."),
    ("When was the archive written?", "They wrote the archive in 2019.", "They wrote the archive in 2019."),
    (
        "Which notebooks are kept after the export?",
        "After the export, which may take a while when many readers are at work on a large team at the same moment, "
        "all pinned notebooks are kept.",
        "all pinned notebooks are kept.",
    ),
    ("How often is a token shown?", "A token is shown once. Only its hash is stored.", "A token is shown once."),
    ("How long does a session last?", "A session lasts an hour.", "A session lasts an hour."),
    ("When does the backup run?", "The backup runs at midnight. It takes an hour.", "The backup runs at midnight."),
    ("When is the config read?", "The config is read at startup.", "The config is read at startup."),
    ("When is the log emptied?", "The log is emptied on Sundays.", "The log is emptied on Sundays."),
    ("How often is the file read?", "The file is read on each request.", "The file is read on each request."),
    ("How long do links work?", "Links work forever.", "Links work forever."),
    ("Which command starts the server?", "Run citeside serve to start the server.", "Run citeside serve to start"),
    ("Wann wird die Konfiguration gelesen?", "Die Konfiguration wird beim Start gelesen.", "Die Konfiguration wird"),
    ("Wie viele Seiten fasst ein Notizbuch?", GERMAN, "Notizbücher fassen höchstens 15 Seiten."),
    ("Was ist eine Sitzung?", GERMAN, "Eine Sitzung ist der Browser eines Lesers."),
    ("Nach wie vielen Tagen endet eine Sitzung?", GERMAN, "Sie endet nach 30 Tagen."),
]


@pytest.mark.parametrize(("question", "text", "sentence"), ANSWERED, ids=[q for q, _, _ in ANSWERED])
async def test_a_text_that_says_it_is_sufficient(question: str, text: str, sentence: str) -> None:
    verdict, used = await judge(question, text)
    assert verdict == "sufficient"
    assert any(sentence in said for said in used)


NOT_ANSWERED = {
    "the answering sentence is cut out": (
        "How many turns can a thread hold?",
        SESSIONS.replace("A thread can hold at most 500 turns.", ""),
    ),
    "a number is asked and none is there": ("How many notebooks run?", "Notebooks run here, and more notebooks rest."),
    "a number of something else": ("How many pages does a notebook hold?", "A notebook has pages. 40 users share it."),
    "a port is asked and none is there": ("What is the default port?", "The default port is that of the demo."),
    "a time is asked and none is there": ("When do exports run?", "Exports run on the server of the team."),
    "how often, and only a number": ("How often are keys rotated?", "Old keys are readable for 90 rotations."),
    "a command is asked and none is there": ("Which command starts an export?", "The export starts at night."),
    "a row of another option": ("What is the default of --token?", TABLE),
    "the opposite": (
        "Which notebooks of the team are public after the export?",
        "Notebooks of the team are private after the export.",
    ),
    "another of its kind": ("How do I install it on Windows?", "On Linux, you install it from the archive."),
    "a denial": (
        "Which formats of the archive does the exporter not support?",
        "The exporter supports these formats of the archive: PDF.",
    ),
    "a denial of the same words": ("Which options have no default?", "These options have a default: port and dir."),
    "another year": ("What did the team release in 2019?", "In 2021 the team released the panel."),
    "a subject that is only mentioned": ("What is a session?", "Sessions end. Every session has threads."),
    "more is asked than is said": ("How many pages does a shared public school book hold?", "A book holds 15 pages."),
    "another subject": ("How much does the enterprise licence cost?", SESSIONS),
    "another language": ("Wie viele Runden hält ein Gespräch?", SESSIONS),
}  # fmt: skip


@pytest.mark.parametrize(("question", "text"), NOT_ANSWERED.values(), ids=NOT_ANSWERED.keys())
async def test_a_text_that_only_comes_near_is_not_sufficient(question: str, text: str) -> None:
    verdict = await WordSufficiency().assess(question, text, locale="en")
    assert verdict.verdict in {"partial", "insufficient"}
    assert len(verdict.missing) == 1


async def test_a_time_that_is_asked_for_and_not_there_is_missing_though_all_words_are_met() -> None:
    verdict = await WordSufficiency().assess("When do exports run?", "Exports run on the server.", locale="en")
    assert (verdict.verdict, verdict.used) == ("insufficient", ())
    assert [m.why for m in verdict.missing] == [
        "The selected text mentions “exports run”, but does not give a date or time."
    ]


@pytest.mark.parametrize(("question", "text", "sentence"), ANSWERED[:3], ids=[q for q, _, _ in ANSWERED[:3]])
async def test_the_verdict_flips_when_the_cut_sentence_is_given_back(question: str, text: str, sentence: str) -> None:
    assert (await judge(question, text.replace(sentence, "")))[0] != "sufficient"
    assert (await judge(question, text))[0] == "sufficient"


async def test_of_two_questions_in_one_the_part_that_is_there_is_answered() -> None:
    question = "How long does a session last and how is it renewed?"
    verdict = await WordSufficiency().assess(question, "A session lasts 30 days.", locale="en")
    assert (verdict.verdict, [(s.start, s.end) for s in verdict.used]) == ("partial", [(0, 24)])
    assert [m.why for m in verdict.missing] == ["The selected text says nothing about “renewed”."]
    whole = "A session lasts 30 days. It is renewed with each question."
    assert (await judge(question, whole))[0] == "sufficient"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("How long does it last and how is it renewed?", ["How long does it last", "how is it renewed?"]),
        ("Who made it? When was it sold?", ["Who made it", "When was it sold?"]),
        ("Wer hat es gebaut und wann wurde es verkauft?", ["Wer hat es gebaut", "wann wurde es verkauft?"]),
        ("When and where was it built?", ["When and where was it built?"]),
        ("How do I install and configure it?", ["How do I install and configure it?"]),
        ("What?", ["What?"]),
        ("What  is\nit?", ["What is it?"]),
        ("Who ate? " * 5, ["Who ate? Who ate? Who ate? Who ate? Who ate?"]),
    ],
)
def test_a_question_is_taken_apart_where_it_asks_twice(question: str, found: list[str]) -> None:
    assert parts(question) == found


async def test_what_is_missing_is_said_to_be_unmentioned_only_when_it_is() -> None:
    text = "Notebooks are shared. Exports run every night."
    unsaid = await WordSufficiency().assess("How many owners does a notebook have?", text, locale="en")
    assert [m.why for m in unsaid.missing] == ["The selected text says nothing about “owners”."]
    said = await WordSufficiency().assess("How many notebooks are shared?", text, locale="en")
    assert [m.why for m in said.missing] == [
        "The selected text mentions “notebooks are shared”, but does not give a number."
    ]


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("What is the default of NOTES_MODEL_NAME?", "sufficient"),
        ("What is the default of NOTES_MODEL_TIMEOUT?", "other"),
        ("What is the purpose of DELETE /notes/me?", "other"),
        ("What is the purpose of DELETE /notes/{id}?", "sufficient"),
    ],
)
async def test_a_setting_or_a_path_has_to_stand_in_the_text_as_it_is(question: str, verdict: str) -> None:
    text = (
        "Setting\tDefault\nNOTES_MODEL_NAME\tsmall\nNOTES_TIMEOUT\t20\n\n"
        "Path\tPurpose\nGET /notes/me/export\tAll notes\nDELETE /notes/{id}\tDelete a note"
    )
    told, _ = await judge(question, text)
    assert (told == "sufficient") == (verdict == "sufficient")


async def test_what_is_said_to_be_missing_is_no_word_that_asks_or_denies() -> None:
    text = "The cache isn't shared between workers. Sessions are stored in Postgres."
    verdict = await WordSufficiency().assess("What is not copied between workers?", text, locale="en")
    assert "“copied”" in verdict.missing[0].what


async def test_what_is_missing_never_states_what_was_cut_out() -> None:
    cut = SESSIONS.replace("It lasts 30 days after it was last seen. ", "")
    verdict = await WordSufficiency().assess("How many days does a session last?", cut, locale="en")
    assert verdict.verdict != "sufficient"
    told = " ".join(f"{m.what} {m.why} {m.minimal_text}" for m in verdict.missing)
    assert "last" in told and "30" not in told and "seen" not in told


TEXTS = st.text(alphabet="ab cA1.,?!\n\t-`'é漢\0", max_size=60)


@given(TEXTS, TEXTS)
async def test_any_question_about_any_text_gets_a_verdict_with_spans_of_the_text(question: str, text: str) -> None:
    verdict = await WordSufficiency().assess(question, text, locale="en")
    assert isinstance(verdict, Verdict)
    assert all(text[s.start : s.end].strip() for s in verdict.used)
    assert (verdict.verdict == "sufficient") == (not verdict.missing)
    assert 0 <= answers(question, text) <= 1


def test_a_word_that_the_question_has_itself_is_no_opposite_of_another() -> None:
    question = "Which share is organised and which is unorganised?"
    assert measure(question, read("The share that is unorganised is larger.")).features.conflict == 0
    assert measure("Which share is organised?", read("The share that is unorganised is larger.")).features.conflict == 1


def test_every_feature_counts_as_it_should() -> None:
    for_it = {"near", "counted"}
    signs = {name: value > 0 for name, value in COEFFICIENTS._asdict().items()}
    assert signs == {name: name in for_it for name in COEFFICIENTS._fields}


def test_a_row_is_read_with_the_header_of_its_table() -> None:
    rows = [sentence for sentence in read(TABLE) if sentence.unit.kind == "row"]
    assert ["default" in row.known for row in rows] == [True, True, True]
    assert measure("What is the default of --dir?", rows).features.unmet < 0.6
