"""Pass `convert`: between an image and each model, what brings it to the model's own input."""

from __future__ import annotations

import attrs

from graphkd.component import ImageSpec, Socket
from graphkd.graph import (
    Edge,
    Graph,
    Vertex,
    carries_image,
    edges_into,
    vertex,
    vertices,
)


@attrs.frozen
class Convert:
    """Resize to the model's size, repeat grey to colour, subtract the mean, divide by the spread.

    Attributes:
        image: what the model expects.
    """

    component_name = "convert"
    component_kind = "convert"
    ports = ()

    image: ImageSpec


def convert(graph: Graph) -> Graph:
    """Put a conversion between every image and the model that reads it."""
    made = graph.copy()
    for each in vertices(graph, "model"):
        if each.image is None:
            continue
        for source, edge in edges_into(graph, each.name, "signal"):
            if carries_image(edge):
                _insert(made, source, each, edge)
    return made


def _insert(graph: Graph, source: str, model: Vertex, edge: Edge) -> None:
    name = f"{model.name}_input"
    while name in graph:
        name += "_"
    image: ImageSpec = model.image
    batch = vertex(graph, source).taps[edge.tap]
    assert batch is not None
    socket = Socket("b c h w", (batch.shape[0], image.channels, image.height, image.width))
    graph.add_node(
        name,
        vertex=Vertex(name, "convert", Convert(image), model.where, "input", taps={"": socket}),
    )
    keys = [
        key
        for key, data in graph.get_edge_data(source, model.name).items()
        if data["edge"] == edge
    ]
    graph.remove_edge(source, model.name, key=keys[0])
    graph.add_edge(source, name, edge=attrs.evolve(edge, port="input"))
    graph.add_edge(name, model.name, edge=attrs.evolve(edge, tap=""))
