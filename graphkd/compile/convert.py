"""Pass `convert`: between an image and each model, what brings it to the model's own input."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from graphkd.component import ImageSpec, Port, Socket
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
    ports = (Port("input", "b c h w"),)

    image: ImageSpec


def convert(graph: Graph) -> Graph:
    """Put a conversion between every image and the model that reads it.

    Args:
        graph: of one phase; `image` of a model that reads images says what it expects.

    Returns:
        A copy with a vertex `NAME_input` just before each such model NAME.
    """
    made = Graph(**graph.graph)
    moved: dict[tuple[str, Edge], str] = {}
    for each in vertices(graph):
        for source, edge in edges_into(graph, each.name):
            if each.image is not None and carries_image(edge):
                name = _free_name(f"{each.name}_input", {*graph, *made})
                made.add_node(
                    name, vertex=_conversion(graph, name, model=each, read=(source, edge))
                )
                moved[each.name, edge] = name
        made.add_node(each.name, vertex=each)
    for source, target, data in graph.edges(data=True):
        edge = data["edge"]
        name = moved.get((target, edge), "")
        if name:
            made.add_edge(source, name, edge=attrs.evolve(edge, port="input"))
            made.add_edge(name, target, edge=attrs.evolve(edge, tap=""))
        else:
            made.add_edge(source, target, edge=edge)
    return made


def _free_name(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _conversion(graph: Graph, name: str, *, model: Vertex, read: tuple[str, Edge]) -> Vertex:
    source, edge = read
    images = vertex(graph, source)
    batch = images.taps[edge.tap]
    assert batch is not None
    image: ImageSpec = model.image
    socket = Socket("b c h w", (batch.shape[0], image.channels, image.height, image.width))
    return Vertex(
        name,
        "convert",
        Convert(image),
        model.where,
        label="input",
        taps={"": socket},
        carries_gradient=images.carries_gradient,
    )
