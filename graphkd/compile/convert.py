"""Pass `convert`: between an image and each model, what brings it to the model's own input."""

from __future__ import annotations

import attrs

from graphkd.component import ImageSpec, Port, Socket
from graphkd.graph import (
    Edge,
    Graph,
    Vertex,
    carries_image,
    cut,
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
    ports = (Port("input", "b c h w"),)

    image: ImageSpec


def convert(graph: Graph) -> Graph:
    """Put a conversion between every image and the model that reads it.

    Args:
        graph: of one phase; `image` of a model that reads images says what it expects.

    Returns:
        A copy with a vertex `NAME_input` before each such model NAME.
    """
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
    images = vertex(graph, source)
    batch = images.taps[edge.tap]
    assert batch is not None
    image: ImageSpec = model.image
    socket = Socket("b c h w", (batch.shape[0], image.channels, image.height, image.width))
    conversion = Vertex(
        name,
        "convert",
        Convert(image),
        model.where,
        label="input",
        taps={"": socket},
        carries_gradient=images.carries_gradient,
    )
    graph.add_node(name, vertex=conversion)
    cut(graph, source, model.name, edge)
    graph.add_edge(source, name, edge=attrs.evolve(edge, port="input"))
    graph.add_edge(name, model.name, edge=attrs.evolve(edge, tap=""))
