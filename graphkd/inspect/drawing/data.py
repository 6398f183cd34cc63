"""The graph as plain data, for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import attrs

from graphkd.blueprint.fields import keys_of
from graphkd.blueprint.model import Flow, flow_name
from graphkd.blueprint.save import to_plain
from graphkd.compile.phases import trains
from graphkd.compile.plan import PhasePlan, Schedule
from graphkd.component import Socket, name_of
from graphkd.graph import Graph, Vertex, edges_into, vertices
from graphkd.inspect.course import Course, course_of

FORMAT = 1
"""Changes when a program that reads the data would have to change."""

Plain = dict[str, Any]


def graph_data(schedule: Schedule) -> Plain:
    """Return the graph of a compiled blueprint as lists, mappings, texts and numbers.

    `networkx.node_link_graph(data, name="name", edges="edges")` makes a graph of it again.

    Returns:
        `nodes` and `edges` of the graph, `flows` and `phases` of the blueprint; JSON can hold it.
    """
    graph, blueprint = schedule.graph, schedule.blueprint
    course = course_of(graph)
    made = {
        "format": FORMAT,
        "blueprint": blueprint.blueprint,
        "about": blueprint.about,
        "deliver": list(schedule.deliver),
        "directed": True,
        "multigraph": True,
        "nodes": [_node(each, course, schedule) for each in vertices(graph)],
        "edges": list(_edges(graph)),
        "flows": [_flow(graph, number, flow) for number, flow in enumerate(blueprint.flows)],
        "phases": [_phase(plan, graph) for plan in schedule.phases],
    }
    return {key: _strict(value) for key, value in made.items()}


def _node(each: Vertex, course: Course, schedule: Schedule) -> Plain:
    state, phases = _state(each, course)
    flows = schedule.blueprint.flows
    return {
        "name": each.name,
        "kind": each.kind,
        "component": name_of(each.component),
        "parameters": _parameters(each.component),
        "taps": {tap: _carried(socket) for tap, socket in each.taps.items()},
        "cost": attrs.asdict(each.cost),
        "state": state,
        "phases": phases,
        "delivered": each.name in schedule.deliver,
        "flow": None if each.flow is None else flow_name(flows[each.flow]),
    }


def _parameters(component: Any) -> Plain:
    """Return all parameters of a component, its defaults too."""
    cls: type = type(component)
    keys = keys_of(cls) if attrs.has(cls) else {}
    return {key: to_plain(getattr(component, field.name)) for key, field in keys.items()}


def _state(each: Vertex, course: Course) -> tuple[str | None, list[str]]:
    """Say what happens to a vertex, and in which phases."""
    for state, found in (
        ("fitted", course.fitted),
        ("trained", course.trained),
        ("computed", course.alive),
    ):
        if each.name in found:
            return state, list(found[each.name])
    return ("frozen" if each.kind == "model" else None), []


def _carried(socket: Socket | None) -> Plain | None:
    """Say what a tap carries; the first size stands for any batch."""
    if socket is None:
        return None
    return {
        "layout": socket.layout,
        "shape": list(socket.shape),
        "dtype": socket.dtype,
        "classes": socket.classes,
    }


def _edges(graph: Graph) -> Iterator[Plain]:
    for each in vertices(graph):
        for source, edge in edges_into(graph, each.name):
            yield {
                "source": source,
                "target": each.name,
                "kind": edge.kind,
                "tap": edge.tap,
                "port": edge.port,
                "position": edge.position,
            }


def _flow(graph: Graph, number: int, flow: Flow) -> Plain:
    weight = flow.weight
    return {
        "name": flow_name(flow),
        "from": str(flow.source),
        "to": str(flow.to),
        "loss": name_of(flow.loss),
        "weight": weight if isinstance(weight, (int, float)) else attrs.asdict(weight),
        "every": flow.every,
        "phases": list(flow.phases),
        "into": list(flow.into),
        "nodes": [each.name for each in vertices(graph) if each.flow == number],
    }


def _phase(plan: PhasePlan, graph: Graph) -> Plain:
    recipe = plan.recipe
    length = {"steps": recipe.steps} if recipe.steps else {"epochs": recipe.epochs}
    return {
        "name": plan.name,
        **(length if trains(plan.phase) else {}),
        "batch_size": plan.data.batch_size,
        "trained": list(plan.trained),
        "fitted": list(plan.phase.fit),
        "nodes": [name for name in plan.graph.nodes if name in graph],
    }


def _strict(value: Any) -> Any:
    """Write numbers that JSON does not have as texts: `inf`, `nan`."""
    if isinstance(value, dict):
        return {str(key): _strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
