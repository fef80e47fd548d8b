"""Chooses who answers: an OpenAI-compatible model when one is configured, the text's own sentences otherwise."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from graph.answerers import ModelAnswerer, ModelCondenser, ModelSelectionAnswerer
from graph.condense import RuleCondenser
from graph.errors import ConfigurationError
from graph.extractive import NAME, ExtractiveAnswerer, ExtractiveSelectionAnswerer
from graph.patience import Patience
from graph.ports import Answerer, Condenser, SelectionAnswerer, Sufficiency
from graph.sufficiency import Abstaining, WordSufficiency
from server.settings import Settings

if TYPE_CHECKING:
    from server.chat_model import LeanChatOpenAI

MAX_TOKENS = 4_000
"""Bound of one answer: a docs answer takes hundreds; the rest is room for models that think first."""

MAX_INSTRUCTIONS = 20_000
"""Characters of the instructions file; it is paid for with every question."""


async def _nothing_to_close() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Answerers:
    """Everything of a turn that may have a language model behind it."""

    model_name: str
    grounded: Answerer
    selection: SelectionAnswerer
    condenser: Condenser
    sufficiency: Sufficiency
    aclose: Callable[[], Awaitable[None]] = _nothing_to_close


def open_answerers(settings: Settings) -> Answerers:
    """Return the answerers that `settings` ask for; a key or a base URL turns the model on. The service closes them.

    Raises ConfigurationError when the instructions file cannot be read.
    """
    if not settings.has_model:
        return Answerers(
            model_name=NAME,
            grounded=ExtractiveAnswerer(),
            selection=ExtractiveSelectionAnswerer(),
            condenser=RuleCondenser(),
            sufficiency=WordSufficiency(),
        )
    instructions = _instructions(settings.instructions_file)
    from server.model_faults import judge

    model = chat_model(settings)
    patience = Patience(silence=settings.model_timeout, judge=judge)
    # The rule of `graph.condense` does nearly as well, so a turn does not wait for a model that is away twice as long.
    briefly = replace(patience, silence=patience.silence / 2, attempts=1)
    return Answerers(
        model_name=settings.model,
        grounded=ModelAnswerer(model, settings.model, instructions, patience),
        selection=ModelSelectionAnswerer(model, settings.model, patience),
        condenser=ModelCondenser(model, briefly),
        sufficiency=Abstaining(),
        aclose=model.aclose,
    )


def chat_model(settings: Settings) -> "LeanChatOpenAI":
    """Return the chat model; its client does not ask again by itself, for a turn knows better when that may help."""
    from server.chat_model import LeanChatOpenAI  # 3 s of CPU, only paid by those who have a model

    return LeanChatOpenAI(
        model=settings.model,
        api_key=settings.openai_api_key or SecretStr("none"),  # local servers want one, whatever it is
        base_url=settings.openai_base_url,
        max_retries=0,
        max_completion_tokens=MAX_TOKENS,
        stream_usage=settings.openai_base_url is None,  # other servers may refuse `stream_options`
        stream_chunk_timeout=None,  # `graph.patience` keeps the time
    )


def _instructions(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"CITESIDE_INSTRUCTIONS_FILE {file} cannot be read: {error}") from error
    if len(text) > MAX_INSTRUCTIONS:
        raise ConfigurationError(
            f"CITESIDE_INSTRUCTIONS_FILE {file} has {len(text)} characters; {MAX_INSTRUCTIONS} are the most"
        )
    return text
