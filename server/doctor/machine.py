"""Looks at this machine: its settings, its packages and its disk."""

import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from persistence.postgres import is_local
from server.doctor.findings import Finding, counted, fail, ok, warn
from server.settings import Settings, variable

PACKAGES = ("graph", "server", "persistence", "migrations", "evals")
ROOT = Path(__file__).parents[2]
LEAST_FREE = 200 * 2**20
"""Bytes: an embedded Postgres takes 39 MB, a generation of the index stands beside the one before."""
LITTLE_FREE = 2**30
_PASSWORD = re.compile(r"//[^/:@]*:(.*)@|[?&]password=([^&]*)")
"""By its signs and not by a parser, which would refuse the URL that is to be told about."""
SHORTEST_TOKEN = 16
"""Characters; 128 bits in hexadecimal are 32."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is set on this machine, or `wrong`: why that cannot be read."""

    settings: Settings
    wrong: str = ""
    folder: Path = field(default_factory=Path.cwd)

    @property
    def secrets(self) -> Iterable[str]:
        """All secrets among the settings, and the passwords in their URLs."""
        return secrets_of(self.settings)


def secrets_of(settings: Settings) -> list[str]:
    """Return all secrets among settings; a URL may hold one, as it is written and as it is meant."""
    found = [value.get_secret_value() for value in vars(settings).values() if isinstance(value, SecretStr)]
    for text in [*found, *(value for value in vars(settings).values() if isinstance(value, str))]:
        for password in _PASSWORD.findall(text):
            found += [*password, *map(unquote, password)]
    return [secret for secret in found if secret]


async def settings(machine: Machine) -> Finding:
    """Say whether the environment and .env can be read."""
    if machine.wrong:
        return fail("; ".join(machine.wrong.splitlines()), "Correct these variables in the environment or in .env.")
    given = sorted(map(variable, machine.settings.model_fields_set))
    return ok(
        f"{counted(len(given), 'variable')} set: {', '.join(given)}." if given else "All variables have their defaults."
    )


async def packages(machine: Machine) -> Finding:
    """Compare where Python finds our top-level packages with where this one lies: their names are everyday words."""
    places = {name: _places(name, [str(machine.folder), *sys.path]) for name in PACKAGES}
    loaded = {name: Path(str(sys.modules[name].__file__)).parent for name in PACKAGES if name in sys.modules}
    foreign = {name: place for name, place in loaded.items() if place.parent != ROOT}
    foreign |= {name: found[0] for name, found in places.items() if found and found[0].parent != ROOT}
    if foreign:
        told = ", ".join(f"{name} in {place.parent}" for name, place in foreign.items())
        return fail(
            f"Another package hides ours: {told}.",
            "Start citeside in another folder, take that one out of PYTHONPATH, or install citeside in an environment "
            "of its own.",
        )
    owners = packages_distributions()
    others = {name: sorted(set(owners.get(name, ())) - {"citeside"}) for name in PACKAGES}
    if shared := {name: owner for name, owner in others.items() if owner}:
        told = ", ".join(f"{name} ({', '.join(owner)})" for name, owner in shared.items())
        return fail(
            f"Other distributions bring packages of the same names: {told}.",
            "Install citeside in an environment of its own.",
        )
    return ok(f"All of {', '.join(PACKAGES)} come from {ROOT}.")


def _places(name: str, path: list[str]) -> list[Path]:
    """Return where a package of that name lies along a search path, first come first served."""
    found = []
    for entry in dict.fromkeys(path):
        spec = PathFinder.find_spec(name, [entry or str(Path.cwd())])
        if spec and spec.origin:  # a folder without __init__.py hides nothing
            origin = Path(spec.origin)
            found.append((origin.parent if origin.name == "__init__.py" else origin).resolve())
    return found


async def env_file(machine: Machine) -> Finding:
    """Look at who may read the file of secrets."""
    file = machine.folder / ".env"
    if not file.is_file():
        return ok("There is no .env here; settings come from the environment.")
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return fail(f"Every account of this machine may read {file} (mode {mode:04o}).", f"Run: chmod 600 {file}")
    return ok(f"Only its owner{' and group' if mode & stat.S_IRGRP else ''} may read {file}.")


async def data_folder(machine: Machine) -> Finding:
    """Write into the data folder, or find whether it can be made."""
    folder = machine.settings.data_dir
    mend = "Give this account the folder (chown), or name another one in CITESIDE_DATA_DIR."
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
            return fail(f"{folder} is missing, and cannot be made in {parent}.", mend)
        return ok(f"{folder} will be made at the first start.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ok(f"{folder} can be written to.")
    except OSError as error:
        return fail(f"{folder} cannot be written to: {error.strerror}.", mend)


async def disk(machine: Machine) -> Finding:
    """Look at what is free where the data folder is."""
    folder = machine.settings.data_dir
    free = shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    told = f"{free / 2**30:.1f} GiB are free for {folder}."
    mend = "Free some space, or name a folder on a larger disk in CITESIDE_DATA_DIR."
    if free < LEAST_FREE:
        return fail(told, mend)
    return warn(told, mend) if free < LITTLE_FREE else ok(told)


async def origins(machine: Machine) -> Finding:
    """Look at which sites may ask."""
    allowed = machine.settings.cors_origins
    listed = ", ".join(allowed) or "none"
    mend = "Set CITESIDE_CORS_ORIGINS to the origins of your sites, such as https://docs.example.com."
    if not allowed:
        return fail("No site may ask.", mend)
    if all(is_local(urlsplit(origin).hostname or "") for origin in allowed):
        return warn(f"Only sites of this machine may ask: {listed}.", mend)
    if plain := [origin for origin in allowed if _is_plain(origin)]:
        return warn(f"Sites without TLS may ask: {', '.join(plain)}.", "Serve these sites over https.")
    return ok(f"These may ask: {listed}.")


def _is_plain(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme == "http" and not is_local(parts.hostname or "")


async def admin_token(machine: Machine) -> Finding:
    """Look at whether there is a token for the operator, which cannot be guessed."""
    token = machine.settings.admin_token
    make = "Set CITESIDE_ADMIN_TOKEN to something like the output of: openssl rand -hex 32"
    if token is None:
        return warn("No CITESIDE_ADMIN_TOKEN is set: evaluations meet readers' limits, and /metrics is off.", make)
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        return fail(f"CITESIDE_ADMIN_TOKEN has fewer than {SHORTEST_TOKEN} characters.", make)
    return ok("CITESIDE_ADMIN_TOKEN is set.")


async def limits(machine: Machine) -> Finding:
    """See whether anything bounds what readers may ask, and what that may cost."""
    settings = machine.settings
    counted_by = ("turns_per_minute", "turns_per_hour", "address_turns_per_minute", "address_running_turns")
    bounds = {variable(name): getattr(settings, name) for name in counted_by}
    if settings.has_model:
        bounds[variable("daily_tokens")] = settings.daily_tokens or settings.daily_cost
    off = [name for name, most in bounds.items() if not most]
    mend = f"Remove {', '.join(off)} from the settings to have the defaults, or set a number above 0."
    if not (settings.turns_per_minute or settings.turns_per_hour) and not settings.address_turns_per_minute:
        return fail("Readers may ask without limit: nothing counts their turns.", mend)
    if settings.has_model and not bounds[variable("daily_tokens")]:
        return fail("Nothing bounds what the model may cost in a day.", mend)
    if off:
        return warn(f"Some limits are off: {', '.join(off)}.", mend)
    most = f"At most {settings.turns_per_minute} turns a minute and {settings.turns_per_hour} an hour for a session"
    if not settings.has_model:
        return ok(f"{most}. Without a model there is nothing to pay for.")
    budget = f"{settings.daily_tokens:,} tokens" if settings.daily_tokens else f"a cost of {settings.daily_cost:g}"
    return ok(f"{most}, {budget} a day for all.")


async def proxies(machine: Machine) -> Finding:
    """See whose word on a reader's address counts."""
    settings = machine.settings
    trusted = settings.trusted_proxies
    mend = "Set CITESIDE_TRUSTED_PROXIES to the addresses of your own proxies, such as 127.0.0.1 or 10.0.0.0/8."
    if wide := [each for each in trusted if each.endswith("/0")]:
        return fail(f"Everybody may choose their address by X-Forwarded-For: {', '.join(wide)} is trusted.", mend)
    if trusted:
        return ok(f"X-Forwarded-For is believed of {', '.join(trusted)} alone.")
    if is_local(settings.host):
        return warn(
            f"The server listens on {settings.host}, so that a proxy must stand before it, and none is trusted: all "
            "readers count as one address, and share its limits.",
            mend,
        )
    return ok("No proxy is trusted: X-Forwarded-For is not believed. Behind a proxy all readers count as one address.")


async def retention(machine: Machine) -> Finding:
    """See whether conversations are deleted some day."""
    if days := machine.settings.retention_days:
        return ok(f"Conversations are deleted {counted(days, 'day')} after they were continued last.")
    return warn("Conversations are kept for ever.", "Set CITESIDE_RETENTION_DAYS to as many days as you need them.")


async def tracing(machine: Machine) -> Finding:
    """Say whether texts leave for LangSmith."""
    settings = machine.settings
    if not settings.langsmith_tracing:
        return ok("Nothing is sent to LangSmith.")
    if settings.langsmith_api_key is None and settings.langsmith_endpoint is None:
        return fail(
            "LANGSMITH_TRACING is on, but LANGSMITH_API_KEY is not set: no trace arrives.",
            "Set LANGSMITH_API_KEY, or turn LANGSMITH_TRACING off.",
        )
    return ok("Questions, passages or selections, and answers go to LangSmith; /config tells readers so.")
