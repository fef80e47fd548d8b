"""Chooses who answers: an OpenAI-compatible model when one is configured, the text's own sentences otherwise."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from graph.answerers import ModelAnswerer, ModelCondenser, ModelSelectionAnswerer
from graph.condense import RuleCondenser
from graph.errors import ConfigurationError
from graph.extractive import NAME, ExtractiveAnswerer, ExtractiveSelectionAnswerer
from graph.ports import Answerer, Condenser, SelectionAnswerer, Sufficiency
from graph.sufficiency import Abstaining, WordSufficiency
from server.settings import Settings

READ_TIMEOUT = 30.0
"""Seconds without a byte from the model after which it counts as away."""

MAX_TOKENS = 4_000
"""Bound of one answer: a docs answer takes hundreds; the rest is room for models that think first."""

MAX_INSTRUCTIONS = 20_000
"""Characters of the instructions file; it is paid for with every question."""


@dataclass(frozen=True, slots=True)
class Answerers:
    """Everything of a turn that may have a language model behind it."""

    model_name: str
    grounded: Answerer
    selection: SelectionAnswerer
    condenser: Condenser
    sufficiency: Sufficiency


def open_answerers(settings: Settings) -> Answerers:
    """Return the answerers that `settings` ask for; a key or a base URL turns the model on.

    Raises ConfigurationError when the instructions file cannot be read.
    """
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return Answerers(
            model_name=NAME,
            grounded=ExtractiveAnswerer(),
            selection=ExtractiveSelectionAnswerer(),
            condenser=RuleCondenser(),
            sufficiency=WordSufficiency(),
        )
    from langchain_openai import ChatOpenAI  # 3 s of CPU, only paid by those who have a model

    model = ChatOpenAI(
        model=settings.model,
        api_key=settings.openai_api_key or SecretStr("none"),  # local servers want one, whatever it is
        base_url=settings.openai_base_url,
        timeout=READ_TIMEOUT,
        max_retries=1,
        max_completion_tokens=MAX_TOKENS,
    )
    instructions = _instructions(settings.instructions_file)
    return Answerers(
        model_name=settings.model,
        grounded=ModelAnswerer(model, settings.model, instructions),
        selection=ModelSelectionAnswerer(model, settings.model),
        condenser=ModelCondenser(model),
        sufficiency=Abstaining(),
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
