"""Decides on which terms a reader may ask: what is counted, against what, and what to say when it is too much.

Tokens are reserved before a turn starts, by an estimate that is too high rather than too low, and settled by what the
model says it used when the turn ends.
"""

import hmac
from dataclasses import dataclass
from typing import Literal, NamedTuple

from graph.build import ConstrainedQuestion, GroundedQuestion
from graph.condense import leans_on_history
from graph.errors import ConfigurationError
from graph.extractive import NAME
from graph.grounded import PASSAGES
from graph.types import Answer
from persistence.limits import DAY, SHARDS, UNLIMITED, Charge, Limited, Paused, Terms, TooManyRunning
from persistence.turns import Spent
from server.history import GROUNDED_LENGTH
from server.problems import Problem
from server.requests import ChatRequest
from server.settings import Settings

MINUTE, HOUR = 60, 3_600
MICRO = 1_000_000
"""Money is counted in millionths, so that it stays whole: a price is that of a million tokens."""

BYTES_PER_TOKEN = 3
"""Of UTF-8. English has 4 to 5, Chinese 3 to 4, and what is estimated should not be too little."""

PROMPT = 800
"""Tokens of what a model is told besides the reader's words, the passages and the operator's instructions."""

PASSAGE = 320
"""Tokens of a passage with its number, title and heading: MiniLM reads 256, other tokenizers make some more."""

EARLIER = GROUNDED_LENGTH // BYTES_PER_TOKEN
"""Tokens of the turns before."""

UNASKED = "none"
"""The model of an answer for which none was asked."""

ANSWER = 4_000
"""Tokens of an answer at most, as `server.models` bounds it."""

AGAIN_READ = 12_000
"""Tokens that a further attempt is taken to read: it is the same question, and nobody looks at it before."""

SHARE = 2
"""One address may use up a half of what the deployment may in a day, so that it cannot lock out all others."""

AGAIN = 5
"""Seconds after which an address with too many running turns may try again."""


ADMIN_HEADER = "citeside-admin-token"
"""Carries CITESIDE_ADMIN_TOKEN. No page may send it: CORS does not list it."""


class Asker(NamedTuple):
    """Who asks: the session's token, the address in the form it is stored, and whether limits are lifted."""

    token: str
    address: bytes | None = None
    unlimited: bool = False


class Usage(NamedTuple):
    """Tokens that go into a model and come out of it."""

    read: int
    written: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """What is charged for a turn, a session and an answer, as the settings have it. A limit of 0 is off."""

    settings: Settings
    model: str
    instructions: int = 0
    """Tokens of the operator's instructions."""

    def terms(self, asker: Asker, asked: ChatRequest | None) -> Terms:
        """Return the terms of a turn; of a further attempt, without a look at what was asked."""
        if asker.unlimited:
            return UNLIMITED
        limits = self.settings
        charges = [
            Charge("session-minute", "session", "turns", MINUTE, 1, limits.turns_per_minute),
            Charge("session-hour", "session", "turns", HOUR, 1, limits.turns_per_hour),
        ]
        if asker.address:
            key, most = f"address-minute:{asker.address.hex()}", limits.address_turns_per_minute
            charges.append(Charge(key, "address", "turns", MINUTE, 1, most))
        if self.model != NAME:
            charges += self._budgets(self.estimate(asked), asker.address)
        running = limits.address_running_turns if asker.address else 0
        return Terms(tuple(each for each in charges if each.most), asker.address if running else None, running)

    def session(self, asker: Asker) -> tuple[Charge, ...]:
        """Return what a new session is charged."""
        most = self.settings.address_sessions_per_hour
        if asker.unlimited or not asker.address or not most:
            return ()
        return (Charge(f"address-sessions:{asker.address.hex()}", "address", "sessions", HOUR, 1, most),)

    def search(self, asker: Asker) -> tuple[Charge, ...]:
        """Return what a search is charged."""
        most = self.settings.address_searches_per_minute
        if asker.unlimited or not asker.address or not most:
            return ()
        return (Charge(f"address-searches:{asker.address.hex()}", "address", "searches", MINUTE, 1, most),)

    def _budgets(self, usage: Usage, address: bytes | None) -> list[Charge]:
        limits, tokens, cost = self.settings, sum(usage), self.cost(usage)
        charges = [Charge("session-tokens", "session", "tokens", DAY, tokens, limits.session_daily_tokens)]
        if address:
            share = limits.daily_tokens // SHARE
            charges.append(Charge(f"address-tokens:{address.hex()}", "address", "tokens", DAY, tokens, share))
        usual = Usage(PROMPT + self.instructions + PASSAGES * PASSAGE, ANSWER)
        charges.append(_spread("tokens", tokens, limits.daily_tokens, sum(usual)))
        charges.append(_spread("cost", cost, round(limits.daily_cost * MICRO), self.cost(usual)))
        return charges

    def estimate(self, asked: ChatRequest | None) -> Usage:
        """Return the most that a turn should use."""
        if asked is None:
            return Usage(PROMPT + self.instructions + AGAIN_READ, ANSWER)
        words = _tokens(asked.message)
        earlier = EARLIER if asked.thread_id else 0
        if asked.selected_text is not None:
            return Usage(PROMPT + words + _tokens(asked.selected_text) + earlier, ANSWER)
        condensing = PROMPT + words + earlier if earlier and leans_on_history(asked.message) else 0
        return Usage(PROMPT + self.instructions + words + PASSAGES * PASSAGE + earlier + condensing, ANSWER)

    def spent(self, question: GroundedQuestion | ConstrainedQuestion, answer: Answer | None) -> Spent | None:
        """Return what an answer has cost; None where nobody knows, because it broke off.

        Where the model's server does not say what it used, it is estimated from what it read and wrote. No server says
        what it took to write a follow-up out.
        """
        if answer is None:
            return None
        asked = _tokens(question.question)
        if isinstance(question, GroundedQuestion):
            earlier = sum(_tokens(each.question) + _tokens(each.answer) for each in question.history)
            condensing = PROMPT + asked + earlier if earlier and leans_on_history(question.question) else 0
            given = self.instructions + len(answer.grounding.passages) * PASSAGE if answer.mode == "grounded" else 0
        else:
            earlier = sum(_tokens(each.question) + _tokens(each.answer) for each in question.earlier)
            condensing, given = 0, _tokens(question.selection.text)
        if self.model == NAME:
            usage = Usage(0, 0)
        elif answer.tokens is not None:
            read = answer.tokens if answer.input_tokens is None else answer.input_tokens
            usage = Usage(read + condensing, answer.tokens - read)
        elif answer.model == UNASKED or any(notice.code == "model_unavailable" for notice in answer.notices):
            usage = Usage(condensing, 0)
        else:
            usage = Usage(PROMPT + asked + earlier + given + condensing, _tokens(answer.text))
        return Spent(sum(usage), self.cost(usage))

    def cost(self, usage: Usage) -> int:
        """Return what a usage costs, in millionths."""
        return round(usage.read * self.settings.input_price + usage.written * self.settings.output_price)


def open_tariff(settings: Settings, model: str) -> Tariff:
    """Return the tariff of `settings` for the model that answers. Raises ConfigurationError for what cannot hold."""
    if settings.daily_cost and not (settings.input_price and settings.output_price):
        raise ConfigurationError(
            "CITESIDE_DAILY_COST needs CITESIDE_INPUT_PRICE and CITESIDE_OUTPUT_PRICE: what a million tokens cost"
        )
    file = settings.instructions_file if model != NAME else None
    return Tariff(settings, model, -(-file.stat().st_size // BYTES_PER_TOKEN) if file else 0)


def _spread(unit: Literal["tokens", "cost"], amount: int, most: int, usual: int) -> Charge:
    """Return a charge against what all share, in rows of which each has room for a hundred turns of the `usual` size.

    By the turn's own size, long questions and short ones would count in other rows, and have a whole budget each.
    """
    shards = max(1, min(SHARDS, most // (100 * usual))) if usual else 1
    return Charge(unit, "all", unit, DAY, amount, most, shards)


def _tokens(text: str) -> int:
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


class Refused(Problem):
    """A turn, a session or a search that was asked for in order, and is not given now."""


def refusal(refused: Limited | TooManyRunning | Paused) -> Refused:
    """Return the problem of a turn, a session or a search that the terms refuse."""
    match refused:
        case Paused():
            detail = "New questions are not taken at the moment: the operator has paused them. Try again later."
            return Refused(503, "paused", detail, retry_after=MINUTE)
        case TooManyRunning():
            detail = "Too many answers are being written for your network. Wait until one of them ends."
            return Refused(429, "too_many_running", detail, retry_after=AGAIN)
        case Limited(charge=charge, retry_after=after):
            if charge.unit in ("tokens", "cost"):
                detail = "The budget of today is used up. It begins anew at midnight UTC; searching still works."
                return Refused(429, "budget_exhausted", detail, retry_after=after)
            if charge.whose == "address":
                detail = "Too many requests came from your network. Wait until the time in Retry-After has passed."
                return Refused(429, "rate_limited_address", detail, retry_after=after)
            detail = "Too many questions came in a short time. Wait until the time in Retry-After has passed."
            return Refused(429, "rate_limited", detail, retry_after=after)


def is_admin(given: str, settings: Settings) -> bool:
    """Tell whether a request that gives an admin token gives the right one, in a time that does not tell how near."""
    known = settings.admin_token.get_secret_value() if settings.admin_token else ""
    return bool(known) and hmac.compare_digest(given.encode(), known.encode())
