"""The command line works wherever it is called, and says when something did not."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from graph.errors import ConfigurationError
from server.cli.child import CITESIDE
from server.cli.serve import listen
from server.cli.site import served


def test_a_file_of_the_readers_own_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("raise SystemExit('not ours')")
    done = subprocess.run([*CITESIDE, "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_port_is_taken_as_soon_as_a_server_begins_to_start() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(ConfigurationError, match="--port"):
        listen("127.0.0.1", first.getsockname()[1]).close()


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_is_none_is_told_in_a_line(port: int) -> None:
    with pytest.raises(ConfigurationError, match="--site-port"):
        listen("127.0.0.1", port, "--site-port")


class BreaksOff(BaseHTTPRequestHandler):
    """Begins an answer and ends the stream before its end."""

    def do_POST(self) -> None:
        body = b'event: delta\ndata: {"text": "The widget is"}\n\n' if "chat" in self.path else b'{"token": "t"}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_that_breaks_off_is_no_answer_and_a_proxy_is_not_asked(tmp_path: Path) -> None:
    proxy = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
    with serving(BreaksOff) as url:
        (tmp_path / "server.json").write_text(f'{{"url": "{url}"}}')
        words = [*CITESIDE, "ask", "What is it?", "--data-dir", str(tmp_path)]
        done = subprocess.run(words, cwd=tmp_path, env={**os.environ, **proxy}, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == "The widget is"
    assert done.stderr == "citeside ask: The connection ended before the answer did. Ask again.\n"


def test_a_built_site_is_served_as_its_links_are_written(tmp_path: Path) -> None:
    (tmp_path / "docs/tools").mkdir(parents=True)
    (tmp_path / "docs/release-1.2.html").write_text("dotted")
    (tmp_path / "docs/tools.html").write_text("page beside a folder")
    (tmp_path / "docs/tools/index.html").write_text("folder")
    listening = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with served(tmp_path, "/site/", listening), httpx.Client(base_url=address, trust_env=False) as client:
        paths = ("/site/docs/release-1.2", "/site/docs/tools", "/site/docs/tools/", "/docs/tools")
        answers = {path: client.get(path) for path in paths}
    assert {path: answer.text for path, answer in answers.items() if answer.is_success} == {
        "/site/docs/release-1.2": "dotted",
        "/site/docs/tools": "page beside a folder",
        "/site/docs/tools/": "folder",
    }
