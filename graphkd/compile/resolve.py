"""Pass `resolve`: names become edges, `via` becomes nodes, every flow becomes a loss vertex."""

from __future__ import annotations

from typing import cast

from graphkd.blueprint.model import NODE_KINDS, Blueprint, Where
from graphkd.compile.wire_flows import wire_flow
from graphkd.compile.wire_nodes import wire_node
from graphkd.compile.wiring import DATA, Wiring
from graphkd.component import DataSpec, kind_of, name_of
from graphkd.errors import ComponentError, did_you_mean
from graphkd.graph import Graph, Vertex, blueprint_of, report, vertices
from graphkd.graph.model import Kind


def resolve(graph: Graph) -> Graph:
    """Build the graph of a blueprint.

    Args:
        graph: empty; `graph.graph["blueprint"]` is the blueprint.

    Returns:
        A graph with a vertex for the data, each node, each projector of a flow and each flow's
        loss. References that lead nowhere are reported and left out: `graph.graph["broken"]` names
        the vertices that lack something, `graph.graph["unsure"]` the phases that name a node that
        does not exist. `graph.graph["data_spec"]` describes the data, None where that is a mistake.
    """
    blueprint = blueprint_of(graph)
    wiring = Wiring(blueprint)
    _add_nodes(wiring)
    for name in blueprint.nodes:
        wire_node(wiring, name)
    for number in range(len(blueprint.flows)):
        wire_flow(wiring, number)
    _check_names(wiring)
    made = wiring.graph
    made.graph.update(graph.graph)
    made.graph["data_spec"] = _data_spec(wiring)
    made.graph["broken"] = frozenset(wiring.broken)
    made.graph["unsure"] = frozenset(wiring.unsure)
    return report(made, wiring.problems)


def _add_nodes(wiring: Wiring) -> None:
    dataset = wiring.blueprint.data.dataset
    wiring.add(Vertex(DATA, "data", dataset, ("data",), label=name_of(dataset)))
    for name, node in wiring.blueprint.nodes.items():
        assert kind_of(node.component) in NODE_KINDS
        kind = cast(Kind, kind_of(node.component))
        wiring.add(Vertex(name, kind, node.component, ("nodes", name), name, node))


def _data_spec(wiring: Wiring) -> DataSpec | None:
    blueprint = wiring.blueprint
    try:
        spec: DataSpec = blueprint.data.dataset.spec(blueprint.folder)
    except ComponentError as error:
        wiring.problem(f"data: {error}", ("data", error.field or "dataset"))
        return None
    return spec


def _check_names(wiring: Wiring) -> None:
    """Report nodes and phases that are named somewhere, but do not exist."""
    blueprint = wiring.blueprint
    for loss in vertices(wiring.graph, "loss"):
        _check_flow(wiring, loss)
    for index, phase in enumerate(blueprint.phases):
        for key, named in (("train", phase.train), ("fit", phase.fit)):
            unknown = _unknown_nodes(blueprint, named)
            for position, text in unknown.items():
                wiring.problem(f"phase '{phase.name}': {text}", ("phases", index, key, position))
            if unknown:
                wiring.unsure.add(phase.name)
    for position, text in _unknown_nodes(blueprint, blueprint.deliver).items():
        wiring.problem(f"deliver: {text}", ("deliver", position))


def _check_flow(wiring: Wiring, loss: Vertex) -> None:
    assert loss.flow is not None
    flow = wiring.blueprint.flows[loss.flow]
    where: Where = ("flows", loss.flow)
    known = [phase.name for phase in wiring.blueprint.phases]
    for index, name in enumerate(flow.phases):
        if name not in known:
            hint = did_you_mean(name, known) or "; there are none, drop phases"
            wiring.fault(loss.name, f"no phase '{name}'{hint}", (*where, "phases", index))
    for index, text in _unknown_nodes(wiring.blueprint, flow.into).items():
        wiring.fault(loss.name, text, (*where, "into", index))


def _unknown_nodes(blueprint: Blueprint, named: tuple[str, ...]) -> dict[int, str]:
    """Say by position which of these names no node has."""
    return {
        index: f"no node '{name}'{did_you_mean(name, blueprint.nodes)}"
        for index, name in enumerate(named)
        if name not in blueprint.nodes
    }
