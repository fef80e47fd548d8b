"""Makes the ids of everything stored, in the application, so that a write can be sent twice."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a UUIDv7: random, and ordered by the time it was made, so that neighbours in time share index pages."""
    return uuid7()
