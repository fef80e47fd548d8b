"""Tells OpenTelemetry of each turn, where an operator named a collector: when it is over, from the timings it kept.

So a turn pays nothing while it runs. Spans carry ids, counts and codes, never a word of a reader, a page or a model.
They go on with the trace that the request's `traceparent` names, and have the names of OpenTelemetry's conventions for
GenAI and databases where these have one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from graph.errors import ConfigurationError
from graph.extractive import NAME as EXTRACTIVE
from graph.types import Answer
from server.logs import REQUEST
from server.run import Ending, Run
from server.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SETTLE = 5.0
"""Seconds that what is still on its way gets when the server stops."""

Attributes = Mapping[str, str | int | float | Sequence[str]]


class Spans(Protocol):
    """Hears of turns that ended."""

    def turn_ended(self, run: Run, ending: Ending, answer: Answer | None) -> None:
        """Take note of a turn, without waiting for anything."""
        ...


class NoSpans:
    """Tells nobody anything."""

    def turn_ended(self, run: Run, ending: Ending, answer: Answer | None) -> None:
        """Do nothing."""


class OpenTelemetry:
    """Makes a span of a turn, and one of each step that takes time; a thread of the SDK sends them in batches."""

    def __init__(self, provider: "TracerProvider", model: str) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = provider.get_tracer("citeside", version("citeside"))
        self._propagator = TraceContextTextMapPropagator()
        self._model = model

    def turn_ended(self, run: Run, ending: Ending, answer: Answer | None) -> None:
        """Make the spans of a turn: `retrieve`, `chat MODEL` and `store` within `citeside.turn`."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        timings, request = run.transcript.timings, REQUEST.get()
        began = time.time_ns() - int(run.transcript.age * 1e9)

        def at(*steps: str) -> int:
            """Return when the first of these steps that the turn reached began, in nanoseconds."""
            return began + int(next(timings[step] for step in steps if step in timings) * 1e9)

        turn = self._tracer.start_span(
            "citeside.turn",
            self._propagator.extract(request.trace) if request else None,
            SpanKind.SERVER,
            _of_turn(run, ending, answer),
            start_time=began,
        )
        within = set_span_in_context(turn)
        if "retrieving" in timings:
            found = {"gen_ai.operation.name": "retrieval", "citeside.passages": len(run.transcript.preface.passages)}
            self._tracer.start_span("retrieve", within, SpanKind.INTERNAL, found, start_time=at("retrieving")).end(
                at("reading", "end")
            )
        if "answering" in timings:
            asked = self._of_model(answer)
            chat = self._tracer.start_span(
                f"chat {self._model}", within, SpanKind.CLIENT, asked, start_time=at("answering")
            )
            reached = list(timings)  # in their order; the times of two are equal where the model is quick
            if "first_text" in reached[reached.index("answering") :]:  # else it is the label of a constrained turn
                first = round(timings["first_text"] - timings["answering"], 4)
                chat.set_attribute("gen_ai.response.time_to_first_chunk", first)
                chat.add_event("first_token", timestamp=at("first_text"))
            chat.end(at("checking", "end"))
        if "stored" in timings:
            kept = {"db.system.name": "postgresql", "db.operation.name": "UPDATE"}
            self._tracer.start_span("store", within, SpanKind.CLIENT, kept, start_time=at("end")).end(at("stored"))
        if ending.status in ("failed", "interrupted"):
            turn.set_attribute("error.type", ending.code or ending.status)
            turn.set_status(StatusCode.ERROR)
        turn.end(at("stored", "end"))

    def _of_model(self, answer: Answer | None) -> Attributes:
        named = {"gen_ai.operation.name": "chat", "gen_ai.request.model": self._model}
        if self._model != EXTRACTIVE:
            named["gen_ai.provider.name"] = "openai"  # or whatever speaks its protocol
        tokens = {"citeside.tokens": answer.tokens} if answer and answer.tokens else {}
        return named | ({"gen_ai.response.model": answer.model} if answer else {}) | tokens


def _of_turn(run: Run, ending: Ending, answer: Answer | None) -> Attributes:
    started, opened, request = run.started, run.transcript.opened, REQUEST.get()
    known: dict[str, str | int | Sequence[str]] = {
        "gen_ai.conversation.id": str(started.thread_id),
        "session.id": str(started.session_id),
        "citeside.turn.id": str(started.turn_id),
        "citeside.message.id": str(started.message_id),
        "citeside.attempt": started.attempt,
        "citeside.mode": opened.mode,
        "citeside.status": ending.status,
        "citeside.length": len(run.transcript.text),
    }
    if request:
        known["citeside.request.id"] = request.id
    if answer:
        known["citeside.outcome"] = answer.outcome
        known["citeside.notices"] = [notice.code for notice in answer.notices]
        if answer.mode == "constrained":
            known["citeside.verdict"] = answer.verdict.verdict
    return known


@asynccontextmanager
async def open_spans(settings: Settings, model: str) -> AsyncIterator[Spans]:
    """Give what `settings` ask for; without a collector nothing is traced, and nothing loaded.

    Raises ConfigurationError when the packages are missing.
    """
    if settings.otel_endpoint is None:
        yield NoSpans()
        return
    provider = await asyncio.to_thread(_provider, settings.otel_endpoint)
    try:
        yield OpenTelemetry(provider, model)
    finally:
        # The SDK waits 30 s for a collector that is away, and the loop for its own threads: so a thread of nobody's.
        closing = Thread(target=provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, SETTLE)


def _provider(endpoint: str) -> "TracerProvider":
    """Return what sends spans to the collector; all but its address the SDK reads from `OTEL_*` itself."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        raise ConfigurationError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the OpenTelemetry SDK is not installed: install citeside[otel], "
            "or unset it"
        ) from None
    resource = Resource.create({"service.version": version("citeside")})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "citeside"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    return provider
