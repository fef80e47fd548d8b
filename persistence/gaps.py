"""Reads the questions that were not answered well, from the view `content_gaps`."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from persistence.messages import Stored
from persistence.postgres import Database

Kind = Literal["not_covered", "insufficient", "partial", "unsupported", "disliked"]
KINDS: tuple[Kind, ...] = ("not_covered", "insufficient", "partial", "unsupported", "disliked")

AT_MOST = 20_000
"""Questions read, the latest ones: half a minute of embedding."""


class Gap(Stored):
    """A question, and the signs that its answer left something open.

    `reader` tells apart who asked: the host site's user where it named one, else the session. `pages` are the nearest,
    those cited, or the one where the text was marked; `missing` is what a selection lacked.
    """

    turn_id: UUID
    reader: str
    mode: Literal["grounded", "constrained"]
    asked_at: datetime
    question: str
    kinds: tuple[Kind, ...]
    version: str | None
    locale: str | None
    pages: tuple[str, ...]
    missing: tuple[str, ...]


async def read_gaps(db: Database, days: int, *, version: str | None = None, locale: str | None = None) -> list[Gap]:
    """Return the gaps of the last `days`, the latest first, of one version or locale if named."""
    rows = await db.fetch(
        """
        select turn_id, reader, mode, asked_at, question, kinds, version, locale, pages, missing
        from content_gaps
        where asked_at > now() - make_interval(days => $1)
          and ($2::text is null or version = $2) and ($3::text is null or locale = $3)
        order by asked_at desc, turn_id
        limit $4
        """,
        days,
        version,
        locale,
        AT_MOST,
        idempotent=True,
    )
    return [Gap.model_validate(dict(row)) for row in rows]
