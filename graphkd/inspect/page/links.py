"""The picture of who teaches whom: networks, and the arrows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import attrs
import networkx as nx

from graphkd.blueprint.model import Flow
from graphkd.component import name_of
from graphkd.graph import Graph, Vertex, edges_into, flow_of, vertices
from graphkd.inspect.drawing.arrangement import Arrangement
from graphkd.inspect.drawing.lanes import NOTHING, arrange
from graphkd.inspect.picture import Box, loan, weight_of
from graphkd.inspect.text import one_line

QUIET = ("image", "index")
"""Taps of the data that are read without being taught from or chosen."""


@attrs.frozen
class Link:
    """An arrow between two networks, or from the data into one.

    Attributes:
        kind: `knowledge` of a flow, `signal` or `weights`.
        source: the network where it starts; empty for the data.
        target: the network where it ends.
        of: the vertex that it stands for: a loss, or what reads or borrows.
        title: its first words: the loss; empty for other kinds.
        note: what follows them: weight, taps, projectors, or what is lent.
        origin: of the data, or of a network that teaches itself, the tap.
        more: what the reader of the picture is told beside the blueprint, below the line.
    """

    kind: Literal["knowledge", "signal", "weights"]
    source: str
    target: str
    of: str
    title: str
    note: str = ""
    origin: str = ""
    more: str = ""


@attrs.frozen
class Figure:
    """Who teaches whom.

    Attributes:
        boxes: the networks; who teaches comes before who learns, as far as possible.
        links: the arrows.
    """

    boxes: tuple[Box, ...]
    links: tuple[Link, ...]


def figure(graph: Graph, *, more: Mapping[str, str] = NOTHING) -> Figure:
    """Return the networks of a graph, and who teaches, feeds and lends weights to whom.

    Projectors belong to the network whose tap they read; losses become arrows.

    Args:
        graph: inferred.
        more: a line for the arrow of a flow, by the vertex of its loss.
    """
    plan = arrange(graph)
    homes = _homes(plan)
    links = (
        *(
            attrs.evolve(link, more=one_line(more.get(loss.name, "")))
            for loss in vertices(graph, "loss")
            for link in _flow(graph, loss, homes)
        ),
        *_signals(plan, homes),
        *(link for each in vertices(graph) for link in _loans(graph, each, homes)),
    )
    boxes = {lane.box.name: lane.box for lane in plan.lanes}
    ordered = _ordered(tuple(boxes), links, places=list(graph.nodes))
    return Figure(tuple(boxes[name] for name in ordered), tuple(dict.fromkeys(links)))


def _homes(plan: Arrangement) -> dict[str, str]:
    homes = {lane.box.name: lane.box.name for lane in plan.lanes}
    for lane in plan.lanes:
        homes |= {chip.spot[0]: lane.box.name for chip in lane.chips}
    return homes


def _flow(graph: Graph, loss: Vertex, homes: Mapping[str, str]) -> Iterator[Link]:
    flow = flow_of(graph, loss)
    source, target = homes.get(flow.source.node, ""), homes.get(flow.to.node)
    if target is None:
        return
    origin = flow.source.tap or "output"
    made = Link("knowledge", source, target, loss.name, name_of(loss.component), _said(flow))
    if source in ("", target):
        origin = origin if not source else f"own {origin}"
        made = attrs.evolve(made, source="", origin=one_line(origin))
    yield made


def _said(flow: Flow) -> str:
    """Say a flow's weight, taps and projectors, where they are worth a word."""
    taps = (flow.to.tap,) if flow.source.node == "data" else (flow.source.tap, flow.to.tap)
    words = " → ".join(dict.fromkeys(tap for tap in taps if tap))
    via = "via " + ", ".join(name_of(each.component) for each in flow.via) if flow.via else ""
    every = f"every {flow.every} steps" if flow.every > 1 else ""
    return one_line(" · ".join(filter(None, (weight_of(flow.weight), words, via, every))))


def _signals(plan: Arrangement, homes: Mapping[str, str]) -> Iterator[Link]:
    for wire in plan.wires:
        target = homes.get(wire.target[0])
        if wire.kind != "signal" or target is None:
            continue
        name, tap = wire.source
        source = homes.get(name, "")
        if source and source != target:
            yield Link("signal", source, target, wire.target[0], "", f"input {tap}".rstrip())
        elif not source and tap not in QUIET:
            yield Link("signal", "", target, wire.target[0], "", "input", tap)


def _loans(graph: Graph, each: Vertex, homes: Mapping[str, str]) -> Iterator[Link]:
    target = homes.get(each.name)
    for lender, edge in edges_into(graph, each.name, "weights"):
        source = homes.get(lender)
        if source and target and source != target:
            value = loan(edge.tap, str(getattr(each.component, edge.tap, lender)))
            yield Link("weights", source, target, each.name, "", one_line(f"weights {value}"))


def _ordered(
    names: tuple[str, ...], links: tuple[Link, ...], *, places: list[str]
) -> tuple[str, ...]:
    """Order networks so that knowledge goes on; inputs and loans where that leaves a choice."""
    above = nx.DiGraph()
    above.add_nodes_from(names)
    for kind in ("knowledge", "signal", "weights"):
        for link in (each for each in links if each.kind == kind and each.source):
            if kind == "knowledge" or not nx.has_path(above, link.target, link.source):
                above.add_edge(link.source, link.target)
    rank = {name: index for index, name in enumerate(places)}
    groups = nx.condensation(above)
    members = [sorted(groups.nodes[each]["members"], key=rank.__getitem__) for each in groups]
    order = nx.lexicographical_topological_sort(groups, lambda each: rank[members[each][0]])
    return tuple(name for group in order for name in members[group])
