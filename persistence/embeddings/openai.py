"""Embeds through an OpenAI-compatible API."""

from collections.abc import Iterator, Sequence

import numpy as np
from langchain_openai import OpenAIEmbeddings
from openai import APIStatusError, OpenAIError
from pydantic import SecretStr

from graph.errors import IndexUnavailable
from persistence.addresses import without_credentials

BATCH = 64
TIMEOUT_SECONDS = 20


class OpenAIEmbedder:
    """Embeds with a named model of OpenAI, or of another server when `base_url` is set."""

    def __init__(self, model: str, *, api_key: SecretStr | None, base_url: str | None) -> None:
        """Prepare the client; nothing is sent yet. A server without keys gets a placeholder."""
        self.name = f"openai:{model}"
        self._dimensions: int | None = None
        self._where = base_url or "https://api.openai.com/v1"
        self._client = OpenAIEmbeddings(
            model=model,
            api_key=api_key or SecretStr("none"),
            base_url=self._where,
            timeout=TIMEOUT_SECONDS,
            # Passages are far below any model's limit; the check would load OpenAI's tokenizer over the network
            # and send token ids, which other servers do not understand.
            check_embedding_ctx_length=False,
        )

    @property
    def dimensions(self) -> int:
        """The width of this model's vectors, found once by embedding a word. Blocks."""
        width = self._dimensions or int(next(self.embed_passages(["width"])).shape[1])
        self._dimensions = width
        return width

    async def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        try:
            return await self._client.aembed_query(text)
        except OpenAIError as error:
            raise self._unavailable(error) from error

    def embed_passages(self, texts: Sequence[str]) -> Iterator[np.ndarray]:
        """Yield up to 64 rows per request, in the order of `texts`."""
        for start in range(0, len(texts), BATCH):
            try:
                vectors = self._client.embed_documents(list(texts[start : start + BATCH]))
            except OpenAIError as error:
                raise self._unavailable(error) from error
            yield np.array(vectors, np.float32)

    def _unavailable(self, error: OpenAIError) -> IndexUnavailable:
        """Say what happened without the error's own message: it may quote the question or the key."""
        status = f" {error.status_code}" if isinstance(error, APIStatusError) else ""
        reason = f"{type(error).__name__}{status}"
        where = without_credentials(self._where)
        return IndexUnavailable(f"The embedding model {self.name!r} at {where} gave no vectors: {reason}")
