"""Pass `prune`: leave out what no loss of the phase needs."""

from __future__ import annotations

import attrs

from graphkd.compile.idle import leave_out, needed
from graphkd.graph import (
    Graph,
    Vertex,
    above,
    edges_out_of,
    vertex,
    with_vertices,
)


def prune(graph: Graph) -> Graph:
    """Keep the sinks and what they are computed from; let frozen models stop early.

    Args:
        graph: of one phase; `graph.graph["sinks"]` names the losses and fitted nodes, or in an
            evaluation the models and probes.

    Returns:
        A copy without the nodes and taps that nobody reads; a node that only lends its weights
        stays, without inputs and taps. A model of which no part learns stops behind the deepest tap
        that is left; others run to their end, so that running statistics move as in a plain loop.
    """
    kept = leave_out(graph, set(graph) - needed(graph))
    return with_vertices(kept, [_trimmed(kept, name) for name in kept])


def _trimmed(graph: Graph, name: str) -> Vertex:
    each = vertex(graph, name)
    readers = edges_out_of(graph, name, "signal", "knowledge", "learner")
    read = {edge.tap for _, edge in readers}
    if each.kind == "model" and name in graph.graph["sinks"]:
        read.add("logits")
    taps = {tap: socket for tap, socket in each.taps.items() if tap in read}
    parts = above(graph, [name], "weights")
    learns = any(vertex(graph, part).learns for part in parts)
    return attrs.evolve(each, taps=taps, stops=each.kind == "model" and not learns)
