"""Two graphs put into one."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import networkx as nx

from graphkd.blueprint.model import Blueprint
from graphkd.compile.phases import delivered
from graphkd.graph import Edge, Graph, Vertex, blueprint_of, vertex, vertices
from graphkd.inspect.picture import Arrow, Box, picture


class Merger:
    """Takes what is in both graphs from the second.

    Attributes:
        one: the first graph.
        other: the second.
        names: what the vertices of the first are called in the one graph.
        known: the vertices that both have.
    """

    def __init__(self, one: Graph, other: Graph, *, names: Mapping[str, str]) -> None:
        self.one, self.other, self.names = one, other, names
        self.known = set(names.values()) & set(other)

    def graph(self) -> tuple[Graph, set[tuple[str, str]]]:
        """Return the vertices and edges of both, and the ends of edges that are left out."""
        made = Graph(blueprint=_blueprint(self.one, self.other))
        former = {new: vertex(self.one, old) for old, new in self.names.items()}
        for each in vertices(self.other):
            taps = {**former[each.name].taps, **each.taps} if each.name in former else each.taps
            made.add_node(each.name, vertex=attrs.evolve(each, taps=taps))
        for name, each in former.items():
            if name not in self.known:
                made.add_node(name, vertex=self._moved(name, each))
        made.add_edges_from(self.other.edges(data=True))
        return made, self._add_former(made)

    def _moved(self, name: str, each: Vertex) -> Vertex:
        """Return a vertex that only the first graph has, with the number of its flow behind."""
        same = blueprint_of(self.one) is blueprint_of(self.other)
        shift = 0 if same else len(blueprint_of(self.other).flows)
        flow = None if each.flow is None else each.flow + shift
        return attrs.evolve(each, name=name, flow=flow)

    def _add_former(self, made: Graph) -> set[tuple[str, str]]:
        """Add the edges of the first graph, but for those that would close a circle."""
        way = nx.DiGraph()
        way.add_nodes_from(made)
        way.add_edges_from((a, b) for a, b, edge in _edges(made) if edge.kind != "weights")
        hidden = set()
        for source, target, edge in _edges(self.one):
            ends = self.names[source], self.names[target]
            if edge.kind != "weights":
                if not way.has_edge(*ends) and nx.has_path(way, ends[1], ends[0]):
                    hidden.add(ends)
                    continue
                way.add_edge(*ends)
            if edge not in (
                each["edge"] for each in made.get_edge_data(*ends, default={}).values()
            ):
                made.add_edge(*ends, edge=edge)
        return hidden

    def boxes(self) -> list[Box]:
        """Return the boxes of the second graph, then those that only the first has."""
        before = [attrs.evolve(each, name=self.names[each.name]) for each in picture(self.one)[0]]
        return [*picture(self.other)[0], *(each for each in before if each.name not in self.known)]

    def arrows(self) -> tuple[list[Arrow], list[Arrow]]:
        """Return the arrows of the first graph and of the second."""
        before = [
            attrs.evolve(each, source=self.names[each.source], target=self.names[each.target])
            for each in picture(self.one)[1]
        ]
        return before, picture(self.other)[1]


def _edges(graph: Graph) -> list[tuple[str, str, Edge]]:
    return [(source, target, data["edge"]) for source, target, data in graph.edges(data=True)]


def _blueprint(one: Graph, other: Graph) -> Blueprint:
    """Return a blueprint with the nodes and flows of both, for drawings alone."""
    first, second = blueprint_of(one), blueprint_of(other)
    if first is second:
        return first
    names = dict.fromkeys((first.blueprint, second.blueprint))
    return attrs.evolve(
        second,
        blueprint=" to ".join(names),
        about=second.about if first.about == second.about else "",
        nodes={**first.nodes, **second.nodes},
        flows=[*second.flows, *first.flows],
        deliver=_delivered(one, other),
    )


def _delivered(one: Graph, other: Graph) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*delivered(other), *delivered(one))))
