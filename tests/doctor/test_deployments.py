"""The doctor finds nothing wrong with a good deployment; of a broken one it names what is wrong and how to mend it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.cli import main
from server.doctor.checklist import CHECKLIST
from server.doctor.machine import Machine
from server.doctor.remote import open_deployment
from tests.doctor.broken import BROKEN, SECRET, Broken
from tests.doctor.examined import examined, left_out
from tests.doctor.standing import KEY, ORIGIN, TOKEN, Standing, standing
from tests.postgres_fixtures import create_database

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def good(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> AsyncIterator[Standing]:
    """The good deployment, for all tests of this module."""
    folder: Path = tmp_path_factory.mktemp("doctor")
    async with standing(folder, server_url, await create_database(server_url)) as put_up:
        yield put_up


async def test_a_good_machine_is_good_in_all_things(good: Standing) -> None:
    found = await examined(Machine(good.settings, folder=good.folder))
    assert {check.id: finding for check, finding in found if finding.outcome != "ok"} == {}


async def test_of_a_good_deployment_only_what_cannot_be_seen_is_left(good: Standing) -> None:
    async with open_deployment(good.url, ORIGIN, good.settings) as deployment:
        found = await examined(deployment)
    assert {check.id: finding.outcome for check, finding in found if finding.outcome != "ok"} == {
        "tls": "skipped",  # it is asked on loopback
        "http2": "skipped",
        "ping": "skipped",  # the model is not silent for 15 s
    }


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
async def test_each_broken_deployment_is_told_with_its_mend(good: Standing, broken: Broken) -> None:
    async with broken.subject(good) as subject:
        found = await examined(subject, without=left_out(broken.found))
    wrong = [(check, finding) for check, finding in found if finding.outcome in ("warn", "fail")]
    assert {check.id: finding.outcome for check, finding in wrong} == broken.found, wrong
    assert broken.mend in wrong[0][1].mend
    assert all(finding.detail and finding.mend for _, finding in wrong)
    told = "".join(finding.detail + finding.mend for _, finding in found)
    assert not [secret for secret in (SECRET, KEY, TOKEN) if secret in told]
    assert "Traceback" not in told and "broke:" not in told


async def _citeside(good: Standing, *words: str, **variables: str) -> tuple[int, str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CITESIDE_", "DATABASE_URL"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "server.cli", "doctor", *words),
        cwd=good.folder,
        env=env | _variables(good) | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def _variables(good: Standing) -> dict[str, str]:
    settings = good.settings
    assert settings.database_url and settings.openai_base_url
    return {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "OPENAI_BASE_URL": settings.openai_base_url,
        "OPENAI_API_KEY": KEY,
        "CITESIDE_DATA_DIR": str(settings.data_dir),
        "CITESIDE_CORS_ORIGINS": ORIGIN,
        "CITESIDE_ADMIN_TOKEN": TOKEN,
        "CITESIDE_TRUSTED_PROXIES": "127.0.0.1",
    }


async def test_programs_get_one_document_and_exit_code_zero(good: Standing) -> None:
    code, out, err = await _citeside(good, "--json", "--url", good.url, "--origin", ORIGIN)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told.keys() == {"version", "url", "passed", "counts", "findings"}
    assert (told["url"], told["passed"], sum(told["counts"].values())) == (good.url, True, len(CHECKLIST))
    assert [finding["check"] for finding in told["findings"]] == [check.id for check in CHECKLIST]
    assert told["findings"][0] == {
        "check": "settings",
        "title": "Settings can be read",
        "outcome": "ok",
        "detail": f"7 variables set: {', '.join(sorted(_variables(good)))}.",
        "mend": "",
        "page": "guides/checklist#settings",
    }


async def test_people_get_a_line_for_each_check_and_exit_code_one_when_one_failed(good: Standing) -> None:
    words = ("--url", good.url, "--origin", "https://other.example", "--remote-only")
    code, out, err = await _citeside(good, *words)
    lines = out.splitlines()
    assert (code, err, lines[0]) == (1, "", f"The server at {good.url}")
    assert lines[-1] == "19 checks: 8 good, 1 failure, 10 not looked at."
    assert any(line.startswith(" ✗ cors ") for line in lines) and "\033" not in out
    assert "Mend: Add https://other.example to CITESIDE_CORS_ORIGINS" in out
    assert "(guides/checklist#cors)" in out


async def test_settings_that_cannot_be_read_are_the_first_finding(good: Standing) -> None:
    code, out, err = await _citeside(good, "--json", CITESIDE_PORT="eight", DATABASE_URL=f"mysql://u:{SECRET}@h/d")
    found = {finding["check"]: finding for finding in json.loads(out)["findings"]}
    assert (code, err) == (1, "")
    assert found["settings"]["outcome"] == "fail"
    assert "DATABASE_URL: wants a URL" in found["settings"]["detail"]
    assert "CITESIDE_PORT: Input should be a valid integer" in found["settings"]["detail"]
    assert found["database"]["detail"] == "Not looked at: see settings."
    assert found["packages"]["outcome"] == "ok"
    assert SECRET not in out


@pytest.mark.parametrize(
    "words",
    [
        ("--origin", ORIGIN),
        ("--remote-only",),
        ("--url", "ask.example"),
        ("--url", "https://user:password@ask.example"),
        ("--url", "https://ask.example", "--origin", "https://docs.example/docs"),
    ],
)
def test_wrong_words_end_with_exit_code_two(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *words])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.splitlines()[-1].startswith("citeside doctor: error: ")


async def test_a_package_that_hides_ours_from_python_is_found(good: Standing, tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "__init__.py").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code, out, err = await _citeside(good, "--json", PYTHONPATH=path)
    found = {finding["check"]: finding for finding in json.loads(out)["findings"]}
    assert (code, found["packages"]["outcome"]) == (1, "fail")
    assert f"evals in {tmp_path}" in found["packages"]["detail"]
    assert err.startswith("citeside: the command bench is left out: No module named 'evals.bench'")
