"""How a question is read: what it asks for, whether it stands alone, and whether a text answers it."""

import pytest

from graph.condense import condense, leans_on_history
from graph.missing import asked_kind
from graph.ports import MissingKind
from graph.questions import parts, parts_alone
from graph.sufficiency import WIDER, WordSufficiency
from graph.types import Exchange, Missing, Span, Verdict

pytestmark = pytest.mark.anyio

ENGLISH = "A notebook holds 15 pages. Exports run every night. Run `notes export` to start one."
GERMAN = "Ein Notizbuch fasst 15 Seiten. Exporte laufen täglich."


@pytest.mark.parametrize(
    ("question", "text", "used"),
    [
        ("How many pages does a notebook hold?", ENGLISH, ["A notebook holds 15 pages."]),
        ("What command starts an export?", ENGLISH, ["Run `notes export` to start one."]),
        (
            "What does this mean?",
            ENGLISH,
            ["A notebook holds 15 pages.", "Exports run every night.", "Run `notes export` to start one."],
        ),
        ("Wie viele Seiten fasst ein Notizbuch?", GERMAN, ["Ein Notizbuch fasst 15 Seiten."]),
        ("Wann laufen Exporte?", GERMAN, ["Exporte laufen täglich."]),
    ],
)
async def test_a_text_that_answers_is_sufficient(question: str, text: str, used: list[str]) -> None:
    verdict = await WordSufficiency().assess(question, text, locale="en")
    assert (verdict.verdict, [text[s.start : s.end] for s in verdict.used]) == ("sufficient", used)


@pytest.mark.parametrize(
    ("question", "text", "locale", "missing"),
    [
        (
            "How much does the enterprise licence cost?",
            ENGLISH,
            "en",
            Missing(
                what="a number about “enterprise licence cost”",
                why="The selected text says nothing about “enterprise licence cost”.",
                minimal_text="a sentence that gives a number about “enterprise licence cost”.",
            ),
        ),
        (
            "How many notebooks run?",
            "Notebooks run here.",
            "en",
            Missing(
                what="a number about “notebooks run”",
                why="The selected text mentions “notebooks run”, but does not give a number.",
                minimal_text="a sentence that gives a number about “notebooks run”.",
            ),
        ),
        (
            "Wer bezahlt die Rechnung?",
            GERMAN,
            "de",
            Missing(
                what="eine Person oder Gruppe zu „bezahlt die Rechnung“",
                why="Der markierte Text sagt nichts über „bezahlt die Rechnung“.",
                minimal_text="ein Satz, der dies nennt: eine Person oder Gruppe zu „bezahlt die Rechnung“.",
            ),
        ),
    ],
)
async def test_a_text_that_does_not_answer_says_what_is_missing(
    question: str, text: str, locale: str, missing: Missing
) -> None:
    verdict = await WordSufficiency().assess(question, text, locale=locale)
    assert verdict == Verdict(verdict="insufficient", missing=(missing,), widen=WIDER)


async def test_a_text_that_answers_a_part_says_which() -> None:
    verdict = await WordSufficiency().assess(
        "How many pages does a shared public school notebook hold?", ENGLISH, locale="en"
    )
    assert verdict == Verdict(
        verdict="partial",
        used=(Span(start=0, end=26),),
        missing=(
            Missing(
                what="a number about “shared public school”",
                why="The selected text says nothing about “shared public school”.",
                minimal_text="a sentence that gives a number about “shared public school”.",
            ),
        ),
        widen=WIDER,
    )


@pytest.mark.parametrize("text", [" ", "[note]", "```\n```", "…", "\0"])
async def test_a_text_without_words_answers_nothing(text: str) -> None:
    assert (await WordSufficiency().assess("How many pages?", text, locale="en")).verdict == "insufficient"


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many users?", "number"),
        ("Wie lange dauert es?", "number"),
        ("When was it released?", "time"),
        ("Wann erscheint es?", "time"),
        ("Where is the file?", "place"),
        ("Who maintains it?", "person"),
        ("Why is it slow?", "reason"),
        ("How do I install it?", "steps"),
        ("Which command lists them?", "code"),
        ("Which is better?", "choice"),
        ("What are hooks?", "list"),
        ("What is a hook?", "definition"),
        ("Was bedeutet Hydration?", "definition"),
        ("Can I export it?", "yes_no"),
        ("Gibt es ein Limit?", "number"),
        ("Tell me about hooks", "fact"),
        ("What is the default port?", "number"),
        ("What is the default locale?", "fact"),
        ("What is a default route?", "definition"),
        ("What is the manifest?", "definition"),
        ("What is the meaning of port?", "definition"),
        ("What does it cost?", "number"),
        ("When was the limit raised?", "time"),
        ("How do I know when it has ended?", "steps"),
        ("Can I choose who sees it?", "yes_no"),
        ("Can you tell me when it was released?", "time"),
        ("Is there an upper limit?", "number"),
        ("Wie vieler Seiten bedarf es?", "number"),
    ],
)
def test_a_question_is_known_by_what_it_asks_for(question: str, kind: MissingKind) -> None:
    assert asked_kind(question) == kind


@pytest.mark.parametrize(
    ("question", "leans"),
    [
        ("And on Windows?", True),
        ("Does it cost anything to export notebooks?", True),
        ("Warum?", True),
        ("Why is that?", True),
        ("How do they differ from encrypted exports of notebooks?", True),
        ("Can I put notebooks with encrypted exports there?", True),
        ("Is there a limit to encrypted exports of notebooks?", False),
        ("Which limits are there to encrypted exports of notebooks?", False),
        ("Which plans include encrypted exports?", False),
        ("Wie exportiere ich Notizbücher verschlüsselt?", False),
    ],
)
def test_a_follow_up_is_told_from_a_question_that_stands_alone(question: str, leans: bool) -> None:
    assert leans_on_history(question) == leans


def test_a_follow_up_takes_the_words_of_the_last_question_that_stood_alone() -> None:
    history = [
        Exchange(question="Which plans include encrypted exports?", answer="Team."),
        Exchange(question="And what does it cost?", answer="10."),
    ]
    assert condense("And for schools?", history) == "And for schools?\nplans include encrypted exports"
    assert condense("And for schools?", []) == "And for schools?"
    assert condense("Which plans include public notebooks?", history) == "Which plans include public notebooks?"


INSTALL = Exchange(question="How do I install the command line tool on Linux?", answer="With apt.")
SHARE = Exchange(question="Can teams share notebooks without an account?", answer="Yes, by a link.")


@pytest.mark.parametrize(
    ("history", "question", "query"),
    [
        ([INSTALL], "And on Windows?", "And on Windows?\ninstall command line tool Linux"),
        ([INSTALL], "Why?", "Why?\ninstall command line tool Linux"),
        ([INSTALL], "How do I update it?", "How do I update it?\ninstall command line tool Linux"),
        ([INSTALL], "Does that tool need Linux headers?", "Does that tool need Linux headers?\ninstall command line"),
        ([INSTALL, SHARE], "And folders?", "And folders?\nteams share notebooks without account"),
        (
            [INSTALL, SHARE],
            "How large may a notebook with pictures grow?",
            "How large may a notebook with pictures grow?",
        ),
        ([SHARE, Exchange(question="Why?", answer="So.")], "And?", "And?\nteams share notebooks without account"),
    ],
)
def test_a_follow_up_is_searched_with_the_words_it_leaves_out(
    history: list[Exchange], question: str, query: str
) -> None:
    assert condense(question, history) == query


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("How big is a page and where is it stored?", ["How big is a page", "where is it stored?"]),
        ("How big is a page? Where is it stored?", ["How big is a page", "Where is it stored?"]),
        (
            "How big is a page; who wrote it, and also when was it printed?",
            ["How big is a page", "who wrote it", "also when was it printed?"],
        ),
        ("Wie groß ist eine Seite und seit wann speichert ihr sie?", ["eine Seite", "seit wann speichert ihr sie?"]),
        ("How are docs and how-to pages made?", None),
        ("Wie funktionieren Sicherung und Wiederherstellung?", None),
        ("Was ist mit Docker und Workern zu tun?", None),
        ('Does it log "how long? how often?" in the trace?', None),
        ("How big is a page? We have to print it.", ["How big is a page", "We have to print it."]),
        ("I set the port and when I start the server it hangs", None),
        ("What is kept and why?", None),
        ("Is page one big? Page two? Page three? Page four? Page five?", None),
    ],
)
def test_a_question_is_taken_apart_where_another_one_begins(question: str, wanted: list[str] | None) -> None:
    found = parts(question)
    assert len(found) == len(wanted or [question])
    if wanted:
        assert [part[-len(end) :] for part, end in zip(found, wanted, strict=True)] == wanted


@pytest.mark.parametrize(
    ("question", "before", "wanted"),
    [
        (
            "How long is a session and how do I erase it?",
            None,
            ["How long is a session", "how do I erase it?\nlong session"],
        ),
        ("What is a gap and how do I close it?", "Where are sessions?", ["What is a gap", "how do I close it?\ngap"]),
        (
            "How do I erase it and what is a gap?",
            "Where are sessions kept?",
            ["How do I erase it\nsessions kept", "what is a gap?"],
        ),
        ("How do I set the port? Please answer in German.", None, ["How do I set the port"]),
        (
            "Is it a bug? The server gives 503 after an ingest.",
            None,
            ["Is it a bug", "The server gives 503 after an ingest."],
        ),
        ("And the gap?", "Where are sessions kept?", ["And the gap?\nsessions kept"]),
    ],
)
def test_a_part_that_points_back_is_given_words_of_what_it_points_to(
    question: str, before: str | None, wanted: list[str]
) -> None:
    assert parts_alone(question, [Exchange(question=before, answer="")] if before else ()) == wanted
