"""Whether a rule may speak of what is absent, or a wrong name, told elsewhere, may be why."""

from __future__ import annotations

from graphkd.compile.phases import reached
from graphkd.graph import Graph, Vertex, vertex


def is_whole(graph: Graph) -> bool:
    """Say whether every name led somewhere, so that what is absent was not just misspelt."""
    return not graph.graph["broken"] and not graph.graph["unsure"]


def is_whole_flow(graph: Graph, loss: Vertex) -> bool:
    """Say whether a flow is wired completely, as far as its gradient goes."""
    broken: frozenset[str] = graph.graph["broken"]
    own = {name for name in broken if vertex(graph, name).flow == loss.flow}
    return not own and not broken & reached(graph, loss.name)
