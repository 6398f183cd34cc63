"""Pass `share`: what is computed twice from the same inputs is computed once."""

from __future__ import annotations

from collections.abc import Hashable

import attrs

from graphkd.graph import (
    Graph,
    cut,
    edges_out_of,
    in_order,
    inputs_of,
    owner_of,
    vertex,
)


def share(graph: Graph) -> Graph:
    """Merge vertices that must give the same values.

    Conversions to the same size and normalization are merged, and calls of one model on the same
    inputs where it does not learn. One that learns runs as often as it is called: each of its
    forwards draws its own dropout and moves its running statistics.

    Args:
        graph: of one phase.

    Returns:
        A copy in which the later of two equal vertices says `same_as`; its readers read the first.
    """
    made = graph.copy()
    first: dict[Hashable, str] = {}
    # what a vertex reads is merged before it, so that equal inputs have equal names
    for name in in_order(graph):
        key = _identity(made, name)
        if key is None:
            continue
        if key in first:
            _merge(made, first[key], name)
        else:
            first[key] = name
    return made


def _identity(graph: Graph, name: str) -> Hashable | None:
    """Say what the values of a vertex depend on; None where it must not be merged."""
    each = vertex(graph, name)
    inputs = tuple(
        (edge.port, edge.position, source, edge.tap, edge.kind)
        for source, edge in inputs_of(graph, name)
    )
    if each.kind == "convert":
        return "convert", each.component, inputs
    if each.kind == "model" and each.taps and not each.learns:
        # values may be rounded where they are kept
        caching = each.settings.caching if each.settings else None
        return "model", owner_of(graph, name), inputs, caching
    return None


def _merge(graph: Graph, kept: str, gone: str) -> None:
    """Let those who read `gone` read `kept`."""
    one, other = vertex(graph, kept), vertex(graph, gone)
    computing = attrs.evolve(one, taps={**one.taps, **other.taps}, stops=one.stops and other.stops)
    graph.nodes[kept]["vertex"] = computing
    graph.nodes[gone]["vertex"] = attrs.evolve(other, same_as=kept, taps={})
    for target, edge in edges_out_of(graph, gone, "signal", "knowledge", "learner"):
        cut(graph, gone, target, edge)
        graph.add_edge(kept, target, edge=edge)
