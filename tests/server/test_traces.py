"""OpenTelemetry: a collector that parses what it is sent, and what it is never sent."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from textwrap import dedent
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from graph.errors import ConfigurationError
from server.app import create_app
from server.service import open_service
from server.settings import Settings
from server.spans import open_spans
from server.transcript import Transcript
from tests.server.http import Reader, in_process, on_a_port
from tests.server.stand_ins import KnownPassages, Scripted, answerers

pytestmark = pytest.mark.anyio

TRACE, PARENT = "ab" * 16, "cd" * 8


class Collector:
    """Keeps the spans that are sent to it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.received = b""
        self.resource: dict[str, Any] = {}
        self.spans: list[Span] = []
        self.url = ""

        @self.app.post("/v1/traces")
        async def traces(request: Request) -> Response:
            body = await request.body()
            self.received += body
            for told in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resource = _read(told.resource.attributes)
                self.spans += [span for scope in told.scope_spans for span in scope.spans]
            return Response(media_type="application/x-protobuf")

    def named(self, name: str) -> Span:
        """Return the one span of a name."""
        (span,) = [span for span in self.spans if span.name == name]
        return span


def _read(attributes: Any) -> dict[str, Any]:
    def value(of: AnyValue) -> Any:
        kind = of.WhichOneof("value")
        return [value(each) for each in of.array_value.values] if kind == "array_value" else getattr(of, kind or "")

    return {each.key: value(each.value) for each in attributes}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """A collector of the test's own."""
    standing_in = Collector()
    async with on_a_port(standing_in.app) as client:
        standing_in.url = str(client.base_url)
        yield standing_in


@pytest.fixture
async def traced(settings: Settings, model: Scripted, collector: Collector) -> Any:
    """Gives a reader in front of a server that sends traces, all of them at the latest when it stops."""
    told = settings.model_copy(update={"otel_endpoint": collector.url})

    @asynccontextmanager
    async def serving() -> AsyncIterator[Reader]:
        opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
        async with in_process(create_app(told, opening=opening)) as client:
            yield await Reader.arrive(client)

    return serving


async def test_a_turn_goes_on_with_the_trace_of_its_request(traced: Any, collector: Collector) -> None:
    async with traced() as reader:
        sent = {**reader.headers, "traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-Id": "of-the-proxy"}
        answer = await reader.client.post("/chat", headers=sent, json={"message": "xyzzy asked"})
        told = answer.json()
    turn = collector.named("citeside.turn")
    assert (turn.trace_id.hex(), turn.parent_span_id.hex()) == (TRACE, PARENT)
    assert (turn.kind, turn.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_UNSET)
    attributes = _read(turn.attributes)
    assert "keywords_only" in (attributes.pop("citeside.notices") or ["keywords_only"])
    assert attributes == {
        "gen_ai.conversation.id": told["thread_id"],
        "session.id": str(reader.session),
        "citeside.turn.id": told["turn_id"],
        "citeside.message.id": told["message"]["id"],
        "citeside.request.id": "of-the-proxy",
        "citeside.attempt": 1,
        "citeside.mode": "grounded",
        "citeside.status": "completed",
        "citeside.outcome": "answered",
        "citeside.length": len(told["message"]["content"]),
    }
    steps = [collector.named(name) for name in ("retrieve", "chat scripted", "store")]
    assert len(collector.spans) == 4
    assert {(step.trace_id.hex(), step.parent_span_id) for step in steps} == {(TRACE, turn.span_id)}
    moments = [turn.start_time_unix_nano, *(t for s in steps for t in (s.start_time_unix_nano, s.end_time_unix_nano))]
    assert moments == sorted(moments)
    assert moments[-1] == turn.end_time_unix_nano
    assert _read(steps[0].attributes) == {"gen_ai.operation.name": "retrieval", "citeside.passages": 1}
    asked = _read(steps[1].attributes)
    assert asked.pop("gen_ai.response.time_to_first_chunk") >= 0
    assert asked == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.response.model": "scripted",
        "citeside.tokens": 12,
    }
    assert [event.name for event in steps[1].events] == ["first_token"]
    assert {"service.name": "citeside", "telemetry.sdk.language": "python"}.items() <= collector.resource.items()


async def test_a_model_that_speaks_at_once_has_a_first_token(
    traced: Any, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transcript, "age", 0.25)  # so that everything happens in one moment
    async with traced() as reader:
        await reader.stream("How long?")
        await reader.stream("How long?", selected_text="A session expires 30 days after it was last seen.")
    events = [[event.name for event in span.events] for span in collector.spans if span.name == "chat scripted"]
    assert events == [["first_token"], []]


async def test_a_selection_is_not_searched_for_and_its_verdict_is_told(traced: Any, collector: Collector) -> None:
    async with traced() as reader:
        await reader.stream(
            "How long does a session last?", selected_text="A session expires 30 days after it was last seen."
        )
    assert sorted(span.name for span in collector.spans) == ["chat scripted", "citeside.turn", "store"]
    assert _read(collector.named("citeside.turn").attributes)["citeside.verdict"] == "sufficient"
    assert list(collector.named("chat scripted").events) == []  # its first text is the label


async def test_a_turn_that_failed_is_an_error_with_its_code(traced: Any, collector: Collector, model: Scripted) -> None:
    model.error = ValueError("xyzzy")
    async with traced() as reader:
        await reader.stream("How long?")
    turn = collector.named("citeside.turn")
    assert turn.status.code == Status.STATUS_CODE_ERROR
    assert _read(turn.attributes)["error.type"] == "internal"
    assert not turn.parent_span_id


async def test_no_word_of_a_turn_leaves_the_server(traced: Any, collector: Collector, model: Scripted) -> None:
    async with traced() as reader:
        model.pieces = ("plugh said ", "the model")
        await reader.stream("xyzzy asked", selected_text="xyzzy marked", metadata={"xyzzy": "xyzzy"})
        await reader.stream("xyzzy asked", source={"path": "xyzzy/"})
        model.error = ValueError("xyzzy in an exception")
        await reader.stream("xyzzy asked")
    assert len([span for span in collector.spans if span.name == "citeside.turn"]) == 3
    assert [word for word in (b"xyzzy", b"plugh", b"expires", b"docs.example") if word in collector.received] == []


@pytest.mark.parametrize("header", [f"00-{TRACE}-{PARENT}-00", "xyzzy", "", f"00-{'0' * 32}-{PARENT}-01", "ü"])
async def test_a_trace_that_is_not_sampled_or_not_one_is_not_gone_on_with(
    traced: Any, collector: Collector, header: str
) -> None:
    async with traced() as reader:
        sent = {**reader.headers, "traceparent": header.encode()}
        assert (await reader.client.post("/chat", headers=sent, json={"message": "How long?"})).status_code == 200
    assert [span.parent_span_id for span in collector.spans if span.name == "citeside.turn"] == (
        [] if header.endswith("-00") else [b""]
    )


async def test_a_collector_that_gives_no_answer_keeps_no_server_from_stopping(
    settings: Settings, model: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.spans.SETTLE", 0.1)
    held = asyncio.Event()

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        opening = partial(open_service, answerers=answerers(model), retriever=KnownPassages())
        app = create_app(settings.model_copy(update={"otel_endpoint": url}), opening=opening)
        async with in_process(app) as client:
            reader = await Reader.arrive(client)
            assert (await reader.stream("How long?"))[-1].data["status"] == "completed"
        assert not held.is_set()
        held.set()


async def test_packages_that_are_not_installed_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(
        ConfigurationError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT is set, but .* install citeside\[otel\]"
    ):
        async with open_spans(settings.model_copy(update={"otel_endpoint": "http://127.0.0.1:9"}), "scripted"):
            pass


def test_a_server_that_is_not_traced_loads_nothing_for_it() -> None:
    program = """
        import asyncio, sys
        import server.app, server.service, server.turns
        from server.settings import Settings
        from server.spans import open_spans
        async def opened():
            async with open_spans(Settings(_env_file=None), "extractive"):
                pass
        asyncio.run(opened())
        print([name for name in sys.modules if name.startswith("opentelemetry.exporter")])  # langsmith loads the SDK
    """
    ran = subprocess.run([sys.executable, "-c", dedent(program)], check=True, capture_output=True, text=True)
    assert ran.stdout == "[]\n"
