"""Pass `split`: the graph of one phase, with who learns in it and where gradients go."""

from __future__ import annotations

import attrs
import networkx as nx

from graphkd.blueprint.model import Phase
from graphkd.compile.phases import alive_losses, learning_nodes
from graphkd.graph import Graph, Vertex, edges_into, vertices, with_vertices

EVALUATE = "evaluate"


def split(graph: Graph, phase: Phase) -> Graph:
    """Leave out the flows that sleep in a phase.

    Args:
        graph: the whole graph, inferred.
        phase: which phase. The phase called `evaluate` has no flows, but the probes.

    Returns:
        A copy whose `graph.graph["phase"]` is the phase; its vertices know whether they learn.
    """
    evaluating = phase.name == EVALUATE
    alive = () if evaluating else alive_losses(graph, phase)
    learning = frozenset() if evaluating else learning_nodes(graph, phase)
    gone = [each.name for each in vertices(graph, "loss") if each.name not in alive]
    flows = {each.flow for each in vertices(graph, "loss") if each.name in alive}
    gone += [
        each.name
        for each in vertices(graph, "projector")
        if each.flow is not None and each.flow not in flows
    ]
    if not evaluating:
        gone += [each.name for each in vertices(graph, "probe")]
    kept = graph.copy()
    kept.remove_nodes_from(gone)
    kept.graph["phase"] = phase
    kept.graph["sinks"] = _sinks(kept, phase)
    return with_vertices(kept, _marked(kept, learning))


def _sinks(graph: Graph, phase: Phase) -> tuple[str, ...]:
    if phase.name == EVALUATE:
        models = [each.name for each in vertices(graph, "model") if "logits" in each.taps]
        return (*models, *(each.name for each in vertices(graph, "probe")))
    return (*(each.name for each in vertices(graph, "loss")), *phase.fit)


def _marked(graph: Graph, learning: frozenset[str]) -> list[Vertex]:
    carrying: set[str] = set()
    marked = []
    for name in nx.topological_sort(nx.DiGraph(graph)):
        each: Vertex = graph.nodes[name]["vertex"]
        learns = name in learning or (each.kind == "loss" and hasattr(each.component, "build"))
        inherits = any(
            source in carrying for source, _ in edges_into(graph, name, "signal", "learner")
        )
        if learns or inherits:
            carrying.add(name)
        marked.append(attrs.evolve(each, learns=learns, carries_gradient=name in carrying))
    return marked
