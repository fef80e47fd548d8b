"""Says what each error of the model's client means for a turn; nothing else knows the client's exceptions."""

from collections.abc import Iterator

import openai

from graph.patience import Fault

_SILENT = Fault("silent", again=True)
_BROKEN = Fault("failed", again=True)
_REFUSED = {
    400: Fault(away=False),  # this request, not the next
    401: Fault(),
    402: Fault(),
    403: Fault(),
    404: Fault(),
    413: Fault(away=False),
    422: Fault(away=False),
}


def judge(error: Exception) -> Fault:
    """Return what an exception that came out of the chat model means: silence, a refusal, or something that may pass.

    Silence is told by a TimeoutError among the causes: of a connection that nobody answers, or of our own patience.
    """
    if any(isinstance(link, TimeoutError) for link in _causes(error)):
        return _SILENT
    if not isinstance(error, openai.APIStatusError):
        return _BROKEN
    if error.code == "insufficient_quota":  # a 429 that no waiting helps
        return Fault()
    return _REFUSED.get(error.status_code) or Fault(again=True, after=_retry_after(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _retry_after(error: openai.APIStatusError) -> float | None:
    try:
        return float(error.response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
