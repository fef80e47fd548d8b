"""The turn graph: one router, two paths, and the function that runs a turn."""

# pyright: reportUnknownMemberType=false, reportMissingTypeStubs=false
# langgraph 1.2 ships no stubs for its namespace package and leaves type parameters of its builder unbound.

from typing import Literal, cast

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graph.constrained import Constrained
from graph.emit import Sink, listening
from graph.grounded import Grounded, after_ground
from graph.state import TurnState
from graph.types import Answer, Exchange, Frozen, Scope, Selection

TurnGraph = CompiledStateGraph[TurnState, None, TurnState, TurnState]


class GroundedQuestion(Frozen):
    """What a grounded turn starts from; `history` holds the thread's last grounded exchanges, oldest first."""

    question: str
    scope: Scope = Scope()
    locale: str = "en"
    history: tuple[Exchange, ...] = ()


class ConstrainedQuestion(Frozen):
    """What a constrained turn starts from; `earlier` holds turns of the thread on the same selection, oldest first."""

    question: str
    selection: Selection
    locale: str = "en"
    earlier: tuple[Exchange, ...] = ()


async def route(state: TurnState) -> Literal["condense", "retrieve", "assess"]:
    """Send a turn with a selection down the constrained path, from which none leads back.

    A first question stands on its own, which spares a turn the step that would say so.

    A coroutine, as `after_ground` is: LangGraph 1.2 runs a plain function in a thread, 0.6 ms later.
    """
    if "selection" in state:
        return "assess"
    return "retrieve" if "query" in state and not state.get("history") else "condense"


def build_graph(grounded: Grounded, constrained: Constrained) -> TurnGraph:
    """Return the compiled graph of a turn; its nodes are the methods of the two."""
    turn = StateGraph(TurnState)
    turn.add_conditional_edges(START, route)
    turn.add_node(grounded.condense)
    turn.add_edge("condense", "retrieve")
    turn.add_node(grounded.retrieve)
    turn.add_edge("retrieve", "ground")
    turn.add_node(grounded.ground)
    turn.add_conditional_edges("ground", after_ground)
    turn.add_node(grounded.decline)
    turn.add_edge("decline", END)
    turn.add_node(grounded.answer)
    turn.add_edge("answer", "check")
    turn.add_node(grounded.check)
    turn.add_edge("check", END)
    turn.add_node(constrained.assess)
    turn.add_edge("assess", "answer_selection")
    turn.add_node(constrained.answer_selection)
    turn.add_edge("answer_selection", END)
    return turn.compile(name="turn")


async def run_turn(
    graph: TurnGraph,
    question: GroundedQuestion | ConstrainedQuestion,
    emit: Sink,
    config: RunnableConfig | None = None,
) -> Answer:
    """Run one turn, send its events to `emit` as they come, and return its answer.

    The text of all `Delta` events joined is the answer's text. Run it in a task of its own: an anyio cancel scope,
    such as that of a dropped connection, does not stop a LangGraph run (langgraph 1.2), cancelling the task does.
    Raises the errors of `graph.errors`.
    """
    state = cast(TurnState, {name: getattr(question, name) for name in type(question).model_fields})
    if isinstance(question, GroundedQuestion):
        state["query"] = question.question
    with listening(emit):
        final = await graph.ainvoke(state, config)
    return final["answer"]
