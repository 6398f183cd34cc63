"""Pass `fuse`: losses of one family are computed by one launch, their gradients too."""

from __future__ import annotations

import attrs

from graphkd.component import FUSION, Fusion, Socket, find, fusion_of, name_of
from graphkd.graph import Graph, Vertex, flow_of, inputs_of, vertex, vertices, with_vertices


def fuse(graph: Graph) -> Graph:
    """Put losses that ask for the same fusion into groups, those of all learners together.

    The gradients of a group come in one piece, so all its flows change the same nodes and are
    alive in every step. A loss alone makes a group too: its weighted gradient comes with it.

    Args:
        graph: of one phase.

    Returns:
        A copy whose losses say which loss leads their group, or why they are in none.
    """
    leaders: dict[tuple[str, tuple[str, ...]], str] = {}
    changed = []
    for each in vertices(graph, "loss"):
        reason = _obstacle(graph, each)
        if reason:
            changed.append(attrs.evolve(each, unfused=reason))
            continue
        key = fusion_of(each.component), flow_of(graph, each).into
        leader = leaders.setdefault(key, each.name)
        changed.append(attrs.evolve(each, fused_with=leader))
    return with_vertices(graph, changed)


def _obstacle(graph: Graph, loss: Vertex) -> str:
    """Say why a loss is computed by itself; empty where it need not."""
    name = fusion_of(loss.component)
    if not name:
        return f"{name_of(loss.component)} has no fused form"
    every = flow_of(graph, loss).every
    if every > 1:
        return f"it runs in every {_ordinal(every)} step only"
    fusion: Fusion = find(FUSION, name)()
    return fusion.refusal(loss.component, _inputs(graph, loss))


def _inputs(graph: Graph, loss: Vertex) -> dict[str, Socket]:
    found = {
        edge.port: vertex(graph, source).taps[edge.tap]
        for source, edge in inputs_of(graph, loss.name)
    }
    return {port: socket for port, socket in found.items() if socket is not None}


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else endings.get(number % 10, 'th')}"
