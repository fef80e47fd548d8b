"""Shows tables and graphs in a notebook."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any

from IPython.display import Image, Markdown
from langgraph.graph.state import CompiledStateGraph
from matplotlib.figure import Figure


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markdown:
    """Return a table; a float is shown with two digits, a text of more than 120 characters is cut."""
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _cell(value: object) -> str:
    text = f"{value:.2f}" if isinstance(value, float) else " ".join(str(value).split())
    return (text if len(text) <= 120 else f"{text[:117]}...").replace("|", "\\|")


def draw(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Image:
    """Return a picture of a graph without cycles, from left to right; dashed arrows are taken on a condition.

    LangGraph's own pictures are made by a web service.
    """
    drawn = graph.get_graph()
    edges = [(edge.source, edge.target, edge.conditional) for edge in drawn.edges]
    places = _places(list(drawn.nodes), [(source, target) for source, target, _ in edges])
    figure = Figure(figsize=(13, 3), layout="tight")
    axes = figure.subplots()
    axes.axis("off")
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": "0.2"}
    boxes = {
        name: axes.text(*place, name.strip("_"), ha="center", va="center", bbox=box).get_bbox_patch()
        for name, place in places.items()
    }
    for source, target, conditional in edges:
        (left, height), (right, _) = places[source], places[target]
        bend = 0.0 if right - left == 1 else -0.25 if height > 0 else 0.25  # around what stands between
        arrow = {
            "arrowstyle": "-|>",
            "linestyle": "--" if conditional else "-",
            "connectionstyle": f"arc3,rad={bend}",
            "patchA": boxes[source],
            "patchB": boxes[target],
            "color": "0.4",
        }
        axes.annotate("", xy=places[target], xytext=places[source], arrowprops=arrow)
    axes.set_xlim(-0.5, max(x for x, _ in places.values()) + 0.5)
    axes.set_ylim(-1, 1)
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return Image(picture.getvalue())


def _places(nodes: list[str], edges: list[tuple[str, str]]) -> dict[str, tuple[float, float]]:
    """Place each node in the column of its longest path from the start, and a column's nodes around the middle."""
    column = dict.fromkeys(nodes, 0)
    for _ in nodes:
        for source, target in edges:
            column[target] = max(column[target], column[source] + 1)
    rows: dict[int, list[str]] = defaultdict(list)
    for node in nodes:
        rows[column[node]].append(node)
    return {
        node: (float(x), (len(column_nodes) - 1) / 2 - n)
        for x, column_nodes in rows.items()
        for n, node in enumerate(column_nodes)
    }
