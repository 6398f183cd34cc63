"""What a picture of the graph shows, whatever draws it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from graphkd.blueprint.model import Flow, Ramp
from graphkd.blueprint.save import to_plain
from graphkd.compile.phases import delivered
from graphkd.component import name_of
from graphkd.graph import (
    Edge,
    Graph,
    Vertex,
    edges_into,
    edges_out_of,
    flow_of,
    vertex,
    vertices,
)
from graphkd.inspect.amount import counted
from graphkd.inspect.course import Course, course_of
from graphkd.inspect.text import one_line


@attrs.frozen
class Box:
    """A box of the picture.

    Attributes:
        name: the vertex.
        kind: kind of the vertex.
        title: its first line.
        aside: what stands behind the title: whether a node learns and is handed back, or a weight.
        notes: the lines below.
        state: `frozen`, `trained` or `fitted`; empty for what is no node.
        shared: whether it lends weights to another node, or borrows some.
    """

    name: str
    kind: str
    title: str
    aside: str
    notes: tuple[str, ...]
    state: str = ""
    shared: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """All that is written in it."""
        return (f"{self.title} ({self.aside})" if self.aside else self.title, *self.notes)


@attrs.frozen
class Arrow:
    """An arrow of the picture.

    Attributes:
        source: the box where it starts.
        target: the box where it ends.
        kind: `signal`, `knowledge`, `gradient` or `weights`.
        text: what is written on it: the tap, or the field that borrows weights.
    """

    source: str
    target: str
    kind: str
    text: str


def picture(graph: Graph) -> tuple[list[Box], list[Arrow]]:
    """Return the boxes and arrows of a graph.

    A flow is drawn from the knowledge to its loss and on to the learner: `gradient` arrows point
    against the way that values go. A graph that was put together of others brings its own along.
    """
    own: tuple[list[Box], list[Arrow]] | None = graph.graph.get("picture")
    if own is not None:
        return own
    course = course_of(graph)
    boxes = [_box(graph, each, course) for each in vertices(graph)]
    arrows = [
        _arrow(graph, source, each, edge)
        for each in vertices(graph)
        for source, edge in edges_into(graph, each.name)
        if not _is_read(graph, source, each, edge)
    ]
    return boxes, arrows


def _is_read(graph: Graph, source: str, each: Vertex, edge: Edge) -> bool:
    """Say whether an arrow for weights would lie beside one for the tap that the field reads."""
    read = {(name, one.port) for name, one in edges_into(graph, each.name, "signal")}
    return edge.kind == "weights" and (source, edge.port) in read


def _box(graph: Graph, each: Vertex, course: Course) -> Box:
    what = name_of(each.component)
    size = counted(each.cost.parameters, "parameter") if each.cost.parameters else ""
    if each.kind == "loss":
        flow = flow_of(graph, each)
        notes = [flow.name, *_settings(each.component), size, *_limits(flow, course.when(each))]
        return _made(each, what, weight_of(flow.weight), notes)
    if each.kind == "data":
        return _made(each, "data", "", [what])
    if each.flow is not None or each.kind == "convert":
        return _made(each, what, "", [size])
    # what is called as its component is need not say so twice
    words = ("" if what == each.name else what, getattr(each.component, "model", ""))
    notes = [" ".join(filter(None, words)), *_borrowed(graph, each), size]
    marks = [course.mark(each), "delivered" if each.name in delivered(graph) else ""]
    made = _made(each, each.name, ", ".join(filter(None, marks)), notes)
    loans = (*edges_into(graph, each.name, "weights"), *edges_out_of(graph, each.name, "weights"))
    return attrs.evolve(made, state=course.state(each), shared=bool(loans))


def _made(each: Vertex, title: str, aside: str, notes: list[str]) -> Box:
    lines = tuple(one_line(note) for note in notes if note)
    return Box(each.name, each.kind, one_line(title), one_line(aside), lines)


def _settings(component: Any) -> Iterator[str]:
    """Say the parameters of a component that are not its defaults, as its blueprint writes them."""
    for key, value in to_plain(component).items():
        if isinstance(value, bool):
            yield f"{key} {'yes' if value else 'no'}"
        elif isinstance(value, (int, float, str)):
            yield f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"


def weight_of(weight: float | Ramp) -> str:
    """Say a flow's weight: `x 0.9`, `x 0 → 1 in 2 epochs, cosine`; empty for 1."""
    if isinstance(weight, Ramp):
        length = f"in {weight.epochs:g} epoch{'' if weight.epochs == 1 else 's'}"
        shape = "" if weight.shape == "linear" else f", {weight.shape}"
        return f"{brief_weight(weight)} {length}{shape}"
    return brief_weight(weight)


def brief_weight(weight: float | Ramp) -> str:
    """Say it as short as an arrow needs it: a ramp without its length."""
    if isinstance(weight, Ramp):
        return f"x {weight.start:g} → {weight.end:g}"
    return "" if weight == 1 else f"x {weight:g}"


def loan(field: str, value: str) -> str:
    """Say what a field borrows: `early student.stage3`, and no name twice."""
    return value if value.partition(".")[0] == field else f"{field} {value}"


def _limits(flow: Flow, when: str) -> Iterator[str]:
    if flow.every > 1:
        yield f"every {flow.every} steps"
    if flow.into:
        yield f"into {', '.join(flow.into)}"
    yield when


def _borrowed(graph: Graph, each: Vertex) -> Iterator[str]:
    fields = list(attrs.fields_dict(type(each.component)))
    lent = edges_into(graph, each.name, "weights")
    for source, edge in sorted(lent, key=lambda pair: fields.index(pair[1].tap)):
        yield loan(edge.tap, str(getattr(each.component, edge.tap, source)))


def _arrow(graph: Graph, source: str, target: Vertex, edge: Edge) -> Arrow:
    tap = "" if edge.tap == "output" else one_line(edge.tap)
    if edge.kind == "learner":
        return Arrow(target.name, source, "gradient", tap)
    return Arrow(source, target.name, _kind(vertex(graph, source), edge), tap)


def _kind(source: Vertex, edge: Edge) -> str:
    if edge.kind == "knowledge" and source.kind == "data":
        return "signal"
    if edge.kind == "signal" and source.kind == "projector" and source.flow is not None:
        # between a projector on the knowledge's side and the loss
        return "knowledge"
    return edge.kind
