"""Ask the graph: what lies above, in which order, who owns a module."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import networkx as nx

from graphkd.component import ports_of
from graphkd.graph.model import Edge, Graph, edges_into, vertex


def above(graph: Graph, names: Iterable[str], *kinds: str) -> set[str]:
    """Name these vertices and all that leads to them along edges of these kinds (all without)."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [source for source, _ in edges_into(graph, name, *kinds)]
    return found


def in_order(graph: Graph, rank: Callable[[str], int] = lambda name: 0) -> list[str]:
    """Put sources before what they lead to; among the rest lower ranks, then earlier vertices.

    Args:
        graph: without a cycle.
        rank: of a vertex; what can wait for a vertex of a higher rank comes before it.

    Raises:
        networkx.NetworkXUnfeasible: there is a cycle.
    """
    places = {name: place for place, name in enumerate(graph.nodes)}
    # a multigraph would count each of several edges between two vertices as a wait of its own
    plain = nx.DiGraph(graph)
    key: Callable[[str], tuple[int, int]] = lambda name: (rank(name), places[name])  # noqa: E731
    return list(nx.lexicographical_topological_sort(plain, key=key))


def keep(graph: Graph, names: Collection[str]) -> Graph:
    """Return a copy with these vertices alone, in the order they had."""
    copy = graph.copy()
    # `graph.subgraph` would put them into the order of a set
    copy.remove_nodes_from([name for name in graph if name not in names])
    return copy


def inputs_of(graph: Graph, name: str) -> list[tuple[str, Edge]]:
    """Return the source and edge of each value that a vertex reads, in the order of its ports."""
    found = edges_into(graph, name, "signal", "knowledge", "learner")
    # a data set has no ports
    ports = [port.name for port in ports_of(vertex(graph, name).component)] if found else []
    return sorted(found, key=lambda pair: (ports.index(pair[1].port), pair[1].position))


def borrows(graph: Graph, name: str) -> bool:
    """Say whether a vertex is a call: it runs the module of another node and has none itself."""
    return bool(getattr(vertex(graph, name).component, "borrows", False))


def owner_of(graph: Graph, name: str) -> str:
    """Name the vertex whose module a vertex runs: itself, but for a call what it is a call of."""
    seen: set[str] = set()
    while borrows(graph, name) and name not in seen:
        seen.add(name)
        for lender, _ in edges_into(graph, name, "weights"):
            name = lender
    return name
