"""`citeside demo`: a site, its index and the server together on this machine, to try."""

import argparse
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from graph.errors import CitesideError, ConfigurationError
from server.cli.child import CITESIDE, child_server, run_to_its_end
from server.cli.serve import listen, running_server
from server.cli.site import build_own_site, served

if TYPE_CHECKING:
    from server.settings import Settings

BASE_URL = "/citeside/"
QUESTION = "How does Citeside make sure that an answer about selected text uses nothing else?"


class Demo:
    """Builds and serves a documentation site, indexes it, and starts the API beside it on another origin."""

    name = "demo"
    help = "Try it: serve a built site and the API on this machine (without an argument: the project's own docs)."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the site and the two ports."""
        parser.add_argument(
            "site", nargs="?", metavar="PATH_OR_URL", help="a build/ folder of Docusaurus, or the URL of a live site"
        )
        parser.add_argument("--port", type=int, help="port of the API (default: CITESIDE_PORT, else 8000)")
        parser.add_argument("--site-port", type=int, default=3000, help="port of the site (default: 3000)")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Bring everything up, say where it is, and stop all of it on Ctrl-C."""
        port = settings.port if args.port is None else args.port
        data_dir = settings.data_dir
        if owner := running_server(data_dir):
            raise ConfigurationError(f"A server runs on {data_dir} already: {owner}. Stop it, or choose --data-dir.")
        with listen("127.0.0.1", port) as free:
            port = free.getsockname()[1]  # the site's panel is built for it, also when the system chose it
        with ExitStack() as stack:
            if args.site and args.site.startswith(("http://", "https://")):
                site, source, base = args.site, args.site, None
            else:
                listening = stack.enter_context(listen("127.0.0.1", args.site_port, "--site-port"))
                built, base_path = _built(args.site, args.site_port, f"http://127.0.0.1:{port}")
                stack.enter_context(served(built, base_path, listening))
                site = base = f"http://localhost:{args.site_port}{base_path}"
                source = str(built)
            print(f"Indexing {site}", flush=True)
            _ingest(source, base, data_dir)
            print("Starting the server", flush=True)
            parts = urlsplit(site)
            env = {"CITESIDE_CORS_ORIGINS": f"{parts.scheme}://{parts.netloc}"}
            url = stack.enter_context(child_server(data_dir, "--port", str(port), env=env))
            print(_summary(settings, site, url, args.data_dir), flush=True)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                print("\nStopping ...", flush=True)
        return 0


command = Demo()


def _built(path: str | None, site_port: int, api_url: str) -> tuple[Path, str]:
    """Return the built folder and the base URL it was built for."""
    if path is None:
        print("Building the documentation site", flush=True)
        return build_own_site(f"http://localhost:{site_port}", BASE_URL, api_url), BASE_URL
    from persistence.pages import base_path_of

    folder = Path(path).expanduser().resolve()
    return folder, base_path_of(folder)


def _ingest(source: str, base_url: str | None, data_dir: Path) -> None:
    """Index in a process of its own, as building an index would hold up this one."""
    words = [*CITESIDE, "ingest", source, "--data-dir", str(data_dir)]
    if urlsplit(source).hostname in {"localhost", "127.0.0.1", "::1"}:
        words.append("--allow-private")  # whoever names this machine means it
    code, _ = run_to_its_end([*words, "--base-url", base_url] if base_url else words)
    if code:
        raise CitesideError("The site was not indexed; the reason stands above.")


def _summary(settings: "Settings", site: str, url: str, named_folder: Path | None) -> str:
    import httpx

    from graph.extractive import NAME

    config = httpx.get(f"{url}/config", trust_env=False).json()
    folder = settings.data_dir
    model = "none: answers are made of the docs' own sentences" if config["model"] == NAME else config["model"]
    database = "the server of DATABASE_URL" if settings.database_url else f"embedded Postgres in {folder}/postgres"
    parts = {
        "Site": site,
        "API": url,
        "Database": database,
        "Index": settings.qdrant_url or f"embedded Qdrant in {folder}/index",
        "Model": model,
        "Log": f"{folder}/server.log",
    }
    lines = "\n".join(f"  {name:<9}{value}" for name, value in parts.items())
    where = f" --data-dir {named_folder}" if named_folder else ""
    question = f'  ./run ask "{QUESTION}"{where}'
    return f"\nReady.\n{lines}\n\nAsk in another terminal:\n{question}\n\nCtrl-C stops everything."
