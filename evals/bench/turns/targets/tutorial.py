"""A chat with memory as LangGraph's tutorials build it: messages streamed from a graph with a Postgres checkpointer."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

from evals.bench.turns.targets.worker import serve


class Question(BaseModel):
    """What a reader asks, in a thread of its own unless one is named."""

    message: str
    thread_id: str | None = None


model = ChatOpenAI(model="bench", max_retries=0)


async def answer(state: MessagesState) -> MessagesState:
    """Ask the model."""
    return {"messages": [await model.ainvoke(state["messages"])]}


builder = StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the database and compile the graph over it."""
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        os.environ["DATABASE_URL"], min_size=4, max_size=20, kwargs=options, open=False
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        app.state.graph = builder.compile(checkpointer=saver)
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/chat/stream")
async def chat_stream(question: Question) -> EventSourceResponse:
    """Answer within a thread."""
    return EventSourceResponse(stream(question))


async def stream(question: Question) -> AsyncIterator[dict[str, str]]:
    """Yield an event for each piece of the model's text."""
    config: RunnableConfig = {"configurable": {"thread_id": question.thread_id or str(uuid4())}}
    asked = {"messages": [HumanMessage(question.message)]}
    async for message, _ in app.state.graph.astream(asked, config, stream_mode="messages"):
        if message.content:
            yield {"event": "token", "data": json.dumps({"text": message.content})}
    yield {"event": "done", "data": "{}"}


if __name__ == "__main__":
    serve(app)
