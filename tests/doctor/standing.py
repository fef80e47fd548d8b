"""A whole deployment that is as it should be: a server process, Postgres, an index, and a model that streams."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.mock_openai import Script, mock_openai
from persistence.migrate import migrate
from server.cli.serve import running_server
from server.doctor.model import ASKED
from server.doctor.stream import SELECTION
from server.settings import Settings
from tests.faults.site import ingest_once

ORIGIN = "https://docs.example"
TOKEN = "operator-0123456789abcdef"
KEY = "sk-key-of-the-model"


@dataclass(frozen=True)
class Standing:
    """The server's address, its settings, a folder for more, and where databases can be made."""

    url: str
    settings: Settings
    folder: Path
    server_url: str

    def but(self, **changes: Any) -> Settings:
        """Return the settings with some of them changed."""
        return Settings.model_validate({**_values(self.settings), **changes})


def _values(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.model_fields_set}


def counting(body: dict[str, Any]) -> Script:
    """Count when the doctor asks to, and quote the selection sentence by sentence otherwise."""
    if body["messages"][-1]["content"] == ASKED:
        return Script(pieces=[f"{number} " for number in range(1, 21)], delay=0.01)
    quotes = [json.dumps({"quote": f"{sentence.rstrip('.')}."}) + "\n" for sentence in SELECTION.split(". ")]
    return Script(pieces=quotes, delay=0.12)


@asynccontextmanager
async def standing(folder: Path, server_url: str, database_url: str) -> AsyncIterator[Standing]:
    """Put up the deployment in `folder`, on a database that is migrated here."""
    await migrate(database_url)
    data = await asyncio.to_thread(ingest_once, folder / "ingested")
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(mock_openai(counting))
        variables = {
            "DATABASE_URL": database_url,
            "OPENAI_BASE_URL": model,
            "OPENAI_API_KEY": KEY,
            "CITESIDE_DATA_DIR": str(data),
            "CITESIDE_CORS_ORIGINS": ORIGIN,
            "CITESIDE_ADMIN_TOKEN": TOKEN,
            "CITESIDE_TRUSTED_PROXIES": "127.0.0.1",
            "CITESIDE_ADDRESS_SESSIONS_PER_HOUR": "0",  # all tests are one address
            "CITESIDE_ADDRESS_TURNS_PER_MINUTE": "0",
        }
        settings = Settings.model_validate(
            {
                "database_url": database_url,
                "openai_base_url": model,
                "openai_api_key": KEY,
                "data_dir": data,
                "cors_origins": ORIGIN,
                "admin_token": TOKEN,
                "trusted_proxies": "127.0.0.1",
            }
        )
        url = await stack.enter_async_context(_serving(folder, data, variables))
        yield Standing(url, settings, folder, server_url)


@asynccontextmanager
async def _serving(folder: Path, data: Path, variables: dict[str, str]) -> AsyncIterator[str]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "server.cli", "serve", "--port", "0"],
            env=os.environ | variables,
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        while not (url := running_server(data)):
            assert process.poll() is None, (folder / "log").read_text()
            await asyncio.sleep(0.1)
        yield url
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
