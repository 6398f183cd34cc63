"""Leave idle vertices out of a phase."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from graphkd.graph import Graph, above, cut, inputs_of, keep, vertex, with_vertices


def needed(graph: Graph) -> set[str]:
    """Name what the sinks of a phase are computed from, and the sinks themselves."""
    return above(graph, graph.graph["sinks"], "signal", "knowledge", "learner")


def leave_out(graph: Graph, idle: Collection[str]) -> Graph:
    """Return a copy without these vertices and the edges to and from them.

    Args:
        graph: of one phase.
        idle: what no other vertex reads. What lends its weights to one that is not idle stays,
            without inputs and taps, so that it is built but does not run.
    """
    busy = [name for name in graph if name not in idle]
    kept = keep(graph, above(graph, busy, "weights"))
    lenders = [name for name in kept if name in idle]
    for name in lenders:
        for source, edge in inputs_of(kept, name):
            cut(kept, source, name, edge)
    return with_vertices(kept, [attrs.evolve(vertex(kept, name), taps={}) for name in lenders])
