"""The README's own words are run: its curl lines against a server, its table of settings against the code."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from persistence.embeddings import open_embedder
from persistence.ingest import ingest
from server.cli.child import child_server
from server.settings import Settings, variable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

PAGE = """<!doctype html><html lang=en><head><title>Quick start</title></head><body><main><article>
<h1>Quick start</h1><h2 id=ports>Ports</h2><p>The demo uses port 8000 for the API and port 3000 for the site.</p>
</article></main></body></html>"""


@pytest.fixture
def curl_block() -> str:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if "curl" in block)


def test_the_curl_lines_of_the_readme_work_as_they_stand(curl_block: str, tmp_path: Path) -> None:
    page = tmp_path / "site" / "docs" / "quick-start" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(PAGE)
    data_dir = tmp_path / "data"
    embedder = open_embedder(data_dir, model=None, api_key=None, base_url=None)
    ingest(str(tmp_path / "site"), data_dir=data_dir, embedder=embedder, base_url="http://localhost:3000/citeside/")
    with child_server(data_dir, "--port", "0") as api:
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", curl_block],
            env={**os.environ, "API": api},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ran.returncode == 0, ran.stderr
    assert "port 8000" in ran.stdout
    assert re.findall(r"^event: (\w+)", ran.stdout, re.MULTILINE)[0] == "turn"
    assert "Answer constrained to provided text." in ran.stdout


def test_the_readme_names_settings_that_exist() -> None:
    section = README.split("## Configuration")[1].split("\n## ")[0]
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", section))
    assert named <= {variable(field) for field in Settings.model_fields}
