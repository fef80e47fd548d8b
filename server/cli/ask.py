"""`citeside ask`: one question on the terminal, over the same API as every reader's."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graph.errors import CitesideError, ConfigurationError
from server.cli.child import child_server
from server.cli.serve import running_server

if TYPE_CHECKING:
    import httpx

    from server.settings import Settings


class Ask:
    """Asks the server that runs on the data folder, or one that is started for this question."""

    name = "ask"
    help = "Ask a question and print the cited answer."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare question, selection and form of the answer."""
        parser.add_argument("question", metavar="QUESTION")
        parser.add_argument(
            "--selected-text", metavar="FILE", help="answer only from this file's text; - reads standard input"
        )
        parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Print the answer as it comes, then its citations."""
        import httpx

        body: dict[str, Any] = {"message": args.question}
        if args.selected_text:
            body["selected_text"] = _read(args.selected_text)
        try:
            with _server(settings) as url, httpx.Client(base_url=url, timeout=70, trust_env=False) as client:
                token = _checked(client.post("/sessions", json={})).json()["token"]
                client.headers["authorization"] = f"Bearer {token}"
                if args.json:
                    print(json.dumps(_checked(client.post("/chat", json=body)).json(), indent=2, ensure_ascii=False))
                else:
                    _print_stream(client, body)
        except httpx.TransportError as error:
            raise CitesideError(f"The server went away before the answer ended ({error}). Ask again.") from error
        return 0


command = Ask()


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"The selected text in {name} cannot be read: {error}") from error


def _checked(response: "httpx.Response") -> "httpx.Response":
    if response.is_error:
        problem = response.json()
        raise CitesideError(f"{problem['detail']} ({problem['code']})")
    return response


def _print_stream(client: "httpx.Client", body: dict[str, Any]) -> None:
    message: dict[str, Any] = {}
    with client.stream("POST", "/chat/stream", json=body) as response:
        if response.is_error:
            response.read()
            _checked(response)
        for event, data in _events(response):
            if event == "delta":
                print(data["text"], end="", flush=True)
            elif event == "message":
                message = data
            elif event == "end":
                print()
                if data["status"] != "completed":
                    raise CitesideError(data.get("detail") or f"The answer ended as {data['status']}.")
                break
        else:
            raise CitesideError("The connection ended before the answer did. Ask again.")
    for cited in {c["marker"]: c for c in message.get("citations", [])}.values():
        place = " > ".join(filter(None, (cited["title"], cited["heading"])))
        print(f"  [{cited['marker']}] {place}\n      {cited['url']}")
    for notice in message.get("notices", []):
        print(f"  ({notice['detail']})")


def _events(response: "httpx.Response") -> Iterator[tuple[str, dict[str, Any]]]:
    event = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            event = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield event, json.loads(line.removeprefix("data: "))


@contextmanager
def _server(settings: "Settings") -> Iterator[str]:
    """Give the URL of the running server; where none runs, start one for this question."""
    if url := running_server(settings.data_dir):
        yield url
    else:
        with child_server(settings.data_dir, "--port", "0") as url:
            yield url
