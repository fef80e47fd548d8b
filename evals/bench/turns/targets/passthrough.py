"""The least a server can do with the usual libraries: it relays the model's stream and keeps nothing."""

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from openai import AsyncOpenAI
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from evals.bench.turns.targets.worker import serve


class Question(BaseModel):
    """What a reader asks."""

    message: str


app = FastAPI()
client = AsyncOpenAI(max_retries=0)


@app.post("/chat/stream")
async def chat_stream(question: Question) -> EventSourceResponse:
    """Relay the model's answer."""
    return EventSourceResponse(relay(question.message))


async def relay(message: str) -> AsyncIterator[dict[str, str]]:
    """Yield an event for each piece of the model's text."""
    stream = await client.chat.completions.create(
        model="bench", messages=[{"role": "user", "content": message}], stream=True
    )
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content):
            yield {"event": "token", "data": json.dumps({"text": text})}
    yield {"event": "done", "data": "{}"}


if __name__ == "__main__":
    serve(app)
