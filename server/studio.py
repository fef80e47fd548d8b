"""Entry for `langgraph dev`: the graph of a turn, as the server would run it with the same settings."""

import asyncio
from functools import cache
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from pydantic import BaseModel

from graph.state import TurnState
from graph.types import Passage, Scope, Selection
from persistence.index import PassageIndex
from server.models import open_answerers
from server.service import compose_graph, open_retrieval
from server.settings import Settings, load_settings


class Asked(BaseModel):
    """What a person types into Studio."""

    question: str
    selected_text: str | None = None
    version: str | None = None
    locale: str | None = None


def read(state: Asked) -> TurnState:
    """Make the state of a turn from what was typed; Studio sends JSON, which the graph does not parse."""
    turn = TurnState(question=state.question, locale=state.locale or "en")
    if state.selected_text is None:
        return {**turn, "scope": Scope(version=state.version, locale=state.locale), "history": ()}
    return {**turn, "selection": Selection(text=state.selected_text), "earlier": ()}


@cache
def make_graph() -> CompiledStateGraph[TurnState, None, Asked, Any]:
    """Return the graph; Studio asks with every request and gets the same one."""
    settings = load_settings()
    studio = StateGraph(TurnState, input_schema=Asked)
    studio.add_node("read", read)
    studio.add_node("turn", compose_graph(open_answerers(settings), KeptIndex(settings), keywords_only=False))
    studio.add_edge(START, "read")
    studio.add_edge("read", "turn")
    studio.add_edge("turn", END)
    return studio.compile(name="citeside")


class KeptIndex:
    """The index, opened with the first search and kept until the process ends, since it may have one owner only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._index: asyncio.Future[PassageIndex] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Search like the index; raises what opening it raises as well."""
        if self._index is None:
            self._index = asyncio.get_running_loop().create_future()
            self._keeping = asyncio.create_task(self._keep(self._index))
        index = await asyncio.shield(self._index)  # a run that is cancelled takes it from nobody else
        return await index.search(query, scope=scope, limit=limit)

    async def _keep(self, index: asyncio.Future[PassageIndex]) -> None:
        """Have the index open until the process ends, which cancels its tasks."""
        try:
            async with open_retrieval(self._settings) as (_, opened):
                index.set_result(opened)
                await asyncio.Event().wait()
        except Exception as error:
            if index.done():
                raise
            self._index = None  # the next search tries again
            index.set_exception(error)
