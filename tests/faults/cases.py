"""The cases: what is done to a turn, what its reader then sees, and what the database then holds.

The suite records each that held, on each database; `website/docs/help/faults.md` is made of these rows.
"""

from typing import NamedTuple


class Case(NamedTuple):
    """One row, in Markdown; `only` names the databases where it can be had, when that is not all of them."""

    injected: str
    seen: str
    stored: str
    only: tuple[str, ...] = ()


SECTIONS: dict[str, dict[int, Case]] = {
    "Readers and networks": {
        1: Case("The reader leaves in the middle and never returns", "nothing", "`completed`, the whole answer"),
        2: Case(
            "20 readers leave 300 times at random moments and return to either worker",
            "each the exact text: no hole, no repeat, no broken character",
            "one answer, equal to what all 20 hold",
        ),
        3: Case(
            "Rejoin after the end", "`turn`, the rest of the text, `message`, `end`; the stream closes", "unchanged"
        ),
        4: Case("Rejoin without a cursor, or with `0:0`", "the whole text from offset 0", "unchanged"),
        5: Case("A cursor that is garbage, negative, huge or SQL", "400 `bad_last_event_id`", "unchanged"),
        6: Case("A cursor of an older attempt", "`turn` with `reset`, the new attempt from offset 0", "unchanged"),
        7: Case(
            "The worker dies with text shown and not yet stored",
            "`end` `interrupted`, whose `length` cuts the reader back",
            "exactly what the reader is left with",
        ),
        8: Case("A reader reads nothing", "it is dropped; other readers notice nothing", "`completed`"),
        9: Case(
            "Rejoin, state, stop and retry of another session's turn", "404, as for a turn that never was", "unchanged"
        ),
        10: Case("`HEAD` and `OPTIONS` on the stream", "no stream", "no turn"),
        11: Case("nginx with gzip and its buffers in between", "tokens arrive one by one", "`completed`"),
        12: Case(
            "200 readers of one turn on the other worker",
            "each the exact text",
            "the reads of one reader, not of 200",
        ),
        13: Case(
            "A model that takes longer than the lease, a token every 2 s",
            "pings, then the answer",
            "`completed`, lease renewed",
        ),
    },
    "Workers": {
        14: Case(
            "`kill -9` of the worker in the middle of an answer",
            "the stream breaks; elsewhere `interrupted` when the lease has run out",
            "`interrupted`, the text up to the last write",
        ),
        15: Case(
            "Retry of an interrupted turn on the other worker",
            "`turn` with attempt 2 and `reset`, a whole answer",
            "attempt 2 alone is listed, attempt 1 is kept as `superseded`",
        ),
        16: Case(
            "The worker sleeps past its lease, the turn is retried elsewhere, the worker wakes",
            "its reader is moved to attempt 2",
            "not one row by the worker that slept",
        ),
        17: Case(
            "SIGTERM while a turn runs", "the stream goes on to its `end`, the worker takes no new ones", "`completed`"
        ),
        18: Case(
            "SIGTERM, and a turn longer than the drain", "`message`, `end` `interrupted`", "the text that was shown"
        ),
        19: Case(
            "A second SIGTERM", "the stream breaks; elsewhere `interrupted` or the end", "`interrupted` or the whole"
        ),
        20: Case("The worker stands still for half its lease", "a pause", "`completed`, the same attempt"),
        44: Case(
            "`kill -9` with the real lease of 15 s", "elsewhere `interrupted` no later than that", "`interrupted`"
        ),
    },
    "Sent twice, at once, stopped": {
        21: Case(
            "The same question 20 times at once, for a new thread and for an old one", "20 equal answers", "one turn"
        ),
        22: Case("The same `client_message_id` with another text", "409 `client_message_id_reused`", "unchanged"),
        23: Case("20 questions at once in one thread", "one answer, 19 × 409 `turn_running` with its id", "one turn"),
        24: Case("The answer to a question is lost, the question is sent again", "the first turn's answer", "one turn"),
        25: Case("Stop on the other worker and on the same", "`end` `cancelled`", "the text that was shown"),
        26: Case("Stop after the end, twice, by another session", "200, 200, 404", "unchanged"),
        27: Case("The next question right after a stop", "its answer", "two turns"),
        28: Case("The thread is deleted while its turn runs", "the stream ends", "no row of it is left"),
        45: Case(
            "Retry while it runs, of an earlier turn, and twice", "409, 409, both read attempt 2", "one attempt more"
        ),
    },
    "Databases": {
        29: Case("Every connection is terminated, six times in one turn", "nothing", "`completed`, exact"),
        30: Case("Postgres crashes and recovers", "nothing, or one rejoin elsewhere", "`completed`, exact"),
        31: Case("pgbouncer is killed for 1.5 s", "nothing", "`completed`, exact", only=("pgbouncer",)),
        32: Case(
            "The network to Postgres is silent",
            "a question: 503 with `Retry-After`; a stream goes on",
            "`completed`, exact; nothing of the question",
        ),
        33: Case("Every pooled connection is dead", "a normal answer", "one turn"),
        34: Case(
            "Every connection of the pool is busy", "503 with `Retry-After` in time, then normal answers", "unchanged"
        ),
        35: Case("The database turns read-only", "503, nothing is shown as saved", "unchanged"),
        36: Case(
            "A schema that is newer or older than the code", "the worker does not start and names it", "unchanged"
        ),
        46: Case("The network to Postgres is slow: 200 ms each way", "the exact text", "`completed`, exact"),
        47: Case("Connections break in the middle of a reply, again and again", "nothing", "`completed`, exact"),
    },
    "Models": {
        37: Case(
            "429, 500, connection refused, no text: before the first token, in both kinds of turn",
            "the extractive answer in the same turn, with the notice `model_unavailable`",
            "`completed`; at most two requests",
        ),
        38: Case("The model stalls in the middle", "`end` `failed`, `timeout`", "the text that was shown"),
        39: Case(
            "Cut, malformed line, error event in the middle",
            "`end` `failed`, `model_failed`",
            "the text that was shown",
        ),
        40: Case(
            "The stream ends cleanly without a finish reason", "`end` `failed`, `truncated`", "the text that was shown"
        ),
        41: Case(
            "Finish reason `length`; `content_filter` after text",
            "`completed` with `truncated`; `failed`, `filtered`",
            "the same",
        ),
        50: Case(
            "The model is away for three turns in a row",
            "the extractive answer at once, the model is not asked for half a minute",
            "`completed`, notice stored",
        ),
    },
    "Bad input": {
        42: Case("Bodies too large, blank, malformed, with NUL, with unknown fields", "413, 415, 422, 400", "no turn"),
    },
    "All at once": {
        48: Case(
            "Random sequences of ask, leave, rejoin, stop, retry and kill, against a model of the protocol",
            "what the model says",
            "what the model says",
        ),
        49: Case(
            "1,000 turns with random leaves, stops and retries",
            "each turn ends, each text is exact",
            "no turn runs, tasks, connections and memory are back",
        ),
    },
}

LEFT_OUT = {
    43: "Prompt injection is no fault of the machinery; `tests/server/test_lying_model.py` and the panel's tests have it.",
}
"""Cases of the list that this suite does not run, and why."""

CASES: dict[int, Case] = {number: case for section in SECTIONS.values() for number, case in section.items()}
