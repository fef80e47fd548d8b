"""Stores are tested against the embedded Postgres."""

from tests.postgres_fixtures import database, database_url, empty_database, server_url

__all__ = ["database", "database_url", "empty_database", "server_url"]
