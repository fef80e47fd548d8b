"""How the service comes up: with nothing set, and with a database that is not ready."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import SecretStr

from graph.errors import ConfigurationError
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.postgres_fixtures import empty_database

__all__ = ["empty_database"]

pytestmark = pytest.mark.anyio


async def test_with_nothing_set_everything_is_embedded(tmp_path: Path) -> None:
    async with open_service(Settings(_env_file=None, data_dir=tmp_path)) as service:  # pyright: ignore[reportCallIssue]
        session, token = await service.sessions.create(user_key=None)
        assert await service.sessions.authenticate(token) == session
        assert service.answerers.model_name == "extractive"


def test_a_start_without_a_model_does_not_pay_for_its_client() -> None:
    program = """
        import sys
        import server.app, server.service, server.turns, persistence.embeddings, persistence.index
        from server.models import open_answerers
        from server.settings import Settings
        open_answerers(Settings(_env_file=None))
        print([name for name in ("aiohttp", "langchain_openai", "openai") if name in sys.modules])
    """
    ran = subprocess.run([sys.executable, "-c", dedent(program)], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"


async def test_a_database_that_was_not_migrated_is_refused_with_what_to_do(
    settings: Settings, empty_database: str
) -> None:
    foreign = settings.model_copy(update={"database_url": SecretStr(empty_database)})
    with pytest.raises(ConfigurationError, match=r"0001_initial.*Run `citeside migrate` first"):
        async with open_service(foreign):
            pass


@pytest.mark.parametrize("part", ["chatkit", "mcp"])
def test_a_part_without_its_package_is_told_with_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == part or f"server.{part}" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, f"server.routes.{part}", raising=False)
    monkeypatch.setitem(sys.modules, part, None)
    with pytest.raises(ConfigurationError, match=rf"CITESIDE_{part.upper()} is on.*citeside\[{part}\]"):
        create_app(settings.model_copy(update={part: True}))
