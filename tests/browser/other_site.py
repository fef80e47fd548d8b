"""A site as others have it: the Dutch of ours, with ChatKit, and a Root, a widget and an ejected panel of its own."""

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from server.cli.child import run_to_its_end
from server.cli.site import WEBSITE
from tests.browser.chatkit import CDN
from tests.browser.stack import Stack, guard

SOURCE = Path(__file__).parent / "site"
DOCUSAURUS = "node_modules/@docusaurus/core/bin/docusaurus.mjs"
TITLE = "<h2>{label('title')}</h2>"
CHANGED = "<h2>Our own panel</h2>"


def build_other_site(stack: Stack, folder: Path) -> str:
    """Build it in `folder` with our site's packages, serve it below our site with a strict policy, return its path."""
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(WEBSITE / "node_modules")
    site = urlsplit(stack.site)
    env = {
        **os.environ,
        "CITESIDE_SITE_URL": f"{site.scheme}://{site.netloc}",
        "CITESIDE_SITE_BASE_URL": f"{site.path}nl/",
        "CITESIDE_API_URL": stack.api,
    }
    _docusaurus(folder, env, "swizzle", "docusaurus-plugin-citeside", "Citeside", "--eject", "--danger", "--typescript")
    panel = folder / "src/theme/Citeside/Panel.tsx"
    assert TITLE in panel.read_text()
    panel.write_text(panel.read_text().replace(TITLE, CHANGED))
    _docusaurus(folder, env, "build", "--locale", "nl", "--no-minify", "--out-dir", "build")
    guard(folder / "build", stack.api, CDN)
    (folder / "build").rename(stack.folder / "nl")
    return "nl/docs/"


def _docusaurus(folder: Path, env: dict[str, str], *words: str) -> None:
    code, output = run_to_its_end(["node", DOCUSAURUS, *words], cwd=folder, env=env, stdout=subprocess.PIPE)
    assert code == 0 and "[WARNING]" not in output, output
