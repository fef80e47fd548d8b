"""Fixtures every folder shares."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

WELL_KNOWN = ("OPENAI_", "DATABASE_URL", "QDRANT_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "PROMETHEUS_", "CITESIDE_")


@pytest.fixture(scope="session", autouse=True)
def _ambient_variables_do_not_reach_the_tests() -> None:
    """Drop settings of the machine, so that a test means the same everywhere; CITESIDE_TEST_* turn real services on."""
    for name in list(os.environ):
        if name.startswith(WELL_KNOWN) and not name.startswith("CITESIDE_TEST_"):
            del os.environ[name]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
