"""Pass `cache`: what is frozen and sees the same images again is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from graphkd.compile.caching import Verdict
from graphkd.compile.instructions import Cached, Convert, Forward, Read
from graphkd.compile.wiring import DATA
from graphkd.graph import Graph, edges_out_of, vertex, with_vertices

ROW = "row"
"""Tap of the data: the row of each sample in a store; no blueprint reads it."""


def cache(graph: Graph) -> Graph:
    """Keep the outputs of the nodes that ask for it, where they would be computed again and again.

    Args:
        graph: of one phase; `graph.graph["caches"]` holds the verdict on each of these nodes.

    Returns:
        A copy whose vertices say whether their outputs are kept.
    """
    names = [name for name, each in _kept(graph).items() if not each.obstacle]
    return with_vertices(graph, [attrs.evolve(vertex(graph, name), cached=True) for name in names])


def _kept(graph: Graph) -> Mapping[str, Verdict]:
    """Return the verdicts by the vertex that computes: two calls may have been merged."""
    found: Mapping[str, Verdict] = graph.graph.get("caches", {})
    alive = {name: each for name, each in found.items() if name in graph}
    return {vertex(graph, name).same_as or name: each for name, each in alive.items()}


def serves_caches(graph: Graph, name: str) -> bool:
    """Say whether a vertex is a conversion that only nodes whose outputs are kept read."""
    readers = [vertex(graph, target) for target, _ in edges_out_of(graph, name)]
    is_conversion = vertex(graph, name).kind == "convert" and bool(readers)
    return is_conversion and all(each.cached for each in readers)


def cached(graph: Graph, forward: Forward, conversions: Sequence[Convert]) -> Cached:
    """Make the instruction that stands in for a forward.

    Args:
        graph: of one phase.
        forward: of the node.
        conversions: what it reads, and nobody else does.
    """
    inner = [value for each in conversions for value in each.makes]
    body: tuple[Convert | Forward, ...] = (
        *conversions,
        attrs.evolve(forward, frees=tuple(inner)),
    )
    outer = [read for each in body for read in each.reads if read.value not in inner]
    verdict = _kept(graph)[forward.node]
    return Cached(
        forward.node,
        (Read(f"{DATA}.{ROW}"), *dict.fromkeys(outer)),
        forward.makes,
        body,
        verdict.settings,
        verdict.views,
    )
