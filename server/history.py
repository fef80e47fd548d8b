"""Chooses what a turn may see of its thread: earlier turns of its own kind, and no more than a model can use."""

from collections.abc import Iterator, Sequence

from graph.types import CONSTRAINED_LABEL, Exchange
from persistence.messages import AssistantMetadata, Message, UserMetadata

GROUNDED_TURNS = 6
GROUNDED_LENGTH = 8_000
"""Code points: about 2,000 tokens of English."""

CONSTRAINED_TURNS = 4


def grounded_history(earlier: Sequence[Message]) -> tuple[Exchange, ...]:
    """Return the last grounded exchanges of a thread, oldest first, without their markers, as many as fit."""
    chosen: list[Exchange] = []
    room = GROUNDED_LENGTH
    for question, _, answer, told in _exchanges(earlier):
        if told.mode != "grounded":
            continue
        exchange = Exchange(question=question.content, answer=_without_markers(answer.content, told))
        room -= len(exchange.question) + len(exchange.answer)
        if room < 0 or len(chosen) == GROUNDED_TURNS:
            break
        chosen.append(exchange)
    return tuple(reversed(chosen))


def selection_history(earlier: Sequence[Message], selection: str) -> tuple[Exchange, ...]:
    """Return the last turns of a thread on the same selection, oldest first, without the label."""
    same = [
        Exchange(question=question.content, answer=answer.content.removeprefix(f"{CONSTRAINED_LABEL}\n\n"))
        for question, asked, answer, told in _exchanges(earlier)
        if told.mode == "constrained" and asked.selection and asked.selection.text == selection
    ]
    return tuple(reversed(same[:CONSTRAINED_TURNS]))


def _exchanges(earlier: Sequence[Message]) -> Iterator[tuple[Message, UserMetadata, Message, AssistantMetadata]]:
    """Yield each question with its answer, newest first; what was not answered is left out."""
    questions = {m.turn_id: (m, m.metadata) for m in earlier if isinstance(m.metadata, UserMetadata)}
    for answer in reversed(earlier):
        if isinstance(answer.metadata, AssistantMetadata) and answer.turn_id in questions:
            yield *questions[answer.turn_id], answer, answer.metadata


def _without_markers(text: str, told: AssistantMetadata) -> str:
    for citation in sorted(told.citations, key=lambda c: -c.at):
        text = text[: citation.at].removesuffix(" ") + text[citation.at + len(f"[{citation.marker}]") :]
    return text
