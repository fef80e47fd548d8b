"""Sends a node's events to whoever listens: the turn engine's sink, or LangGraph's own stream."""

from collections.abc import Callable
from contextvars import ContextVar

from langgraph.runtime import Runtime

from graph.events import Event

Sink = Callable[[Event], None]

_SINK: ContextVar[Sink | None] = ContextVar("citeside_sink", default=None)


def emit(event: Event, runtime: Runtime) -> None:
    """Hand `event` to the sink of this run; without one (a notebook, Studio) to the `custom` stream."""
    sink = _SINK.get() or runtime.stream_writer
    sink(event)


class listening:
    """Send the events of graph runs started inside this block to `sink`, at once and without LangGraph's queue."""

    __slots__ = ("_sink", "_token")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def __enter__(self) -> None:
        self._token = _SINK.set(self._sink)

    def __exit__(self, *_: object) -> None:
        _SINK.reset(self._token)
