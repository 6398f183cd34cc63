"""Vertices and edges of the graph, and how they are looked up and replaced.

The graph is a `networkx.MultiDiGraph`. Each node holds a `Vertex`, each edge an `Edge`. Edges point
the way values go in a forward: models to losses. Passes return changed copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import attrs
import networkx as nx

from graphkd.blueprint.model import Blueprint, Flow, Node, Where
from graphkd.component import Socket
from graphkd.errors import Problem

Graph: TypeAlias = nx.MultiDiGraph
Kind = Literal["data", "model", "projector", "transform", "probe", "loss", "convert"]
EdgeKind = Literal["signal", "knowledge", "learner", "weights"]

VIEWS = ("view1", "view2")
"""Taps of the data: further augmentations of the images in `image`."""
IMAGES = ("image", *VIEWS)
"""Names of the taps that carry images in [0, 1]."""


@attrs.frozen
class Cost:
    """What a vertex costs, of one sample where not said otherwise.

    Attributes:
        parameters: number of trainable and frozen parameters that are its own, none borrowed.
        parameter_bytes: bytes of these parameters and of its own buffers.
        flops: floating-point operations of a forward; a multiplication and an addition are two.
        activation_bytes: bytes of all intermediate results of a forward.
    """

    parameters: int = 0
    parameter_bytes: int = 0
    flops: int = 0
    activation_bytes: int = 0


@attrs.frozen
class Placement:
    """How and where a forward runs; by default as the recipe says.

    Attributes:
        precision: element type of its weights and of all that it computes; empty: the recipe's.
        device: where its weights are; empty: where the run is.
        compiled: it goes through torch.compile, by itself.
        checkpointed: it is computed again in the backward, instead of being kept for it.
        aside: on a GPU it runs on the side stream.
    """

    precision: str = ""
    device: str = ""
    compiled: bool = False
    checkpointed: bool = False
    aside: bool = False


@attrs.frozen
class Vertex:
    """A box of the graph.

    Attributes:
        name: unique, without dots; modules and checkpoints are keyed by it.
        kind: what it is.
        component: its parameters; of the data the data set.
        where: its path in the blueprint.
        label: how people see it.
        settings: the blueprint's node; None for flows' parts and the data.
        flow: number of the flow, from 0, that it is a part of; None for nodes.
        taps: outputs that somebody reads, with what they carry once inferred.
        image: what a model wants `data.image` converted to.
        cost: what it costs, once inferred.
        learns: its parameters change in this phase; of a call, its owner's.
        carries_gradient: its outputs depend on something that learns in this phase.
        stops: its forward ends behind the deepest tap that is read.
        same_as: the vertex whose result it takes over instead of computing it again.
        fused_with: of a loss, the first of those that it is computed with; empty: it is computed
            by itself.
        unfused: of a loss, why it is computed by itself, as far as somebody asked.
        cached: its outputs are computed once for each sample, and read afterwards.
        placement: how and where its forward runs.
    """

    name: str
    kind: Kind
    component: Any = None
    where: Where = ()
    label: str = ""
    settings: Node | None = None
    flow: int | None = None
    taps: Mapping[str, Socket | None] = attrs.field(factory=dict)
    image: Any = None
    cost: Cost = attrs.field(factory=Cost)
    learns: bool = False
    carries_gradient: bool = False
    stops: bool = False
    same_as: str = ""
    fused_with: str = ""
    unfused: str = ""
    cached: bool = False
    placement: Placement = attrs.field(factory=Placement)


@attrs.frozen
class Edge:
    """A value on its way from a tap to a port, or weights that one node lends another.

    Attributes:
        kind: `signal`: an input; `knowledge`: the gradient stops here; `learner`: the gradient of a
            flow comes this way; `weights`: the target uses the source's module.
        tap: tap of the source; for `weights` the field of the target.
        port: port of the target; for `weights` the field of the target.
        position: place among the taps of a port that reads several.
        where: its path in the blueprint.
    """

    kind: EdgeKind
    tap: str
    port: str
    position: int = 0
    where: Where = ()


def vertex(graph: Graph, name: str) -> Vertex:
    """Return the vertex of that name."""
    found: Vertex = graph.nodes[name]["vertex"]
    return found


def vertices(graph: Graph, *kinds: str) -> Iterator[Vertex]:
    """Go through the vertices of these kinds (all without), in the blueprint's order."""
    for name in graph.nodes:
        each = vertex(graph, name)
        if not kinds or each.kind in kinds:
            yield each


def edges_into(graph: Graph, name: str, *kinds: str) -> list[tuple[str, Edge]]:
    """Return the source and edge of each input of these kinds (all without), in any order."""
    found = [(source, data["edge"]) for source, _, data in graph.in_edges(name, data=True)]
    return [(source, edge) for source, edge in found if not kinds or edge.kind in kinds]


def edges_out_of(graph: Graph, name: str, *kinds: str) -> list[tuple[str, Edge]]:
    """Return the target and edge of each output of these kinds (all without), in any order."""
    found = [(target, data["edge"]) for _, target, data in graph.out_edges(name, data=True)]
    return [(target, edge) for target, edge in found if not kinds or edge.kind in kinds]


def cut(graph: Graph, source: str, target: str, edge: Edge) -> None:
    """Take an edge out, in place: for a pass on its own copy."""
    keys = [
        key for key, data in graph.get_edge_data(source, target).items() if data["edge"] == edge
    ]
    graph.remove_edge(source, target, key=keys[0])


def with_vertices(graph: Graph, changed: Iterable[Vertex]) -> Graph:
    """Return a copy of the graph in which some vertices are replaced."""
    copy = graph.copy()
    for each in changed:
        copy.nodes[each.name]["vertex"] = each
    return copy


def blueprint_of(graph: Graph) -> Blueprint:
    """Return the blueprint that a graph was made from."""
    found: Blueprint = graph.graph["blueprint"]
    return found


def problem(graph: Graph, message: str, where: Where) -> Problem:
    """Make the problem of something that stands at a path of the blueprint."""
    return Problem(message, blueprint_of(graph).place(*where))


def report(graph: Graph, problems: Iterable[Problem]) -> Graph:
    """Return a copy of the graph with more problems on its list, each once."""
    copy = graph.copy()
    copy.graph["problems"] = tuple(dict.fromkeys((*graph.graph.get("problems", ()), *problems)))
    return copy


def describe_vertex(each: Vertex) -> str:
    """Name a vertex as messages do: `node 'student'`, `flow 2`."""
    return f"flow {each.flow + 1}" if each.flow is not None else f"node '{each.name}'"


def flow_of(graph: Graph, each: Vertex) -> Flow:
    """Return the flow that a vertex is a part of."""
    assert each.flow is not None
    return blueprint_of(graph).flows[each.flow]


def carries_image(edge: Edge) -> bool:
    """Say whether an edge brings an image in [0, 1], which each model converts for itself."""
    return edge.kind == "signal" and edge.tap in IMAGES
