"""What `infer` knows so far, and what arrives at a vertex."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from torch import nn

from graphkd.blueprint.model import Where
from graphkd.component import DataSpec, Port, Site, Socket, ports_of
from graphkd.errors import Problem
from graphkd.graph import (
    Edge,
    Graph,
    Vertex,
    carries_image,
    edges_into,
    edges_out_of,
    inputs_of,
    problem,
    vertex,
)

STAND_IN = 2
"""Batch size on the meta device."""


@attrs.frozen
class Arrival:
    """A value that a port reads.

    Attributes:
        port: where it arrives.
        source: the vertex it comes from.
        edge: the way it comes.
        socket: what it is; None when that is not known, because of a mistake told elsewhere.
    """

    port: Port
    source: str
    edge: Edge
    socket: Socket | None


@attrs.frozen
class Likeness:
    """All that the shapes and the cost of a vertex depend on.

    Attributes:
        component: what is built.
        site: where.
        taps: what is asked of it.
        arrivals: port, layout of the value and kind of the edge, of each value that it reads.
    """

    component: Any
    site: Site
    taps: tuple[str, ...]
    arrivals: tuple[Any, ...]

    @classmethod
    def of(
        cls, graph: Graph, each: Vertex, site: Site, arrivals: Sequence[Arrival]
    ) -> Likeness | None:
        """Return that of a vertex; None for one whose module others see or change."""
        if edges_into(graph, each.name, "weights") or edges_out_of(graph, each.name, "weights"):
            return None
        read = tuple(
            (arrival.port.name, arrival.socket, carries_image(arrival.edge)) for arrival in arrivals
        )
        return cls(each.component, site, tuple(each.taps), read)


@attrs.define
class Progress:
    """The state of inference.

    Attributes:
        graph: resolved.
        done: vertices whose shapes are known.
        settled: names of vertices that need no more looking at, whether done or failed.
        modules: what was built, on the meta device.
        weighed: parameters of each module when last looked at, and their bytes with the buffers'.
        sites: where each vertex was built.
        twins: vertices that were inferred, for those that are just like them.
        problems: what does not fit.
    """

    graph: Graph
    done: dict[str, Vertex] = attrs.field(factory=dict)
    settled: set[str] = attrs.field(factory=set)
    modules: dict[str, nn.Module] = attrs.field(factory=dict)
    weighed: dict[str, tuple[int, int]] = attrs.field(factory=dict)
    sites: dict[str, Site] = attrs.field(factory=dict)
    twins: list[tuple[Likeness, Vertex]] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)

    @property
    def spec(self) -> DataSpec | None:
        """What is known of the data set; None where that is a mistake."""
        found: DataSpec | None = self.graph.graph["data_spec"]
        return found

    def problem(self, message: str, where: Where) -> None:
        """Report a mistake."""
        self.problems.append(problem(self.graph, message, where))

    def socket(self, source: str, edge: Edge) -> Socket | None:
        """Say what an edge carries, None where that is not known."""
        return self.done[source].taps.get(edge.tap) if source in self.done else None

    def arrivals(self, name: str) -> list[Arrival]:
        """List what a vertex reads, in the order of its ports."""
        ports = {port.name: port for port in ports_of(vertex(self.graph, name).component)}
        return [
            Arrival(ports[edge.port], source, edge, self.socket(source, edge))
            for source, edge in inputs_of(self.graph, name)
        ]

    def twin(self, likeness: Likeness | None) -> Vertex | None:
        """Find a vertex that is done already and is just like one that comes now."""
        return next((each for known, each in self.twins if _alike(known, likeness)), None)

    def lent(self, name: str) -> dict[str, nn.Module]:
        """Return the modules that other nodes lend a vertex, by the field that names them."""
        return {
            edge.tap: self.modules[source]
            for source, edge in edges_into(self.graph, name, "weights")
            if source in self.modules
        }

    def is_complete(self, name: str, arrivals: Sequence[Arrival]) -> bool:
        """Say whether all is known that a vertex needs to be built."""
        wired = name not in self.graph.graph["broken"]
        known = all(arrival.socket is not None for arrival in arrivals)
        lenders = edges_into(self.graph, name, "weights")
        return wired and known and all(source in self.done for source, _ in lenders)


def _alike(one: Likeness, other: Likeness | None) -> bool:
    try:
        return one == other
    except (RuntimeError, ValueError):
        # a component that holds a tensor or an array cannot be compared
        return False
