"""Every route answers what the OpenAPI document promises, whatever is sent to it: schemathesis makes the requests.

CITESIDE_TEST_FUZZ_EXAMPLES is how often each route is asked, at random; without it a few times, always the same.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from server.app import create_app
from server.service import open_service
from server.settings import Settings
from tests.server.http import on_a_port
from tests.server.passages import ingest
from tests.server.stand_ins import Scripted, answerers

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    ignored_auth,
]
LONG_RUN = int(os.environ.get("CITESIDE_TEST_FUZZ_EXAMPLES", "0"))

DOCUMENT = create_app(Settings(_env_file=None, chatkit=True)).openapi()  # pyright: ignore[reportCallIssue]
API = schemathesis.openapi.from_dict(DOCUMENT)
API.config.generation.allow_extra_parameters = False  # what a query has beyond the document is ignored, and may be
OPERATIONS = {operation.label: operation for operation in (found.ok() for found in API.get_all_operations())}
ASKED = [(label, False) for label in OPERATIONS] + [(label, True) for label in OPERATIONS if "{" in label]


BUDGET = budget(
    max_examples=LONG_RUN or 10,
    derandomize=not LONG_RUN,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Visitor:
    """A reader with a conversation, whose ids are asked for as well: made-up ones only get a 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()

    def arrive(self) -> None:
        """Come as a new reader."""
        token = self.http.post(f"{self.url}/sessions").json()["token"]
        self.headers = {"Authorization": f"Bearer {token}"}
        asked = self.http.post(f"{self.url}/chat", json={"message": "When does it expire?"}, headers=self.headers)
        answer = asked.json()
        self.ids = {name: answer[name] for name in ("thread_id", "turn_id")} | {"message_id": answer["message"]["id"]}


@pytest.fixture(scope="module")
def visitor(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A reader of a real server, which runs in a thread of its own: schemathesis blocks while it waits."""
    data_dir = tmp_path_factory.mktemp("fuzzed")
    mine = settings.model_copy(update={"chatkit": True, "data_dir": data_dir})
    started: Future[str] = Future()
    stop = asyncio.Event()

    async def serve() -> None:
        await ingest(data_dir)
        app = create_app(mine, opening=partial(open_service, answerers=answerers(Scripted())))
        async with on_a_port(app) as client:
            started.set_result(str(client.base_url))
            await stop.wait()

    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        served = thread.submit(runner.run, serve())
        wait((started, served), timeout=60, return_when=FIRST_COMPLETED)
        if served.done():
            served.result()  # raises what kept it from starting
        visitor = Visitor(started.result(timeout=0).rstrip("/"))
        yield visitor
        visitor.http.close()
        runner.get_loop().call_soon_threadsafe(stop.set)
        served.result()


@pytest.fixture(scope="module")
def seen() -> Iterator[Counter[tuple[str, int]]]:
    """How often each route answered with each status; told with -s."""
    counted: Counter[tuple[str, int]] = Counter()
    yield counted
    for label in OPERATIONS:
        statuses = {status: times for (asked, status), times in sorted(counted.items()) if asked == label}
        print(
            f"\n{label:<34}{sum(statuses.values()):>6}  " + "  ".join(f"{s}: {n}" for s, n in statuses.items()), end=""
        )
    print(f"\n{counted.total()} requests")


@pytest.mark.parametrize(("label", "known"), ASKED)
def test_every_answer_is_one_that_the_document_promises(
    label: str, known: bool, visitor: Visitor, seen: Counter[tuple[str, int]]
) -> None:
    operation = OPERATIONS[label]
    sent = [operation.as_strategy(generation_mode=GenerationMode.POSITIVE)]
    if operation.body or any(operation.iter_parameters()):
        sent.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))

    @BUDGET
    @given(case=st.one_of(sent))
    def ask(case: schemathesis.Case) -> None:
        if operation.method == "delete":
            visitor.arrive()
        if known:
            case.path_parameters.update({name: visitor.ids[name] for name in case.path_parameters})
        # What holds nothing is sent as nothing, so that a wrong value of that kind makes a right request.
        assume(all(value not in ([], {}, None) for value in (case.query or {}).values()))
        answer = case.call_and_validate(visitor.url, visitor.http, visitor.headers, checks=CHECKS)
        seen[label, answer.status_code] += 1

    visitor.arrive()
    ask()
