"""A graph in the making: vertices are added, references become edges or problems."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import attrs

from graphkd.blueprint.model import Blueprint, Ref, Where
from graphkd.component import ports_of
from graphkd.errors import Problem, did_you_mean
from graphkd.graph import VIEWS, Edge, Graph, Vertex, describe_vertex, edges_into, vertex

DATA = "data"
BATCH_TAPS = ("image", "label", "index", "source")
"""Taps of the data that a port of the same name reads by default."""
DATA_TAPS = (*BATCH_TAPS, *VIEWS)
"""All taps of the data; a blueprint that wants a view says so."""


@attrs.define
class Wiring:
    """What `resolve` has wired so far.

    Attributes:
        blueprint: what is wired.
        graph: the vertices and edges.
        problems: references that lead nowhere, and ports that nothing is wired to.
        broken: vertices that lack something because of such a problem.
        unsure: phases that name a node that does not exist.
    """

    blueprint: Blueprint
    graph: Graph = attrs.field(factory=Graph)
    problems: list[Problem] = attrs.field(factory=list)
    broken: set[str] = attrs.field(factory=set)
    unsure: set[str] = attrs.field(factory=set)

    def add(self, made: Vertex) -> None:
        """Add a vertex."""
        self.graph.add_node(made.name, vertex=made)

    def free_name(self, name: str) -> str:
        """Return the name, or the next one that no vertex and no node has."""
        while name in self.graph or name in self.blueprint.nodes:
            name += "_"
        return name

    def problem(self, message: str, where: Where) -> None:
        """Report a mistake that stands at a path of the blueprint."""
        self.problems.append(Problem(message, self.blueprint.place(*where)))

    def fault(self, target: str, message: str, where: Where) -> None:
        """Report a mistake that leaves a vertex incomplete."""
        self.broken.add(target)
        self.problem(f"{describe_vertex(vertex(self.graph, target))}: {message}", where)

    def connect(self, ref: Ref, target: str, edge: Edge) -> None:
        """Add the edge from a tap that the blueprint names, or report why there is none."""
        wrong = self._mistake(ref)
        if wrong:
            self.fault(target, wrong, edge.where)
        else:
            self.join(ref.node, target, edge)

    def join(self, source: str, target: str, edge: Edge) -> None:
        """Add an edge that carries a value."""
        each = vertex(self.graph, source)
        taps = {**each.taps, edge.tap: None}
        self.graph.nodes[source]["vertex"] = attrs.evolve(each, taps=taps)
        self.graph.add_edge(source, target, edge=edge)

    def close(self, target: str) -> None:
        """Report a port that is wired behind one that is not: values are passed by position."""
        each = vertex(self.graph, target)
        inputs = edges_into(self.graph, target, "signal", "knowledge", "learner")
        wired = {edge.port for _, edge in inputs}
        names = [port.name for port in ports_of(each.component)]
        for gap, name in pairwise(names):
            if gap not in wired and name in wired and target not in self.broken:
                text = f"'{name}' is wired, but '{gap}' before it is not"
                self.fault(target, f"{text}; write with: {{{gap}: node.tap}} too", each.where)

    def _mistake(self, ref: Ref) -> str:
        """Say what is wrong with a reference to a tap; empty when nothing is."""
        if ref.node == DATA:
            if ref.tap in DATA_TAPS:
                return ""
            if not ref.tap:
                return f"'{DATA}' has several taps; write {_choices(f'{DATA}.', DATA_TAPS)}"
            return f"no tap '{ref.tap}' on '{DATA}'{did_you_mean(ref.tap, DATA_TAPS)}"
        node = self.blueprint.nodes.get(ref.node)
        if node is None:
            return f"no node '{ref.node}'{did_you_mean(ref.node, [*self.blueprint.nodes, DATA])}"
        if vertex(self.graph, ref.node).kind == "probe":
            return f"'{ref.node}' is a probe, which gives nothing to read; write a model's tap"
        return ""


def _choices(prefix: str, names: Iterable[str]) -> str:
    *rest, last = (f"{prefix}{name}" for name in names)
    return f"{', '.join(rest)} or {last}"
