"""`citeside doctor`: checks a deployment as the checklist demands, and says how to mend what fails."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from graph.errors import ConfigurationError
    from server.doctor.findings import Check, Finding
    from server.settings import Settings


def _address(text: str) -> str:
    parts = urlsplit(text)
    try:
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong or parts.username or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError("wants an address such as https://ask.example.com")
    return text.rstrip("/")


def _origin(text: str) -> str:
    if urlsplit(_address(text)).path:
        raise argparse.ArgumentTypeError("wants an origin such as https://docs.example.com, without a path")
    return text.rstrip("/")


class Doctor:
    """Looks at this machine and, with a URL, at a deployment from outside."""

    name = "doctor"
    help = "Check this machine's settings and a deployment, and say how to mend what fails."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the deployment and the form of the report."""
        parser.add_argument("--url", type=_address, help="also check the server at this address, as a reader")
        parser.add_argument("--origin", type=_origin, help="origin of the site whose pages ask it")
        parser.add_argument(
            "--remote-only", action="store_true", help="leave out this machine, which is not the server's own"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.set_defaults(refuse=parser.error)

    def run(self, args: argparse.Namespace, settings: "Settings") -> int:
        """Check, tell, and return 0, or 1 when something failed."""
        return self._run(args, settings, "")

    def without_settings(self, args: argparse.Namespace, error: "ConfigurationError") -> int:
        """Check what can be checked, beginning with the settings that cannot be read."""
        from server.settings import Settings

        return self._run(args, Settings.model_construct(), str(error))

    def _run(self, args: argparse.Namespace, settings: "Settings", wrong: str) -> int:
        import asyncio

        if args.origin and not args.url:
            args.refuse("--origin needs --url")
        if args.remote_only and not args.url:
            args.refuse("--remote-only needs --url")
        return asyncio.run(_doctor(args, settings, wrong))


command = Doctor()


async def _doctor(args: argparse.Namespace, settings: "Settings", wrong: str) -> int:
    import json
    from importlib.metadata import version

    from server.doctor import report
    from server.doctor.checklist import DEPLOYMENT, MACHINE
    from server.doctor.examination import examine
    from server.doctor.machine import Machine
    from server.doctor.remote import open_deployment

    if sys.stdout.encoding.lower() not in ("utf-8", "utf8"):
        sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    found: list[tuple[Check[Any], Finding]] = []

    def tell(check: "Check[Any]", finding: "Finding") -> None:
        found.append((check, finding))
        if not args.json:
            print(*report.lines(check, finding, coloured=coloured), sep="\n", flush=True)

    if not args.remote_only:
        if not args.json:
            print("This machine")
        async for check, finding in examine(MACHINE, Machine(settings, wrong)):
            tell(check, finding)
    if args.url:
        if not args.json:
            print(f"\nThe server at {args.url}" if found else f"The server at {args.url}")
        async with open_deployment(args.url, args.origin or "", settings) as deployment:
            async for check, finding in examine(DEPLOYMENT, deployment):
                tell(check, finding)
    findings = [finding for _, finding in found]
    if args.json:
        print(json.dumps(report.document(version("citeside"), args.url, found), indent=2, ensure_ascii=False))
    else:
        print(f"\n{report.summary(findings)}")
    return report.exit_code(findings)
