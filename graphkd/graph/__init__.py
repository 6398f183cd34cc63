"""The typed graph: vertices, edges, and how port shapes are matched."""

from graphkd.graph.model import (
    Edge,
    Graph,
    Vertex,
    carries_image,
    describe_vertex,
    edges_into,
    edges_out_of,
    is_kind,
    report,
    vertex,
    vertices,
    with_vertices,
)
from graphkd.graph.ports import instantiate, match

__all__ = [
    "Edge",
    "Graph",
    "Vertex",
    "carries_image",
    "describe_vertex",
    "edges_into",
    "edges_out_of",
    "instantiate",
    "is_kind",
    "match",
    "report",
    "vertex",
    "vertices",
    "with_vertices",
]
