"""Pass `share`: what is computed twice from the same inputs is computed once."""

from __future__ import annotations

from collections.abc import Hashable

import attrs
import networkx as nx

from graphkd.graph import Graph, edges_into, vertex, with_vertices
from graphkd.graph.model import Edge


def share(graph: Graph) -> Graph:
    """Merge vertices that run the same module on the same inputs in the same mode.

    Conversions to the same size and normalization are merged, and calls of one model on one input.

    Returns:
        A copy in which the later of two equal vertices says `same_as`; its readers read the first.
    """
    made = graph.copy()
    first: dict[Hashable, str] = {}
    for name in list(nx.lexicographical_topological_sort(nx.DiGraph(graph), key=_order(graph))):
        key = _identity(made, name)
        if key is None:
            continue
        if key not in first:
            first[key] = name
            continue
        made = _merged(made, first[key], name)
    return made


def _order(graph: Graph) -> dict[str, int] | object:
    places = {name: index for index, name in enumerate(graph.nodes)}
    return places.__getitem__


def _identity(graph: Graph, name: str) -> Hashable | None:
    each = vertex(graph, name)
    inputs = tuple(
        sorted(
            (edge.port, edge.position, source, edge.tap, edge.kind)
            for source, edge in edges_into(graph, name)
            if edge.kind != "weights"
        )
    )
    if each.kind == "convert":
        return ("convert", each.component, inputs)
    if each.kind == "model":
        owners = [source for source, _ in edges_into(graph, name, "weights")]
        borrows = getattr(each.component, "borrows", False)
        return ("model", owners[0] if borrows else name, inputs, each.learns)
    return None


def _merged(graph: Graph, kept: str, gone: str) -> Graph:
    one, other = vertex(graph, kept), vertex(graph, gone)
    taps = {**one.taps, **other.taps}
    made = with_vertices(
        graph,
        [
            attrs.evolve(one, taps=taps, stops=one.stops and other.stops),
            attrs.evolve(other, same_as=kept, taps={}),
        ],
    )
    edges: list[tuple[str, str, Edge]] = [
        (source, target, data["edge"])
        for source, target, data in graph.out_edges(gone, data=True)
        if data["edge"].kind != "weights"
    ]
    for source, target, edge in edges:
        keys = [k for k, d in made.get_edge_data(source, target).items() if d["edge"] == edge]
        made.remove_edge(source, target, key=keys[0])
        made.add_edge(kept, target, edge=edge)
    return made


