"""The doctor is tested on servers like those of the server's own tests, and on broken ones."""

from tests.postgres_fixtures import database, database_url, server_url
from tests.server.conftest import anyio_backend, data_dir, settings

__all__ = ["anyio_backend", "data_dir", "database", "database_url", "server_url", "settings"]
