"""Settings: what an operator writes, and what is said when it is wrong."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from graph.errors import ConfigurationError
from server.settings import Settings, load_settings, variable

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_the_example_file_names_every_setting_with_its_default() -> None:
    assert sorted(dotenv_values(EXAMPLE)) == sorted(map(variable, Settings.model_fields))
    assert load_settings(EXAMPLE) == load_settings(None)


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.setenv("CITESIDE_PORT", "")
    assert load_settings(None).openai_api_key is None
    assert load_settings(None).port == 8000


@pytest.mark.parametrize("written", ["https://a.example,http://b:3", '["https://a.example", "http://b:3"]'])
def test_origins_come_as_a_list_of_either_kind(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("CITESIDE_CORS_ORIGINS", written)
    assert load_settings(None).cors_origins == ("https://a.example", "http://b:3")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "https://a.example/",
        "https://a.example/docs",
        "https://a.example:443",
        "https://a.example:99999",
        "HTTPS://a.example",
        "a.example",
        "https://",
        "ftp://a.example",
        '["https://a.example"',
    ],
)
def test_anything_but_an_exact_origin_is_refused(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    monkeypatch.setenv("CITESIDE_CORS_ORIGINS", origin)
    with pytest.raises(ConfigurationError, match=r"^CITESIDE_CORS_ORIGINS: "):
        load_settings(None)


def test_wrong_settings_get_one_line_each_without_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITESIDE_PORT", "eight-thousand")
    monkeypatch.setenv("DATABASE_URL", "mysql://root:hunter2@db/chat")
    monkeypatch.setenv("CITESIDE_INSTRUCTIONS_FILE", "/no/such/file")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None)
    assert str(refused.value).splitlines() == [
        "CITESIDE_INSTRUCTIONS_FILE: Path does not point to a file",
        "DATABASE_URL: wants a URL that begins with postgresql://",
        "CITESIDE_PORT: Input should be a valid integer, unable to parse string as an integer",
    ]


def test_secrets_do_not_show_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    monkeypatch.setenv("DATABASE_URL", "postgresql://root:hunter2@db/chat")
    assert "hunter2" not in repr(load_settings(None))
