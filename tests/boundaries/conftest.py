"""Who may see what, and from which page, is asked of a server like that of its own tests."""

from tests.postgres_fixtures import database, database_url, server_url
from tests.server.conftest import anyio_backend, client, data_dir, model, reader, settings

__all__ = [
    "anyio_backend",
    "client",
    "data_dir",
    "database",
    "database_url",
    "model",
    "reader",
    "server_url",
    "settings",
]
