"""What a picture of the graph shows, whatever draws it."""

from __future__ import annotations

from typing import Any

import attrs

from graphkd.blueprint.model import Ramp
from graphkd.component import name_of
from graphkd.graph import Graph, Vertex, edges_into, vertex, vertices
from graphkd.graph.model import flow_of


@attrs.frozen
class Box:
    """A box of the picture.

    Attributes:
        name: the vertex.
        kind: kind of the vertex.
        lines: what is written in it.
    """

    name: str
    kind: str
    lines: tuple[str, ...]


@attrs.frozen
class Arrow:
    """An arrow of the picture.

    Attributes:
        source: where it starts.
        target: where it ends.
        kind: `signal`, `knowledge`, `gradient` or `weights`.
        text: what is written on it.
    """

    source: str
    target: str
    kind: str
    text: str


def picture(graph: Graph) -> tuple[list[Box], list[Arrow]]:
    """Return the boxes and arrows of a graph.

    A flow is drawn from the knowledge to its loss and on to the learner: `gradient` arrows point
    against the way that values go.
    """
    boxes = [Box(each.name, each.kind, _lines(graph, each)) for each in vertices(graph)]
    arrows = [
        arrow
        for each in vertices(graph)
        for source, edge in edges_into(graph, each.name)
        for arrow in [_arrow(graph, source, each, edge)]
    ]
    return boxes, arrows


def _lines(graph: Graph, each: Vertex) -> tuple[str, ...]:
    what = name_of(each.component) if each.component is not None else each.kind
    if each.kind == "data":
        return ("data", what)
    if each.kind == "loss":
        return (what, *_weight(flow_of(graph, each).weight))
    model = getattr(each.component, "model", "")
    size = _count(each.cost.parameters) if each.cost.parameters else ""
    if each.flow is not None or each.kind == "convert":
        return (what, *([size] if size else []))
    return tuple(line for line in (each.name, f"{what} {model}".strip(), size) if line)


def _weight(weight: float | Ramp) -> tuple[str, ...]:
    if isinstance(weight, Ramp):
        return (f"x {weight.start:g} to {weight.end:g}",)
    return () if weight == 1 else (f"x {weight:g}",)


def _count(number: int) -> str:
    for size, word in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {word} parameters"
    return f"{number} parameters"


def _arrow(graph: Graph, source: str, target: Vertex, edge: Any) -> Arrow:
    if edge.kind == "learner":
        return Arrow(target.name, source, "gradient", edge.tap)
    text = edge.tap if edge.tap != "output" else ""
    kind = str(edge.kind)
    if kind == "knowledge" and vertex(graph, source).kind == "data":
        kind = "signal"
    return Arrow(source, target.name, kind, text)


