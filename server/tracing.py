"""Tells LangSmith of runs and of what readers think of them, where an operator turned that on."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import NAMESPACE_URL, UUID, uuid5

from server.logs import log_for
from server.requests import FeedbackRequest
from server.settings import Settings

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langsmith import Client

log = log_for(__name__)

TRIES = 3
"""Requests made for an opinion before it is given up: it is stored here all the same."""

SETTLE = 5.0
"""Seconds that what is still on its way gets when the server stops."""


class Tracing(Protocol):
    """Hears of runs and opinions."""

    def trace(self, thread_id: UUID, message_id: UUID) -> "RunnableConfig | None":
        """Return how a run is told: under the id of its message, in its thread; None when it is not."""
        ...

    def opinion(self, message_id: UUID, given: FeedbackRequest) -> None:
        """Take note of what a reader thinks of an answer; never waits, never raises."""
        ...


class NotTraced:
    """Tells nobody anything."""

    def trace(self, thread_id: UUID, message_id: UUID) -> None:
        """Return None."""

    def opinion(self, message_id: UUID, given: FeedbackRequest) -> None:
        """Do nothing."""


class LangSmith:
    """Sends runs in the background, as its client does, and opinions as feedback on the run of their message."""

    def __init__(self, client: "Client", project: str | None) -> None:
        self._client = client
        self._project = project
        self._sending: set[asyncio.Future[None]] = set()
        self._sender = ThreadPoolExecutor(1, "langsmith")  # one: of two opinions the later one must arrive last

    def trace(self, thread_id: UUID, message_id: UUID) -> "RunnableConfig":
        """Return the callbacks of a run."""
        from langchain_core.tracers import LangChainTracer

        tracer = LangChainTracer(project_name=self._project, client=self._client)
        return {"run_id": message_id, "metadata": {"thread_id": str(thread_id)}, "callbacks": [tracer]}

    def opinion(self, message_id: UUID, given: FeedbackRequest) -> None:
        """Send an opinion in the background; one that is given again replaces the former, having the same id."""
        task = asyncio.get_running_loop().run_in_executor(self._sender, self._send, message_id, given)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def _send(self, message_id: UUID, given: FeedbackRequest) -> None:
        from langsmith.utils import LangSmithConflictError, get_tracer_project

        feedback_id = uuid5(NAMESPACE_URL, f"citeside:feedback:{message_id}")
        score, value = float(given.rating == "up"), given.reason
        try:
            # The project's id, for LangSmith will not find a run without it for long (langsmith 0.15 warns).
            project = self._client.read_project(project_name=self._project or get_tracer_project())
            try:
                self._client.create_feedback(
                    message_id,
                    "reader",
                    score=score,
                    value=value,
                    comment=given.note,
                    feedback_id=feedback_id,
                    session_id=project.id,
                    stop_after_attempt=TRIES,
                )
            except LangSmithConflictError:
                self._client.update_feedback(feedback_id, score=score, value=value, comment=given.note)
        except Exception as error:  # whatever its client raises, the reader's request has nothing to do with it
            log.warning("feedback not sent to LangSmith", message_id=message_id, exc_info=error)

    async def aclose(self) -> None:
        """Let what is on its way arrive, for a while."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=SETTLE)
        self._sender.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._client.close, SETTLE)


@asynccontextmanager
async def open_tracing(settings: Settings) -> AsyncIterator[Tracing]:
    """Give what `settings` ask for; by default nothing is traced, whatever other variables LangChain listens to."""
    if not settings.langsmith_tracing:
        import langsmith

        # LANGCHAIN_TRACING_V2 and its like would have every run traced, and nobody told (langsmith 0.15).
        langsmith.configure(enabled=False)
        yield NotTraced()
        return
    from langsmith import Client

    key = settings.langsmith_api_key
    client = Client(settings.langsmith_endpoint, api_key=key.get_secret_value() if key else None)
    tracing = LangSmith(client, settings.langsmith_project)
    try:
        yield tracing
    finally:
        await tracing.aclose()
