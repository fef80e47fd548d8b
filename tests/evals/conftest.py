"""A synthetic site that was indexed once for all tests that ask about it."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from evals.run import prepare
from evals.sites import EvalSite, read_site
from evals.synthetic import write_synthetic_site
from server.settings import Settings
from tests.postgres_fixtures import database_url, server_url

__all__ = ["database_url", "server_url"]


@pytest.fixture(scope="session")
def eval_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the data of services; as root the embedded Postgres must be able to enter it."""
    folder = tmp_path_factory.mktemp("evals")
    for part in (folder, folder.parent):
        part.chmod(0o711)
    return folder


@pytest.fixture(scope="session")
def plain_settings(eval_folder: Path) -> Settings:
    """Settings without anything of the machine's."""
    return Settings(_env_file=None, data_dir=eval_folder / "none")  # pyright: ignore[reportCallIssue]


@pytest.fixture(scope="session")
def synthetic(eval_folder: Path, plain_settings: Settings) -> EvalSite:
    """The synthetic site, written and indexed."""
    site = read_site("synthetic", write_synthetic_site(eval_folder / "site"))
    prepare(plain_settings, site, eval_folder, lambda *_: None)
    return site


@pytest.fixture(scope="session", autouse=True)
def _langsmith_is_not_told_of_tests(_ambient_variables_do_not_reach_the_tests: None) -> None:
    """Run tests marked `langsmith` offline, unless CITESIDE_TEST_LANGSMITH says otherwise."""
    os.environ["LANGSMITH_TEST_TRACKING"] = os.environ.get("CITESIDE_TEST_LANGSMITH", "false")


@pytest.fixture(scope="session")
def served(database_url: str, plain_settings: Settings) -> Settings:
    """Settings of a server on the tests' database."""
    return plain_settings.model_copy(update={"database_url": SecretStr(database_url)})
