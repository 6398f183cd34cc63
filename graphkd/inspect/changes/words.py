"""What changed of a vertex or an edge, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from graphkd.blueprint.fields import keys_of
from graphkd.blueprint.model import Flow
from graphkd.blueprint.save import to_plain
from graphkd.component import Socket, name_of
from graphkd.errors import shown
from graphkd.graph import Edge, Graph, Vertex, blueprint_of, edges_out_of, flow_of, vertices
from graphkd.inspect.amount import counted, short
from graphkd.inspect.course import Course
from graphkd.inspect.picture import weight_of


@attrs.frozen
class Place:
    """A vertex where it stands.

    Attributes:
        graph: the graph.
        vertex: the vertex.
        course: who learns when in that graph.
    """

    graph: Graph
    vertex: Vertex
    course: Course


_FLAGS = (
    ("learns", "learns", "does not learn"),
    ("carries_gradient", "carries gradient", "carries no gradient"),
    ("stops", "stops behind its deepest tap that is read", "runs to its end"),
    ("cached", "computed once for each sample, then read", "computed in each step"),
)


def vertex_words(one: Place, other: Place) -> Iterator[str]:
    """Say what differs between two states of a vertex; nothing where they are the same."""
    before, after = one.vertex, other.vertex
    if before.kind != after.kind:
        yield f"{before.kind} → {after.kind}"
    yield from _component(before.component, after.component)
    yield from _fields(before.settings, after.settings, ("lr", "weight_decay", "ema", "seed"))
    if blueprint_of(one.graph) is not blueprint_of(other.graph):
        yield from _written(one, other)
    for flag, now, never in _FLAGS:
        if getattr(before, flag) != getattr(after, flag):
            yield now if getattr(after, flag) else never
    yield from _result(before, other)
    yield from _costs(before, after)
    yield from _taps(one, other)


def title_of(graph: Graph, each: Vertex) -> str:
    """Name a vertex as a list of changes does: parts of flows with the flow."""
    if each.flow is None:
        return each.name
    flow = flow_of(graph, each)
    if each.kind == "loss":
        return flow.name or f"{name_of(each.component)} {flow.source} → {flow.to}"
    return f"{name_of(each.component)} in {flow.name or f'{flow.source} → {flow.to}'}"


def edge_words(edge: Edge) -> str:
    """Say what an edge is: `knowledge logits`, `input image`, `weights of`."""
    kind = {"signal": "input", "learner": "gradient back from the loss"}.get(edge.kind, edge.kind)
    tap = "" if edge.tap in ("", "output") else f" {edge.tap}"
    return f"{kind}{tap}" + (f", place {edge.position + 1}" if edge.position else "")


def _component(before: Any, after: Any) -> Iterator[str]:
    if type(before) is not type(after):
        yield f"{_named(before)} → {_named(after)}"
        return
    if before != after:
        yield from _fields(before, after)


def _named(component: Any) -> str:
    return "nothing" if component is None else name_of(component)


def _fields(before: Any, after: Any, only: tuple[str, ...] = ()) -> Iterator[str]:
    """Say the parameters that differ as a blueprint writes them: `temperature 4 → 2`."""
    if before is None or after is None or not attrs.has(type(after)):
        return
    cls: type = type(after)
    for key, field in keys_of(cls).items():
        values = getattr(before, field.name), getattr(after, field.name)
        if (only and key not in only) or values[0] == values[1]:
            continue
        old, new = (_value(value) for value in values)
        yield f"{key} {old} → {new}"


def _value(value: Any) -> str:
    plain = to_plain(value)
    if isinstance(plain, dict):
        return "{" + ", ".join(f"{key}: {_value(each)}" for key, each in plain.items()) + "}"
    if isinstance(plain, list):
        return f"[{', '.join(map(_value, plain))}]"
    return plain if isinstance(plain, str) and plain else shown(plain)


def _written(one: Place, other: Place) -> Iterator[str]:
    """Say what two blueprints say otherwise of a vertex."""
    before, after = one.vertex, other.vertex
    if after.kind == "data":
        yield from _fields(blueprint_of(one.graph).data, blueprint_of(other.graph).data)
    if before.kind == after.kind == "loss":
        yield from _flow(flow_of(one.graph, before), flow_of(other.graph, after))
        yield from _course(one.course.when(before), other.course.when(after), "in every phase")
    yield from _course(one.course.mark(before), other.course.mark(after), "not trained")


def _course(before: str, after: str, empty: str) -> Iterator[str]:
    if before != after:
        yield f"{before or empty} → {after or empty}"


def _flow(before: Flow, after: Flow) -> Iterator[str]:
    """Say what differs between two flows, but for their ends, which are edges, and their loss."""
    if before.weight != after.weight:
        # without the sign that stands before a weight in pictures
        old, new = (weight_of(each.weight)[2:] or "1" for each in (before, after))
        yield f"weight {old} → {new}"
    if before.every != after.every:
        yield f"every {before.every} → every {after.every} steps"
    if before.into != after.into:
        old, new = (", ".join(each.into) or "all that it reaches" for each in (before, after))
        yield f"into {old} → {new}"


def _result(before: Vertex, place: Place) -> Iterator[str]:
    graph, after = place.graph, place.vertex
    if before.same_as != after.same_as:
        yield f"merged into {after.same_as}" if after.same_as else "computed by itself"
    if before.fused_with != after.fused_with:
        yield _launch(graph, after)
    if before.unfused != after.unfused and after.unfused:
        yield f"computed by itself: {after.unfused}"


def _launch(graph: Graph, loss: Vertex) -> str:
    """Say which launch computes a loss; launches are counted in the order of the flows."""
    leaders = [each.fused_with for each in vertices(graph, "loss") if each.fused_with]
    size = leaders.count(loss.fused_with)
    if size < 2:
        return "in a launch of its own"
    number = list(dict.fromkeys(leaders)).index(loss.fused_with) + 1
    return f"in launch {number}, of {size} losses"


def _costs(before: Vertex, after: Vertex) -> Iterator[str]:
    if before.cost.parameters != after.cost.parameters:
        old, new = before.cost.parameters, after.cost.parameters
        yield f"{short(old)} → {counted(new, 'parameter')}" if old else counted(new, "parameter")
    if before.cost.flops != after.cost.flops:
        old, new = before.cost.flops, after.cost.flops
        yield f"{short(old, 'FLOP')} → {short(new, 'FLOP')}" if old else short(new, "FLOP")


def _taps(one: Place, other: Place) -> Iterator[str]:
    before, after = one.vertex.taps, other.vertex.taps
    # a tap with a reader comes and goes with the arrow to it
    gone = [tap or "output" for tap in before if tap not in {*after, *_read(one)}]
    if gone:
        yield f"does not compute {', '.join(gone)}, which nobody reads"
    fresh = [tap or "output" for tap in after if tap not in {*before, *_read(other)}]
    if fresh:
        yield f"computes {', '.join(fresh)}"
    for tap, socket in after.items():
        if tap in before and before[tap] != socket:
            old, new = (_carried(each) for each in (before[tap], socket))
            if old == new:
                # the same sizes of another type
                old, new = (each.dtype for each in (before[tap], socket) if each is not None)
            yield f"{tap or 'output'} {old} → {new}" if old else f"{tap or 'output'} {new}"


def _read(place: Place) -> set[str]:
    return {edge.tap for _, edge in edges_out_of(place.graph, place.vertex.name)}


def _carried(socket: Socket | None) -> str:
    classes = f", {socket.classes} classes" if socket is not None and socket.classes else ""
    return f"{socket or ''}{classes}"
