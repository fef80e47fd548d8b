"""Checks proofs with Cloudflare Turnstile: CITESIDE_VERIFY=server.turnstile:verify and TURNSTILE_SECRET turn it on.

Another check is a function of the same form in a module of your own.
"""

import os

import aiohttp

from graph.errors import ConfigurationError

SITEVERIFY = "https://challenges.cloudflare.com/turnstile/v0/siteverify"
PATIENCE = aiohttp.ClientTimeout(total=8)

if not (_SECRET := os.environ.get("TURNSTILE_SECRET", "")):
    raise ConfigurationError("server.turnstile needs TURNSTILE_SECRET, the secret key of your Turnstile widget.")


async def verify(proof: str, address: str) -> bool:
    """Tell whether Turnstile gave out this token, for this secret, and has not seen it before.

    Cloudflare is told the token and not the reader's address, which it saw itself. Raises aiohttp's errors when it
    cannot be reached, and ValueError when it says that our secret is wrong, which is no fault of the reader.
    """
    sent = {"secret": _SECRET, "response": proof}
    async with aiohttp.ClientSession(timeout=PATIENCE) as client, client.post(SITEVERIFY, data=sent) as answer:
        told = await answer.json()
    if any(code.endswith("input-secret") for code in told.get("error-codes", ())):
        raise ValueError("Turnstile does not know the key in TURNSTILE_SECRET")
    return told["success"] is True
