"""Has an operator's hook decide who gets a session, where CITESIDE_VERIFY names one."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from graph.errors import ConfigurationError
from server.hooks import load_hook
from server.logs import log_for
from server.problems import Problem

log = log_for(__name__)

Verify = Callable[[str, str], Awaitable[bool]]
"""Tells whether a proof holds that came from an address: async (proof, address) -> bool. The address may be empty."""

PATIENCE = 10.0
"""Seconds a hook gets."""


def open_verify(name: str | None) -> Verify | None:
    """Return the hook of that name. Raises ConfigurationError when there is none, or it is no coroutine function."""
    if name is None:
        return None
    verify = load_hook("CITESIDE_VERIFY", name)
    if not iscoroutinefunction(verify):
        raise ConfigurationError(f"CITESIDE_VERIFY={name} wants a function written with `async def`.")
    return verify


async def check_proof(verify: Verify, proof: str | None, address: str) -> None:
    """Pass when the proof holds. Raises Problem when it does not, or cannot be checked: nobody gets in unchecked."""
    if proof is None:
        raise Problem(403, "proof_required", "A session is given to whoever shows in `proof` that they are no robot.")
    try:
        async with asyncio.timeout(PATIENCE):
            holds = await verify(proof, address)
    except Exception as error:  # it is the operator's own code
        log.error("proof not checked", exc_info=error)
        raise Problem(
            503, "proof_unchecked", "The proof cannot be checked at the moment. Try again.", retry_after=5
        ) from None
    if holds is not True:
        raise Problem(403, "proof_refused", "The proof does not hold. Load the page again and repeat the check.")
