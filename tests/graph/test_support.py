"""What a text supports: sentences a reader would accept, and the same with one thing changed."""

import math
import random

import pytest

from graph.contradictions import contradicts
from graph.support import COEFFICIENTS, DOUBTED, INTERCEPT, is_doubted, likelihood, support
from graph.support_features import Features, measure, strange_names
from graph.units import Unit, quotable

CHANGED = {
    "another number": (
        "The free plan allows 5 users.",
        "The free plan allows 50 users.",
        "The free plan allows 5 users and one project. Exports are kept for 30 days.",
    ),
    "a denial added": (
        "Exports are encrypted.",
        "Exports are not encrypted.",
        "Exports are encrypted at rest.",
    ),
    "another rate": (
        "Clients may send at most 1,000 requests per minute.",
        "Clients may send at most 1,000 requests per second.",
        "Clients may send at most 1,000 requests per minute. Others have to wait.",
    ),
    "the other bound": (
        "Send at most 1,000 requests.",
        "Send at least 1,000 requests.",
        "Send at most 1,000 requests in a row.",
    ),
    "an opposite": (
        "Telemetry is disabled by default.",
        "Telemetry is enabled by default.",
        "Telemetry is disabled by default.",
    ),
    "off for on": (
        "Telemetry is turned off.",
        "Telemetry is turned on.",
        "By default telemetry is turned off.",
    ),
    "another sign": (
        "The default timeout is -1.",
        "The default timeout is 1.",
        "The default timeout is -1 everywhere.",
    ),
    "a denial dropped": (
        "The plugin does not support Node 16.",
        "The plugin supports Node 16.",
        "The plugin does not support Node 16, so upgrade first.",
    ),
    "names in each other's place": (
        "Anna introduced Bertram to the team.",
        "Bertram introduced Anna to the team.",
        "In spring Anna introduced Bertram to the whole team.",
    ),
    "an invented name": (
        "Sharing a notebook needs an account.",
        "Sharing a notebook needs a Dropbox account.",
        "Sharing a notebook needs an account.",
    ),
    "another unit": (
        "The session ends after 30 minutes.",
        "The session ends after 30 seconds.",
        "A session ends after 30 minutes without a request.",
    ),
    "a small number that is spelled out": (
        "A password has at least eight characters.",
        "A password has at least six characters.",
        "A password has at least eight characters, the administrator's has twelve.",
    ),
    "another command": (
        "Install it with `pip install citeside`.",
        "Install it with `npm install citeside`.",
        "To install it run `pip install citeside` in an environment of its own.",
    ),
    "the number of a rival": (
        "Plan A allows 5 users.",
        "Plan A allows 10 users.",
        "Plan A allows 5 users, plan B allows 10.",
    ),
    "the number of the next sentence": (
        "The timeout is 30 seconds.",
        "The timeout is 5 seconds.",
        "The timeout is 30 seconds. The retry limit is 5.",
    ),
    "another identifier": (
        "Set `maxRetries` to 3.",
        "Set `maxRedirects` to 3.",
        "Set `maxRetries` to 3 to give up early.",
    ),
    "another flag": (
        "Run `npm run build -- --out-dir dist`.",
        "Run `npm run build -- --no-minify`.",
        "```\nnpm run build -- --out-dir dist\n```",
    ),
    "the cell of another row": (
        "The type of `--out` is path.",
        "The type of `--out` is number.",
        "Option\tType\tMeaning\n--out\tpath\tFolder of the results\n--limit\tnumber\tCases of a suite",
    ),
    "a cell denied": (
        "The default of `keep_days` is 30.",
        "The default of `keep_days` is not 30.",
        "Setting\tDefault\tMeaning\nkeep_days\t30\tDays after which a log is deleted, if it is not kept",
    ),
    "a denial added in German": (
        "Exporte werden verschlüsselt gespeichert.",
        "Exporte werden nicht verschlüsselt gespeichert.",
        "Exporte werden immer verschlüsselt gespeichert.",
    ),
    "another number in German": (
        "Das Limit liegt bei 1.000 Anfragen pro Stunde.",
        "Das Limit liegt bei 2.000 Anfragen pro Stunde.",
        "Das Limit liegt bei 1000 Anfragen je Stunde.",
    ),
}


@pytest.mark.parametrize(("fair", "false", "evidence"), CHANGED.values(), ids=CHANGED)
def test_a_sentence_loses_its_support_when_one_thing_is_changed(fair: str, false: str, evidence: str) -> None:
    assert not is_doubted(fair, evidence)
    assert is_doubted(false, evidence)
    assert support(false, evidence) < DOUBTED <= support(fair, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The limit is 1000 requests.", "The limit is 1,000 requests per minute."),
        ("The limit is 1k requests.", "The limit is 1,000 requests per minute."),
        ("The limit is 1,000 requests.", "The limit is 1k requests per minute."),
        ("Tokens live for thirty days.", "Tokens live for 30 days."),
        ("Tokens live for 30 days.", "Tokens live for thirty days."),
        ("Tokens live for three days.", "Tokens live for 3 days."),
        ("The window opens at 8:00.", "The window opens at 08:00 and closes at noon."),
        ("The bucket holds 1.5 million rows.", "The bucket holds 1500000 rows."),
        ("Der Speicher fasst zwanzig Einträge.", "Der Speicher fasst 20 Einträge."),
        ("It was renamed on March 6, 2018.", "On 2018-03-06 it was renamed in March."),
    ],
)
def test_a_number_is_the_same_however_it_is_written(sentence: str, evidence: str) -> None:
    assert not is_doubted(sentence, evidence)


SAME_UNITS = [
    ("The timeout is 30s.", "The timeout is 30 seconds."),
    ("The timeout is 30 seconds.", "The timeout is 30s."),
    ("Tokens live for 7d.", "Tokens live for 7 days."),
    ("The cache lives for 5m.", "The cache lives for 5 minutes."),
    ("The wall is 5 m high.", "The wall is 5 metres high."),
    ("Uploads of up to 512MB are taken.", "Uploads of up to 512 megabytes are taken."),
    ("The trial costs $5.", "The trial costs 5 dollars."),
    ("About 20% fail.", "About 20 percent fail."),
    ("Die Frist ist 30 Sek.", "Die Frist ist 30 Sekunden."),
]


@pytest.mark.parametrize(("sentence", "evidence"), SAME_UNITS)
def test_a_unit_is_the_same_however_it_is_written(sentence: str, evidence: str) -> None:
    assert support(sentence, evidence) == 1
    assert not is_doubted(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The timeout is 30s.", "The timeout is 30 minutes."),
        ("The timeout is 30s.", "The timeout is 30 ms."),
        ("The cache lives for 5m.", "The cache lives for 5 hours."),
        ("The wall is 5 m high.", "The wall is 5 km high."),
    ],
)
def test_a_unit_of_another_size_is_marked_however_it_is_written(sentence: str, evidence: str) -> None:
    assert is_doubted(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("It was released on 2018-03-06.", "It was released on March 6, 2018."),
        ("It was released on 6 March 2018.", "It was released on 2018-03-06."),
        ("It was released on October 5, 2019.", "It was released on Oct 5th, 2019."),
        ("Die Version kam am 5. Oktober 2019.", "Die Version kam am 5. Okt. 2019."),
    ],
)
def test_a_date_is_the_same_however_it_is_written(sentence: str, evidence: str) -> None:
    assert support(sentence, evidence) > DOUBTED
    assert not is_doubted(sentence, evidence)


def test_decades_are_no_seconds() -> None:
    assert is_doubted("It was built in the 1990s.", "It was built in 1990 seconds.")


def test_the_numbers_and_first_words_of_a_list_are_no_facts() -> None:
    steps = "1. Open the settings.\n2. Choose a plan.\n3. **Billing**: Take the invoice."
    evidence = "Open the settings and choose a plan, then take the invoice under billing."
    assert measure(steps, evidence)._replace(length=0, ordered=0, pairs=0, contained=0) == Features(*[0.0] * 7)


@pytest.mark.parametrize(
    ("sentence", "evidence", "strange"),
    [
        ("The user opens a JSON Web Token (JWT).", "The user opens a JSON web token.", set()),
        ("Use a point of interest (POI).", "A point of interest can be used.", set()),
        ("The file is kept at NASM.", "The National Air and Space Museum keeps the file.", set()),
        ("The file is kept at MOMA.", "The National Air and Space Museum keeps the file.", {"moma"}),
        ("The two APIs differ.", "One API is old.", set()),
        ("It takes a gift of $200K.", "Gifts of 200,000 dollars are taken.", set()),
    ],
)
def test_a_name_is_known_by_what_it_is_short_for(sentence: str, evidence: str, strange: set[str]) -> None:
    assert strange_names(sentence, evidence) == strange


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    {
        "the denial is of something else": (
            "Parks are paired with a preserve of another level.",
            "Parks are paired with a preserve of another level, whose lakes and rivers are not counted below.",
        ),
        "or not": (
            "The concept is asked for when the question is the same.",
            "The concept is asked for whether the question is the same or not.",
        ),
        "what a row denies": (
            "`not_json` means that the body is not sent as application/json.",
            "Code\tStatus\tMeaning\nnot_json\t415\tThe body is not sent as application/json.",
        ),
        "there is no default": (
            "`domainKey` has no default.",
            "Option\tType\tDefault\ndomainKey\tstring\tnone\napiUrl\tstring\trequired",
        ),
        "a cell for all others": (
            "`scrubbed` can come in grounded turns.",
            "Code\tTurns\nscrubbed\tboth\nscope_fallback\tgrounded",
        ),
        "how to turn it off": (
            "Setting `DAILY_TOKENS` to 0 turns the limit off.",
            "Setting\tDefault\tMeaning\nDAILY_TOKENS\t200000\tTokens of a day\nDAILY_COST\t0\tCents of a day",
        ),
        "what a row is not": (
            "`outcomes_total` counts answers and is no histogram.",
            "Name\tKind\noutcomes_total\tcounter\nseconds\thistogram",
        ),
        "a part of a number": (
            "`size` may be up to 4,000 characters.",
            "Key\tLevel\tLimit\nsize\t2\t4000 characters\ndepth\t4\t16 levels",
        ),
        "the same name in two tables": (
            "`limit` defaults to 50.",
            "Parameter\tDefault\nlimit\t20\nsize\t50\n\nOther\tDefault\nlimit\t50\norder\tasc",
        ),
    }.values(),
)
def test_what_only_looks_like_a_denial_contradicts_nothing(sentence: str, evidence: str) -> None:
    assert not contradicts(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The limit is 2k requests.", "The limit is 1,000 requests per minute."),
        ("Tokens live for ninety days.", "Tokens live for 30 days."),
        ("Use version 3.1.", "Use version 3.10."),
        ("Somebody wrote this in 1998, about something else.", "The retry limit of the client is 5."),
    ],
)
def test_a_number_that_the_evidence_lacks_is_always_marked(sentence: str, evidence: str) -> None:
    assert is_doubted(sentence, evidence)


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    {
        "a side remark is denied": (
            "Sessions end after a week.",
            "Sessions end after a week. They are not renewed by reading.",
        ),
        "two facts of one subject": (
            "The free plan has 10 projects.",
            "The free plan has 5 users and 10 projects.",
        ),
        "both of two opposites": (
            "Turn it off before the upgrade and on after it.",
            "Turn it off before the upgrade, and turn it on after it.",
        ),
        "a range": (
            "Keep 5-10 of them.",
            "Keep 5 to 10 of them, 5-10 in all.",
        ),
        "a denial drawn together": (
            "Exports aren't encrypted.",
            "Exports are not encrypted.",
        ),
        "told in the passive": (
            "Bertram was introduced by Anna.",
            "Anna introduced Bertram.",
        ),
        "a row read out": (
            "The Pro plan has 20 seats.",
            "Plan\tSeats\nFree\t5\nPro\t20",
        ),
        "a row whose other cells deny": (
            "The status of bad_event_id is 400.",
            "Code\tStatus\tMeaning\tMend\nbad_event_id\t400\tThis is not the id of an event.\tSend one, or none.",
        ),
        "a row with a bare no": (
            "GET /healthz tells whether the process is alive.",
            "Route\tPurpose\tSession\nGET /healthz\tIs the process alive\tno",
        ),
        "a row with a name that denies": (
            "The status of method_not_allowed is 405.",
            "Code\tStatus\nmethod_not_allowed\t405\nnot_found\t404",
        ),
        "rows compared": (
            "The Pro plan has 15 seats more than Free, which has 5.",
            "Plan\tSeats\nFree\t5\nPro\t20\n\nPro has 15 more.",
        ),
    }.values(),
)
def test_what_is_only_put_differently_is_not_marked(sentence: str, evidence: str) -> None:
    assert not contradicts(sentence, evidence)
    assert not is_doubted(sentence, evidence)


PASSAGE = (
    "Requests are limited to 1,000 per minute and 20k per day. A request over the limit gets 429 and is not queued.\n\n"
    "- Set `retry.maxAttempts` to 3, never to 0.\n- Anna's team keeps the logs for thirty days.\n\n"
    "Plan\tUsers\tPrice\nFree\t5\t$0\nPro\t10\t$20\n\n"
    "```sh\nciteside serve --port 8080\n```\n\n"
    "Die Sitzung endet nach 30 Minuten, nicht nach 60. Ohne Anmeldung bleibt sie leer."
)


@pytest.mark.parametrize("unit", quotable(PASSAGE), ids=lambda unit: f"{unit.kind} at {unit.start}")
def test_the_words_of_the_passage_itself_are_supported(unit: Unit) -> None:
    words = PASSAGE[unit.start : unit.end]
    assert support(words, words) == 1
    assert not is_doubted(words, words)


def test_support_is_a_probability_for_any_text() -> None:
    pieces = [
        "",
        " ",
        "🗄️",
        "the",
        "not",
        "10",
        "1.000",
        "Plan A",
        "`a_b.c()`",
        "ß",
        "中文",
        "\n\n",
        "\t",
        "1k",
        "...",
        "$",
    ]
    dice = random.Random(7)
    for _ in range(500):
        sentence, evidence = (" ".join(dice.choices(pieces, k=dice.randrange(12))) for _ in range(2))
        assert 0 <= support(sentence, evidence) <= 1
        is_doubted(sentence, evidence)


def test_nothing_in_common_is_no_support() -> None:
    assert support("Whales are mammals.", "A notebook holds 15 pages.") == 0
    assert support("", "A notebook holds 15 pages.") == support("A notebook holds 15 pages.", "") == 0


def test_the_features_say_what_stands_where() -> None:
    sentence = "Bertram moved 3 notebooks into the Dropbox folder in 2019."
    evidence = "In spring Bertram moved three notebooks."
    assert measure(sentence, evidence) == Features(
        contained=4 / 7,
        ordered=4 / 10,
        pairs=3 / 9,
        strange_names=1 / 6,
        strange_numbers=1 / 2,
        length=math.log(10),
        long_evidence=0,
    )


def test_a_sentence_of_more_than_forty_words_counts_as_one_of_forty() -> None:
    assert measure("word " * 60, "A word.").length == measure("word " * 40, "A word.").length == math.log(40)


@pytest.mark.parametrize(("words", "expected"), [(1, 0), (120, 0), (130, 0.25), (140, 0.5), (160, 1), (5_000, 1)])
def test_long_evidence_begins_at_120_words_and_counts_in_full_from_160(words: int, expected: float) -> None:
    assert measure("A word.", "word " * words).long_evidence == expected


@pytest.mark.parametrize("name", ["contained", "ordered", "pairs", "long_evidence"])
def test_more_of_what_speaks_for_a_sentence_never_lowers_its_support(name: str) -> None:
    assert getattr(COEFFICIENTS, name) > 0


@pytest.mark.parametrize("name", ["strange_names", "strange_numbers"])
def test_more_of_what_is_strange_never_raises_its_support(name: str) -> None:
    assert getattr(COEFFICIENTS, name) < 0


def test_the_likelihood_is_the_logistic_of_the_weighted_features() -> None:
    nothing = Features(*[0.0] * len(Features._fields))
    assert likelihood(nothing) == pytest.approx(1 / (1 + math.exp(-INTERCEPT)))
    one = nothing._replace(contained=1.0)
    assert likelihood(one) == pytest.approx(1 / (1 + math.exp(-INTERCEPT - COEFFICIENTS.contained)))


def test_evidence_that_only_grows_beside_the_point_does_not_rescue_a_false_sentence() -> None:
    evidence = "The free plan allows 5 users. " + "Pages are written in Markdown and built to plain files. " * 40
    assert is_doubted("The free plan allows 50 users.", evidence)
    assert is_doubted("Whales are mammals of the northern seas.", evidence)
