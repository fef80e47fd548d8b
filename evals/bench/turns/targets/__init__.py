"""The servers that are compared. Each takes `POST /chat/stream {"message": ...}` and answers with Server-Sent Events.

They find the model in `OPENAI_BASE_URL` and the database in `DATABASE_URL`.
"""

from dataclasses import dataclass
from typing import Literal

TargetName = Literal["citeside", "passthrough", "tutorial", "model"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a server is asked, and which of its events carry text."""

    name: TargetName
    module: str
    text_event: bytes
    path: str = "/chat/stream"
    sessions: bool = False
    """Each reader needs the token of a session."""


CITESIDE = Kind("citeside", "evals.bench.turns.targets.citeside", b"delta", sessions=True)
PASSTHROUGH = Kind("passthrough", "evals.bench.turns.targets.passthrough", b"token")
TUTORIAL = Kind("tutorial", "evals.bench.turns.targets.tutorial", b"token")
MODEL = Kind("model", "evals.bench.turns.model", b"", path="/v1/chat/completions")
"""The stand-in itself, read directly: what no server in front of it can exceed."""

KINDS = (CITESIDE, PASSTHROUGH, TUTORIAL)
