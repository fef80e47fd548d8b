"""`citeside sessions`: a copy of all that is stored about a reader, its erasure, the end of a lost token."""

import argparse
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from graph.errors import CitesideError

if TYPE_CHECKING:
    from persistence.sessions import Sessions
    from server.settings import Settings


class SessionsCommand:
    """Erases, exports and revokes sessions, beside a server that runs or without one."""

    name = "sessions"
    help = "Erase or export what is stored about a reader, or revoke the token of a session."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is done, and to whose sessions."""
        parser.add_argument(
            "action",
            choices=["erase", "export", "revoke"],
            help="delete all that is stored, print it as JSON, or let the token open nothing and keep what was said",
        )
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument(
            "session_id", nargs="?", type=_session_id, metavar="ID", help="the session's id, as logs have it"
        )
        whose.add_argument("--user-key", metavar="KEY", help="all sessions that your site opened for this user")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Do what is asked. Raises CitesideError when there is no such session."""
        import asyncio

        act = {"erase": _erase, "export": _export, "revoke": _revoke}[args.action]
        asyncio.run(act(settings, args.session_id, args.user_key))
        return 0


command = SessionsCommand()


def _session_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError("this is no session's id") from None


async def _erase(settings: "Settings", session_id: UUID | None, user_key: str | None) -> None:
    async with _found(settings, session_id, user_key) as (sessions, ids):
        for each in ids:
            await sessions.erase(each)
            print(f"erased: {each}")


async def _export(settings: "Settings", session_id: UUID | None, user_key: str | None) -> None:
    """Print one JSON array, a session an item, as it is read."""
    async with _found(settings, session_id, user_key) as (sessions, ids):
        for number, each in enumerate(ids):
            sys.stdout.write(", " if number else "[")
            async for piece in sessions.export(each):
                sys.stdout.write(piece)
        print("]")


async def _revoke(settings: "Settings", session_id: UUID | None, user_key: str | None) -> None:
    async with _found(settings, session_id, user_key) as (sessions, ids):
        for each in ids:
            was_open = await sessions.revoke(each)
            print(f"{'revoked' if was_open else 'was closed before'}: {each}")


@asynccontextmanager
async def _found(
    settings: "Settings", session_id: UUID | None, user_key: str | None
) -> "AsyncGenerator[tuple[Sessions, list[UUID]]]":
    """Give the sessions asked for; one that is not there is an error, not nothing to do."""
    from persistence.sessions import Sessions
    from server.service import open_database_of

    async with open_database_of(settings) as database:
        sessions = Sessions(database)
        if session_id is None:
            ids = await sessions.of_user(user_key or "")
        else:
            ids = [session_id] if await sessions.exists(session_id) else []
        if not ids:
            raise CitesideError("There is no session of this id or user key in the database.")
        yield sessions, ids
