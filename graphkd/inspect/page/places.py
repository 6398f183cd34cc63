"""Places for the picture of who teaches whom, whatever its size."""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs
import networkx as nx

from graphkd.inspect.drawing.layout import MARGIN, Rect
from graphkd.inspect.page.grid import grid
from graphkd.inspect.page.links import Figure
from graphkd.inspect.page.stairs import stairs
from graphkd.inspect.page.ways import Places, Way, placed, widest

FEW = 5
"""Most networks that stand on a diagonal, where each arrow has one corner."""
WIDE = 1.7
"""Width of a picture of many parts over its height."""


def places(figure: Figure, *, top: float) -> Places:
    """Place networks and arrows: few on a diagonal, more in columns; what hangs together, apart.

    Args:
        figure: what is drawn.
        top: pixels above the first network.
    """
    tiles = [_tile(part) for part in _parts(figure)]
    area = sum(tile.width * tile.height for tile in tiles)
    room = max(math.sqrt(area * WIDE), widest(tile.width for tile in tiles))
    boxes: dict[str, Rect] = {}
    ways: dict[int, Way] = {}
    x, y, below = 0.0, top, 0.0
    for tile in tiles:
        if x and x + tile.width > room:
            x, y, below = 0.0, below, 0.0
        boxes |= {name: _moved(rect, x, y) for name, rect in tile.boxes.items()}
        ways |= {id(way.link): _shifted(way, x, y) for way in tile.ways}
        x, below = x + tile.width - MARGIN, max(below, y + tile.height)
    return placed(boxes, (ways[id(link)] for link in figure.links))


def _tile(figure: Figure) -> Places:
    return stairs(figure, top=0.0) if len(figure.boxes) <= FEW else grid(figure, top=0.0)


def _parts(figure: Figure) -> Iterator[Figure]:
    """Take apart what does not hang together, in the order of the first networks."""
    joined = nx.Graph()
    joined.add_nodes_from(box.name for box in figure.boxes)
    joined.add_edges_from((link.source, link.target) for link in figure.links if link.source)
    for names in nx.connected_components(joined):
        boxes = tuple(box for box in figure.boxes if box.name in names)
        yield Figure(boxes, tuple(link for link in figure.links if link.target in names))


def _moved(rect: Rect, x: float, y: float) -> Rect:
    return attrs.evolve(rect, x=rect.x + x, y=rect.y + y)


def _shifted(way: Way, x: float, y: float) -> Way:
    points = tuple((a + x, b + y) for a, b in way.points)
    return attrs.evolve(way, points=points, label=(way.label[0] + x, way.label[1] + y))
