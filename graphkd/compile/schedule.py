"""Pass `schedule`: the instructions of a phase's step, in order, with what can be freed when."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
import networkx as nx

from graphkd.blueprint.model import Blueprint, data_of, recipe_of
from graphkd.compile.instructions import (
    Backward,
    Convert,
    Fit,
    Forward,
    Instruction,
    Loss,
    Measure,
    PhasePlan,
    Read,
    Record,
    Step,
    Update,
)
from graphkd.component import ports_of
from graphkd.graph import Graph, Vertex, edges_into, vertex, vertices
from graphkd.graph.model import flow_of


def schedule(graph: Graph) -> PhasePlan:
    """Order a phase's graph into instructions.

    Args:
        graph: of one phase, after the passes before.

    Returns:
        The plan of the phase. Forwards come as early as the blueprint's order allows, losses in the
        order of the flows, so that sums are added in the order in which they were written.
    """
    blueprint: Blueprint = graph.graph["blueprint"]
    phase = graph.graph["phase"]
    recipe = recipe_of(blueprint, phase)
    body = [made for name in _order(graph) for made in _instruction(graph, vertex(graph, name))]
    trained = _trained(graph)
    return PhasePlan(
        name=phase.name,
        graph=graph,
        instructions=(*_freed(body, _wanted(graph)), *_ending(graph, body, trained, recipe.log_every)),
        trained=trained,
        recipe=recipe,
        data=data_of(blueprint, phase),
        phase=phase,
    )


def _order(graph: Graph) -> list[str]:
    """Order forwards first, then losses in the order of their flows."""
    rank = {"loss": 1, "probe": 1}
    places = {name: index for index, name in enumerate(graph.nodes)}

    def key(name: str) -> tuple[int, int]:
        return rank.get(vertex(graph, name).kind, 0), places[name]

    order = nx.DiGraph()
    order.add_nodes_from(graph.nodes)
    order.add_edges_from((a, b) for a, b, _ in graph.edges if a != b)
    return list(nx.lexicographical_topological_sort(order, key=key))


def _instruction(graph: Graph, each: Vertex) -> list[Instruction]:
    if each.same_as or each.kind == "data":
        return []
    reads = _reads(graph, each)
    match each.kind:
        case "convert":
            image = each.component.image
            return [Convert(each.name, reads, (value_name(each.name, ""),), image)]
        case "loss":
            flow = flow_of(graph, each)
            return [
                Loss(each.name, each.label, reads, flow.weight, flow.every, flow.into)
            ]
        case "probe":
            return [Measure(each.name, reads)]
    forward: list[Instruction] = []
    if each.taps:
        forward.append(_forward(graph, each, reads))
    if each.name in graph.graph["phase"].fit:
        forward.insert(0, Fit(each.name, reads))
    return forward


def _forward(graph: Graph, each: Vertex, reads: tuple[Read, ...]) -> Forward:
    owners = [source for source, _ in edges_into(graph, each.name, "weights")]
    borrows = getattr(each.component, "borrows", False)
    taps = tuple(each.taps) if each.kind == "model" else ("",)
    return Forward(
        node=each.name,
        module=owners[0] if borrows else each.name,
        reads=reads,
        taps=taps,
        makes=tuple(value_name(each.name, tap) for tap in taps),
        gradient=each.carries_gradient,
        stops=each.stops,
    )


def value_name(node: str, tap: str) -> str:
    """Name the value of a tap; `output` and no tap are the same."""
    return f"{node}.{tap}" if tap and tap != "output" else node


def _reads(graph: Graph, each: Vertex) -> tuple[Read, ...]:
    ports = {port.name: index for index, port in enumerate(ports_of(each.component))}
    found = []
    for source, edge in edges_into(graph, each.name):
        if edge.kind == "weights":
            continue
        single = vertex(graph, source).kind in ("convert", "projector", "transform")
        value = value_name(source, "" if single else edge.tap)
        detach = edge.kind == "knowledge" and vertex(graph, source).carries_gradient
        found.append((ports.get(edge.port, 0), edge.position, Read(value, detach)))
    return tuple(read for _, _, read in sorted(found, key=lambda each: each[:2]))


Made = TypeVar("Made", bound=Any)


def _wanted(graph: Graph) -> set[str]:
    """Name the values that are read from outside the schedule: logits of models that are sinks."""
    sinks = [vertex(graph, name) for name in graph.graph["sinks"]]
    return {value_name(each.same_as or each.name, "logits") for each in sinks}


def _freed(body: list[Made], wanted: set[str]) -> list[Made]:
    """Say at each instruction which values are read there for the last time."""
    last: dict[str, int] = {}
    for index, each in enumerate(body):
        for read in each.reads:
            last[read.value] = index
    return [
        attrs.evolve(
            each,
            frees=tuple(
                dict.fromkeys(
                    read.value
                    for read in each.reads
                    if last[read.value] == index
                    and read.value not in wanted
                    and not read.value.startswith("data.")
                )
            ),
        )
        for index, each in enumerate(body)
    ]


def _trained(graph: Graph) -> tuple[str, ...]:
    return tuple(
        each.name
        for each in vertices(graph, "model", "projector", "transform", "loss")
        if each.learns and not getattr(each.component, "borrows", False)
    )


def _ending(
    graph: Graph, body: list[Instruction], trained: tuple[str, ...], log_every: int
) -> list[Instruction]:
    losses = [each for each in body if isinstance(each, Loss)]
    if not losses:
        return []
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in losses:
        groups.setdefault(each.into, []).append(each.node)
    ending: list[Instruction] = [Backward(tuple(names), into) for into, names in groups.items()]
    ending.append(Step(trained))
    for name in trained:
        settings = vertex(graph, name).settings
        if settings is not None and settings.ema:
            ending.append(Update(name, settings.ema))
    ending.append(Record(log_every))
    return ending
