"""What an operator may set: read once from the environment and `.env`, by the app factory and the command line."""

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from platformdirs import user_data_dir
from pydantic import AfterValidator, BeforeValidator, Field, FilePath, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from graph.errors import ConfigurationError
from server.addresses import proxy


def _as_list(value: object) -> object:
    """Split `a, b` and read `["a", "b"]`; what is a sequence already stays as it is."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError("is neither a JSON list nor a comma-separated one") from error
    return [part.strip() for part in value.split(",") if part.strip()]


def _exact_origin(origin: str) -> str:
    """Return `origin` when it is one as browsers send it; anything wider would let strangers in."""
    parts = urlsplit(origin)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    as_sent = f"{parts.scheme}://{parts.netloc.lower()}"
    if default_port is None or not parts.hostname or parts.port == default_port or origin != as_sent or "*" in origin:
        raise ValueError(
            "wants exact origins such as https://docs.example.com: scheme and host in lower case, the port unless it "
            "is the scheme's own, no path, no trailing slash, neither * nor null"
        )
    return origin


def _postgres_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("wants a URL that begins with postgresql://")
    return url


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("wants a URL that begins with http:// or https://")
    return url


def _hook(name: str) -> str:
    module, colon, function = name.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), function)):
        raise ValueError("wants module:function, such as server.turnstile:verify")
    return name


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_exact_origin)], ...], NoDecode, BeforeValidator(_as_list)]

Proxies = Annotated[tuple[Annotated[str, AfterValidator(proxy)], ...], NoDecode, BeforeValidator(_as_list)]
Hook = Annotated[str, AfterValidator(_hook)]
Most = Annotated[int, Field(ge=0, le=2**53)]
Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Every setting with its default, which together run everything in this process without a key.

    Names of other products are kept (`OPENAI_API_KEY`, `DATABASE_URL`, ...); ours begin with `CITESIDE_`. An empty
    value counts as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="CITESIDE_",
        env_file=".env",
        env_ignore_empty=True,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
    )

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: HttpUrl | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    model: str = "gpt-4.1-mini"
    model_timeout: float = Field(default=20, gt=0, allow_inf_nan=False)
    embedding_model: str | None = None
    instructions_file: FilePath | None = None

    database_url: Annotated[SecretStr, AfterValidator(_postgres_url)] | None = Field(
        default=None, validation_alias="DATABASE_URL"
    )
    qdrant_url: HttpUrl | None = Field(default=None, validation_alias="QDRANT_URL")
    qdrant_api_key: SecretStr | None = Field(default=None, validation_alias="QDRANT_API_KEY")
    data_dir: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=lambda: Path(user_data_dir("citeside", appauthor=False))
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    cors_origins: Origins = ("http://localhost:3000", "http://127.0.0.1:3000")
    chatkit: bool = False
    mcp: bool = False
    admin_token: SecretStr | None = None

    # Limits; 0 turns one off.
    trusted_proxies: Proxies = ()
    turns_per_minute: Most = 10
    turns_per_hour: Most = 60
    address_turns_per_minute: Most = 30
    address_running_turns: Annotated[int, Field(ge=0, le=1000)] = 3
    address_sessions_per_hour: Most = 100
    address_searches_per_minute: Most = 120
    daily_tokens: Most = 2_000_000
    session_daily_tokens: Most = 200_000
    daily_cost: Money = 0
    input_price: Money = 0
    output_price: Money = 0
    verify: Hook | None = None
    # What is kept of readers, and for how long.
    retention_days: int = Field(default=90, ge=0, le=36_500)
    scrub: Hook | None = None
    # Where traces go that carry no text. All else about them the SDK reads from OTEL_* itself.
    otel_endpoint: HttpUrl | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    langsmith_tracing: bool = Field(default=False, validation_alias="LANGSMITH_TRACING")
    langsmith_api_key: SecretStr | None = Field(default=None, validation_alias="LANGSMITH_API_KEY")
    langsmith_project: str | None = Field(default=None, validation_alias="LANGSMITH_PROJECT")
    langsmith_endpoint: HttpUrl | None = Field(default=None, validation_alias="LANGSMITH_ENDPOINT")

    @property
    def has_model(self) -> bool:
        """Tell whether a language model answers: a key or the address of a server turns it on."""
        return self.openai_api_key is not None or self.openai_base_url is not None


def variable(field: str) -> str:
    """Return the environment variable that sets `field`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"CITESIDE_{field.upper()}"


def load_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Read the environment and `env_file`. Raises ConfigurationError: a line for each wrong variable, no values."""
    try:
        return Settings(_env_file=env_file)  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        lines = (f"{_named(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}" for problem in wrong)
        raise ConfigurationError("\n".join(dict.fromkeys(lines))) from None


def _named(loc: tuple[int | str, ...]) -> str:
    name = str(loc[0])
    return variable(name) if name in Settings.model_fields else name.upper()
