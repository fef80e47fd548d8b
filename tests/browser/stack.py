"""Everything a reader's browser meets: the built site, the server on its Postgres and index, and Chromium itself."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Browser, sync_playwright

from server.cli.child import CITESIDE, child_server
from server.cli.site import WEBSITE, build_own_site, npm_with_packages, served
from tests.browser.model import Model, open_model
from tests.faults.wire import Wire, open_wire
from tests.unlimited import NO_LIMITS_IN_THE_ENVIRONMENT

CHROMIUM = Path("/usr/bin/chromium-headless-shell")
"""Debian's Chromium without the windows, tabs and start page that nobody sees here, and that take half of its time."""

BASE_URL = "/project/"
SITE_PORT, API_PORT = 4731, 4732
"""Taken when they are free: the addresses are built into the site, which need not be built again for the same ones."""

GUARDED = "docs/guides/panel"
"""The page of the site that is served with a Content-Security-Policy."""

_UNSET = ("OPENAI_API_KEY", "DATABASE_URL", "QDRANT_URL", "CITESIDE_EMBEDDING_MODEL", "LANGSMITH_TRACING")


@dataclass(frozen=True)
class Stack:
    """What runs. The browser reaches the server through `wire` alone, at `api`; `folder` is what `site` serves."""

    site: str
    folder: Path
    api: str
    wire: Wire
    model: Model
    browser: Browser


@contextmanager
def open_stack() -> Iterator[Stack]:
    """Build the site, index it and start everything on free ports; stop it in order."""
    assert CHROMIUM.exists(), "Chromium is not installed; run: apt-get install chromium-headless-shell"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="citeside-browser-")))
        folder.chmod(0o711)  # as root the database runs as nobody, who must get in
        portal = stack.enter_context(start_blocking_portal())
        model = stack.enter_context(open_model(portal))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", _free(SITE_PORT))))
        origin = f"http://localhost:{listening.getsockname()[1]}"
        laid = open_wire(("127.0.0.1", 0), folder / "wire", _free(API_PORT))
        wire = stack.enter_context(portal.wrap_async_context_manager(laid))
        api = f"http://127.0.0.1:{wire.address[1]}"
        building = stack.enter_context(ThreadPoolExecutor(1)).submit(build_own_site, origin, BASE_URL, api)
        stack.enter_context(chdir(folder))  # away from the `.env` of whoever runs this
        data = folder / "data"
        env = dict.fromkeys(_UNSET, "") | {
            "OPENAI_BASE_URL": model.url,
            "CITESIDE_CORS_ORIGINS": origin,
            "CITESIDE_CHATKIT": "true",
            **NO_LIMITS_IN_THE_ENVIRONMENT,
        }
        server = stack.enter_context(child_server(data, "--port", "0", env=env))
        wire.upstream = ("127.0.0.1", int(server.rpartition(":")[2]))
        chromium = stack.enter_context(sync_playwright()).chromium
        # --no-sandbox: Chromium refuses to run as root with it, and continuous integration often is root.
        browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        stack.callback(browser.close)
        site = shutil.copytree(building.result(), folder / "site")
        subprocess.run([*CITESIDE, "ingest", site, "--base-url", origin + BASE_URL, "--data-dir", data], check=True)
        guard(site / GUARDED, api)
        stack.enter_context(served(site, BASE_URL, listening))
        yield Stack(origin + BASE_URL, site, api, wire, model, browser)


def guard(pages: Path, *allowed: str) -> None:
    """Write the Content-Security-Policy that our docs recommend into the pages of a folder, by the docs' own script."""
    guide = (WEBSITE / "docs/guides/panel.md").read_text()
    [script] = re.findall(r'```js title="policy.mjs"\n(.*?)```', guide, re.DOTALL)
    npm_with_packages()  # which also finds Node
    subprocess.run(["node", "--input-type=module", "-", pages, *allowed], input=script, text=True, check=True)


def _free(wanted: int) -> int:
    """Return the port when nobody listens on it, else 0, which stands for any."""
    try:
        socket.create_server(("127.0.0.1", wanted)).close()
    except OSError:
        return 0
    return wanted
