"""Looks at the chat model: whether it can be reached, takes the key, and streams."""

import asyncio
import time
from contextlib import aclosing
from typing import Any, cast

from persistence.addresses import without_credentials
from server.doctor.findings import Finding, fail, ok, skipped, warn
from server.doctor.machine import Machine

ASKED = "Count from 1 to 20 in digits, with blanks between them and no other text."
TOKENS = 40
"""The most that are paid for: fewer would not show whether they come one by one."""
AT_ONCE = 8
"""Words in one piece, when there is no other."""


async def model(machine: Machine) -> Finding:
    """Have the model count, and see whether the numbers come one after the other."""
    settings = machine.settings
    if not settings.has_model:
        return skipped("No model is configured: answers are made of the docs' own sentences.")
    from langchain_core.messages import HumanMessage

    from server.models import chat_model

    chat = await asyncio.to_thread(chat_model, settings)
    where = f"{settings.model} at {without_credentials(settings.openai_base_url or 'OpenAI')}"
    began = time.monotonic()
    pieces: list[tuple[float, str]] = []
    finish = ""
    try:
        async with asyncio.timeout(settings.model_timeout):
            stream = chat.astream([HumanMessage(ASKED)], max_completion_tokens=TOKENS)
            async with aclosing(cast(Any, stream)) as chunks:
                async for chunk in chunks:
                    finish = chunk.response_metadata.get("finish_reason") or finish
                    if chunk.text:
                        pieces.append((time.monotonic() - began, chunk.text))
    except TimeoutError:
        return fail(
            f"{where} was not done within {settings.model_timeout:g} s.",
            "See whether the model is overloaded; one that thinks silently wants a larger CITESIDE_MODEL_TIMEOUT.",
        )
    except Exception as error:  # of the SDK, of aiohttp, or of reading what is no stream
        return _failure(where, error)
    finally:
        await chat.aclose()
    text = "".join(piece for _, piece in pieces)
    if not text and not finish:
        return fail(
            f"{where} answered, but not as a stream of Server-Sent Events.",
            "Turn streaming on in the model's server or gateway, and see that OPENAI_BASE_URL ends where "
            "/chat/completions begins, often in /v1.",
        )
    cost = f"This cost at most {TOKENS} tokens."
    if not text:
        return ok(f"{where} answers, and thinks for longer than {TOKENS} tokens before it writes. {cost}")
    first = pieces[0][0]
    if len(pieces) == 1 and len(text.split()) >= AT_ONCE:
        return warn(
            f"{where} gave all {len(text.split())} words at once, after {first:.1f} s: readers wait for whole answers.",
            "Turn off buffering in the gateway between here and the model, or streaming on in the model's server.",
        )
    return ok(f"{where} streams: first text after {first:.2f} s, {len(pieces)} pieces. {cost}")


def _failure(where: str, error: Exception) -> Finding:
    """Name what went wrong by its status; the provider's words may quote the key, so they are left out."""
    match getattr(error, "status_code", None):
        case 401 | 403 as status:
            return fail(
                f"{where} refuses the key ({status}).", "Set OPENAI_API_KEY to a valid key of this model's server."
            )
        case 404:
            return fail(
                f"{where} is not there (404).", "Correct CITESIDE_MODEL, or OPENAI_BASE_URL (it often ends in /v1)."
            )
        case 429:
            return fail(
                f"{where} refuses for now (429).", "Wait, or raise the quota or the balance of this key's account."
            )
        case int(status):
            return fail(f"{where} refuses with status {status}.", "See the log of the model's server or gateway.")
        case _:
            return fail(
                f"{where} cannot be reached or read ({type(error).__name__}).",
                "See that OPENAI_BASE_URL is right, and that the model's server runs and can be reached from here.",
            )
