"""Pass `prune`: leave out what no loss of the phase needs."""

from __future__ import annotations

import attrs
import networkx as nx

from graphkd.graph import Graph, Vertex, edges_into, edges_out_of, vertex, with_vertices


def prune(graph: Graph) -> Graph:
    """Keep the sinks and what they are computed from; let frozen models stop early.

    Args:
        graph: of one phase; `graph.graph["sinks"]` names the losses, probes and fitted nodes.

    Returns:
        A copy without the nodes and taps that nobody reads. A model that does not learn stops
        behind the deepest tap that is left; one that learns runs to its end, so that its running
        statistics move as in a plain loop.
    """
    sinks = set(graph.graph["sinks"])
    flowing = nx.DiGraph(
        (source, target)
        for source, target, data in graph.edges(data=True)
        if data["edge"].kind != "weights"
    )
    flowing.add_nodes_from(graph.nodes)
    needed = sinks.union(*(nx.ancestors(flowing, sink) for sink in sinks))
    owners = {
        source
        for name in needed
        for source, _ in edges_into(graph, name, "weights")
    }
    kept = graph.subgraph(needed | owners).copy()
    idle = owners - needed
    return with_vertices(kept, [_trimmed(kept, name, idle=name in idle) for name in kept.nodes])


def _trimmed(graph: Graph, name: str, *, idle: bool) -> Vertex:
    each = vertex(graph, name)
    read = {edge.tap for _, edge in edges_out_of(graph, name) if edge.kind != "weights"}
    if each.kind == "model" and name in graph.graph["sinks"]:
        read.add("logits")
    taps = {tap: socket for tap, socket in each.taps.items() if tap in read}
    stops = each.kind == "model" and not each.learns
    return attrs.evolve(each, taps={} if idle else taps, stops=stops)
