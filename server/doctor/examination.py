"""Runs checks side by side, each with a deadline of its own, and lets no secret into what they found."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from graph.errors import CitesideError
from server.doctor.findings import Check, Finding, fail, skipped

DEADLINE = 240.0
"""Seconds that all checks of a list get together."""


class Examined(Protocol):
    """What checks look at; `secrets` must show in nothing they say."""

    @property
    def secrets(self) -> Iterable[str]:
        """Passwords, keys and tokens, as they are and as they are written in a URL."""
        ...


Subject = TypeVar("Subject", bound=Examined)


async def examine(checks: Sequence[Check[Subject]], subject: Subject) -> AsyncIterator[tuple[Check[Subject], Finding]]:
    """Run all checks at once as far as they allow it, and yield what each found, in the order of the list."""
    running: dict[str, asyncio.Task[Finding]] = {}
    ends = asyncio.get_running_loop().time() + DEADLINE
    try:
        for check in checks:
            needs = {name: running[name] for name in check.needs}
            after = [running[name] for name in check.after]
            running[check.id] = asyncio.create_task(_examined(check, subject, needs, after, ends))
        for check in checks:
            yield check, _without_secrets(await running[check.id], subject.secrets)
    finally:
        for task in running.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _examined(
    check: Check[Subject],
    subject: Subject,
    needs: dict[str, asyncio.Task[Finding]],
    after: Sequence[asyncio.Task[Finding]],
    ends: float,
) -> Finding:
    if before := [*needs.values(), *after]:
        await asyncio.wait(before)
    for name, need in needs.items():
        if need.result().outcome in ("fail", "skipped"):
            return skipped(f"Not looked at: see {name}.")
    deadline = min(ends, asyncio.get_running_loop().time() + check.seconds)
    try:
        async with asyncio.timeout_at(deadline):
            return await check.run(subject)
    except TimeoutError:
        return fail(f"Nothing was heard within {check.seconds:.0f} s.", "See whether what is asked is there and busy.")
    except CitesideError as error:
        return fail(str(error), "Do what the message says.")
    except Exception as error:  # a check that breaks is a finding as well, and the others still count
        reason = str(error).partition("\n")[0]
        return fail(f"The check itself broke: {type(error).__name__}: {reason}", "Please report this as a bug.")


def _without_secrets(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Hide secrets that a message of another program may quote, but for those of three characters and less."""
    for secret in sorted(filter(lambda secret: len(secret) >= 4, secrets), key=len, reverse=True):
        finding = finding._replace(
            detail=finding.detail.replace(secret, "***"), mend=finding.mend.replace(secret, "***")
        )
    return finding
