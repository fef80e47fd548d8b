"""Measures what the panel costs a page of this site, in bytes after `gzip -9`: `python -m tests.browser.sizes`.

The site is built with the plugin, with ChatKit in the panel's place, and with neither. What belongs to a front end is
what Chromium asks for when a reader reaches for the launcher.
"""

import gzip
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from server.cli.child import run_to_its_end
from server.cli.site import WEBSITE, build_own_site, served
from tests.browser.__main__ import ready
from tests.browser.stack import BASE_URL, CHROMIUM

ORIGIN, API = "http://localhost:4731", "http://127.0.0.1:4732"
CHATKIT = "plugins: [['citeside', {apiUrl: process.env.CITESIDE_API_URL, ui: 'chatkit', domainKey: 'localhost'}]],"
PLUGIN = "plugins: [['citeside', {apiUrl: process.env.CITESIDE_API_URL}]],"


def main() -> int:
    """Build, measure and print."""
    if not ready():
        return 1
    with_it = build_own_site(ORIGIN, BASE_URL, API)
    with TemporaryDirectory(prefix="citeside-sizes-") as folder:
        without = _built(Path(folder) / "without", "")
        chatkit = _built(Path(folder) / "chatkit", CHATKIT)
        for title, built in (("Built-in", with_it), ("ChatKit", chatkit)):
            _tell(title, built, without)
    return 0


def _tell(title: str, built: Path, without: Path) -> None:
    print(f"\n{title}")
    for name in ("js/main.*.js", "js/runtime~main.*.js"):
        print(f"{name:<24}{_zipped(_asset(built, name)) - _zipped(_asset(without, name)):>+8,}")
    # As it is, not zipped: the names of its classes depend on the folder that a site is built in.
    style = "css/styles.*.css"
    lengths = [_asset(one, style).stat().st_size for one in (built, without)]
    print(f"{style:<24}{lengths[0] - lengths[1]:>+8,}")
    before, panel = _asked_for(built)
    print(f"requests of a page to others than its site: {sum(ORIGIN not in url for url in before)}")
    for url in panel:
        print(f"{url.rpartition('/')[2]:<24}{_zipped(built / url.partition(BASE_URL)[2]):>8,}")


def _built(site: Path, plugins: str) -> Path:
    left_out = shutil.ignore_patterns("node_modules", "build", ".docusaurus", "plugin")
    shutil.copytree(WEBSITE, site, ignore=left_out)
    (site / "node_modules").symlink_to(WEBSITE / "node_modules")
    config = site / "docusaurus.config.ts"
    assert PLUGIN in config.read_text()
    config.write_text(config.read_text().replace(PLUGIN, plugins))
    env = {
        **os.environ,
        **{"CITESIDE_SITE_URL": ORIGIN, "CITESIDE_SITE_BASE_URL": BASE_URL, "CITESIDE_API_URL": API},
    }
    words = ["node", "node_modules/@docusaurus/core/bin/docusaurus.mjs", "build"]
    code, output = run_to_its_end(words, cwd=site, env=env, stdout=subprocess.PIPE)
    assert code == 0, output
    return site / "build"


def _asked_for(built: Path) -> tuple[list[str], list[str]]:
    """Return the URLs that a page asks for, and those that follow when the launcher is reached for."""
    with (
        socket.create_server(("127.0.0.1", 4731)) as listening,
        served(built, BASE_URL, listening),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{ORIGIN}{BASE_URL}docs/")
        page.wait_for_load_state("networkidle")
        before = list(asked)
        page.get_by_role("button", name="Ask the docs").hover()
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(1_000)
        browser.close()
        return before, asked[len(before) :]


def _asset(built: Path, name: str) -> Path:
    [file] = (built / "assets").glob(name)
    return file


def _zipped(file: Path) -> int:
    return len(gzip.compress(file.read_bytes(), 9))


if __name__ == "__main__":
    sys.exit(main())
