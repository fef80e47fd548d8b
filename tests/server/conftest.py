"""The server is tested over HTTP on a real Postgres; the model is the only stand-in."""

import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.app import create_app
from server.logs import JsonLines
from server.service import open_service
from server.settings import Settings
from tests.postgres_fixtures import database, database_url, server_url
from tests.server.http import Reader, in_process
from tests.server.stand_ins import KnownPassages, Scripted, answerers
from tests.unlimited import NO_LIMITS

__all__ = ["database", "database_url", "server_url"]

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder for all tests: the embedding model is built in it once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for each module, so that its tests can share an application."""
    return "asyncio"


@pytest.fixture(scope="session")
def settings(database_url: str, data_dir: Path) -> Settings:
    """Settings of a server on the tests' database."""
    return Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=database_url,  # pyright: ignore[reportArgumentType]
        data_dir=data_dir,
        cors_origins=("https://docs.example",),
        **NO_LIMITS,  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture
def model() -> Scripted:
    """The model of this test, which says what the test lets it say."""
    return Scripted()


@pytest.fixture
async def reader(settings: Settings, model: Scripted) -> AsyncIterator[Reader]:
    """A reader with a session, in front of an application in this process."""
    opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
    async with in_process(create_app(settings, opening=opening)) as client:
        yield await Reader.arrive(client)


@pytest.fixture(scope="module")
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """An application in this process for all tests of a module; each brings a reader of its own."""
    opening = partial(open_service, answerers=answerers(Scripted()), retriever=KnownPassages())
    async with in_process(create_app(settings, opening=opening)) as client:
        yield client


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Everything that was logged, as an operator would read it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)
