"""The image, compose.yaml, the workflows and the unit of the docs name what the code has: paths, ports, settings."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

from persistence.embedded_postgres import DEADLINE_S
from server.app import create_app
from server.cli.serve import STOP_SECONDS
from server.settings import Settings, variable

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETTINGS = {variable(name) for name in Settings.model_fields}


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def said(instruction: str) -> list[str]:
    """Return what stands behind an instruction of the Dockerfile, each time."""
    return re.findall(rf"^{instruction} +(.+)$", DOCKERFILE, re.MULTILINE)


def pinned(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))


def environment() -> dict[str, str]:
    return dict(re.findall(r"(CITESIDE_\w+)=(\S+)", " ".join(said("ENV"))))


def test_the_image_holds_every_folder_of_the_distribution_and_the_build_may_see_it() -> None:
    copied = [word for line in said("COPY") if "--from" not in line for word in line.split()[:-1]]
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(let_in)
    assert set(PROJECT["tool"]["uv"]["build-backend"]["module-name"]) < set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_a_python_that_is_tested_and_supported() -> None:
    (python,) = set(re.findall(r"python:(\d+\.\d+)-", " ".join(said("FROM"))))
    tested = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert python in tested["python"]
    assert set(re.findall(r"lib/python(\d+\.\d+)", DOCKERFILE)) == {python}
    assert f">={tested['python'][0]}" == PROJECT["project"]["requires-python"]


def test_the_image_is_run_by_a_user_who_is_not_root_and_owns_the_data_alone() -> None:
    (user,) = said("USER")
    uid, gid = map(int, user.split(":"))
    assert uid == gid == int(re.search(r"useradd --uid (\d+) --user-group", DOCKERFILE)[1]) > 0
    assert said("VOLUME") == [environment()["CITESIDE_DATA_DIR"]] == ["/data"]
    assert said("EXPOSE") == [environment()["CITESIDE_PORT"]] == ["8000"]


def test_the_health_check_asks_a_route_that_is_there_and_fails_when_nobody_answers() -> None:
    (check,) = said("HEALTHCHECK")
    words = yaml.safe_load(check.partition(" CMD ")[2])
    app = create_app(Settings(_env_file=None))
    assert re.findall(r"}(/\w+)'", words[2]) == ["/healthz"]
    assert "/healthz" in app.openapi()["paths"]
    done = subprocess.run([sys.executable, *words[1:]], env={"CITESIDE_PORT": "1"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1][:30]) == (1, "urllib.error.URLError: <urlope")


def unit() -> str:
    """Return the systemd unit of the docs."""
    page = (ROOT / "website/docs/guides/deployment.md").read_text()
    return page.split('title="/etc/systemd/system/citeside.service"\n')[1].partition("```")[0]


def test_every_variable_is_a_setting() -> None:
    texts = [DOCKERFILE, (ROOT / "compose.yaml").read_text(), unit()]
    named = set(re.findall(r"CITESIDE_[A-Z_]+[A-Z]", " ".join(texts)))
    assert named - SETTINGS == {"CITESIDE_LOCK"}  # of compose.yaml itself


def test_only_citeside_can_be_reached_and_from_this_machine_alone() -> None:
    published = {name: service.get("ports") for name, service in compose()["services"].items()}
    assert published == {"citeside": ["127.0.0.1:8000:8000"], "migrate": None, "postgres": None, "qdrant": None}


def test_the_image_is_given_what_it_needs_and_no_more() -> None:
    citeside = compose()["services"]["citeside"]
    assert citeside["environment"].keys() <= SETTINGS
    assert {name: citeside["environment"][name] for name in environment()} == environment()
    assert citeside["volumes"] == [f"data:{said('VOLUME')[0]}"]
    assert (citeside["read_only"], citeside["cap_drop"], citeside["tmpfs"]) == (True, ["ALL"], ["/tmp"])


def test_running_turns_have_time_to_end() -> None:
    graces = [compose()["services"]["citeside"]["stop_grace_period"], *re.findall(r"TimeoutStopSec=(\d+)", unit())]
    assert [int(grace.rstrip("s")) > STOP_SECONDS for grace in graces] == [True, True]
    assert int(re.search(r"--start-period=(\d+)s", DOCKERFILE)[1]) >= DEADLINE_S


def test_services_have_pinned_versions_and_tell_when_they_are_ready() -> None:
    services = {name: service for name, service in compose()["services"].items() if "build" not in service}
    ci = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["services"]
    qdrant = services["qdrant"]["image"]
    assert qdrant.rpartition(":v")[2].split(".")[:2] == pinned("requirements.lock")["qdrant-client"].split(".")[:2]
    assert ci["services"]["qdrant"]["image"] == qdrant
    assert services["postgres"]["image"].rpartition(":")[2] in ci["strategy"]["matrix"]["postgres"]
    assert all(service["healthcheck"]["test"] for service in services.values())
    waited_for = {name: need["condition"] for name, need in compose()["services"]["citeside"]["depends_on"].items()}
    assert waited_for == {"migrate": "service_completed_successfully", "qdrant": "service_healthy"}


def test_the_lock_with_extras_adds_to_the_one_without() -> None:
    extras = pinned("requirements-extras.lock")
    assert pinned("requirements.lock").items() < extras.items() <= pinned("requirements-dev.lock").items()
    wanted = [need for name in ("chatkit", "mcp", "otel") for need in PROJECT["project"]["optional-dependencies"][name]]
    assert {re.split(r"[><=\[]", need)[0] for need in wanted} <= extras.keys()
