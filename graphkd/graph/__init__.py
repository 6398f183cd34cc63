"""The typed graph: vertices, edges, walks over them, and how port shapes are matched."""

from graphkd.graph.model import (
    Cost,
    Edge,
    Graph,
    Vertex,
    blueprint_of,
    carries_image,
    cut,
    describe_vertex,
    edges_into,
    edges_out_of,
    flow_of,
    problem,
    report,
    vertex,
    vertices,
    with_vertices,
)
from graphkd.graph.ports import instantiate, layout_of, match
from graphkd.graph.verify import verify
from graphkd.graph.walk import above, borrows, in_order, inputs_of, keep, owner_of

__all__ = [
    "Cost",
    "Edge",
    "Graph",
    "Vertex",
    "above",
    "blueprint_of",
    "borrows",
    "carries_image",
    "cut",
    "describe_vertex",
    "edges_into",
    "edges_out_of",
    "flow_of",
    "in_order",
    "inputs_of",
    "instantiate",
    "keep",
    "layout_of",
    "match",
    "owner_of",
    "problem",
    "report",
    "verify",
    "vertex",
    "vertices",
    "with_vertices",
]
