"""`citeside sessions`: closes a session whose token fell into wrong hands."""

import argparse
from typing import TYPE_CHECKING
from uuid import UUID

from graph.errors import CitesideError

if TYPE_CHECKING:
    from server.settings import Settings


class SessionsCommand:
    """Revokes sessions."""

    name = "sessions"
    help = "Revoke a session: its token opens nothing any more, and what was said in it is kept."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is done, and to which session."""
        parser.add_argument("action", choices=["revoke"])
        parser.add_argument("session_id", type=UUID, metavar="ID", help="the session's id, as logs have it")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Revoke it, or say that there is none."""
        import asyncio

        if not asyncio.run(_revoke(settings, args.session_id)):
            raise CitesideError(f"There is no open session {args.session_id}.")
        print(f"Session {args.session_id} is revoked.")
        return 0


command = SessionsCommand()


async def _revoke(settings: "Settings", session_id: UUID) -> bool:
    from persistence.sessions import Sessions
    from server.service import database_of

    async with database_of(settings) as database:
        return await Sessions(database).revoke(session_id)
