"""The knowledge view of a page: who teaches whom, as a paper's figure shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import attrs

from graphkd.compile.phases import delivered
from graphkd.graph import Graph, blueprint_of
from graphkd.inspect.drawing.arrangement import Wire
from graphkd.inspect.drawing.lanes import NOTHING
from graphkd.inspect.drawing.layout import LINE, MARGIN, PAD, Rect
from graphkd.inspect.drawing.svg import Mark, look_of, unmarked
from graphkd.inspect.page.links import Link, figure
from graphkd.inspect.page.places import places
from graphkd.inspect.page.ways import Places, Point, Way, network_lines, origin_width
from graphkd.inspect.picture import Box
from graphkd.inspect.shapes import box, escaped, head, pairs, text
from graphkd.inspect.text import NOTE, TITLE, clip, text_width

ROUND = 10
"""Pixels of the corner of an arrow."""


def knowledge_drawing(
    graph: Graph, *, mark: Mark = unmarked, more: Mapping[str, str] = NOTHING
) -> str:
    """Draw networks as boxes, and flows as arrows with their losses.

    Dashed arrows are flows: knowledge goes along them, and its gradient stops at the bar where they
    start. Solid ones are inputs, dotted lines join networks that share weights.

    Args:
        graph: inferred.
        mark: says of boxes and arrows which they are.
        more: a short line of words for a flow, such as its loss of now, by the vertex of its loss;
            it is the `text` of class `more` in what `mark` gets, below the line of the arrow.
    """
    found = figure(graph, more=more)
    layout = places(found, top=MARGIN)
    blueprint = blueprint_of(graph)
    handed = delivered(graph)
    width, height = round(layout.width), round(layout.height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escaped(blueprint.blueprint)}: knowledge</title>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *_halos(layout),
        *(line for way in layout.ways for line in mark(_wire(way.link), list(_arrow(way)))),
        *(
            line
            for each in found.boxes
            for line in mark((each.name, ""), _network(each, layout.boxes[each.name], handed))
        ),
        "</svg>",
    ]
    return "\n".join(line for line in lines if line)


def _wire(link: Link) -> Wire:
    """Write an arrow as the other views do: a flow ends in its loss."""
    return Wire((link.source or "data", link.origin), (link.of, ""), link.kind)


def _network(said: Box, rect: Rect, handed: Collection[str]) -> list[str]:
    x, room = rect.x + PAD, rect.width - 2 * PAD
    return [
        box(rect, f"frame lane {look_of(said, handed)}", 12),
        *head(rect, attrs.evolve(said, aside="")),
        *(
            text(x, rect.y + 20 + LINE * number, line, NOTE, room)
            for number, line in enumerate(network_lines(said), start=1)
        ),
    ]


def _halos(layout: Places) -> Iterator[str]:
    for way in layout.ways:
        if len(way.points) > 2:
            yield f'<path class="halo" d="{_path(way.points)}"/>'


def _path(points: tuple[Point, ...]) -> str:
    """Draw a line, and where it turns a round corner."""
    drawn = "M{}".format(*pairs(points[:1]))
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, middle, end = pairs((_rounded(corner, before), corner, _rounded(corner, after)))
        drawn += f"L{start}Q{middle} {end}"
    return drawn + "L{}".format(*pairs(points[-1:]))


def _rounded(corner: Point, other: Point) -> Point:
    """Find where a round corner begins, on the way to another point."""
    length = abs(corner[0] - other[0]) + abs(corner[1] - other[1])
    return _towards(corner, other, min(ROUND, length / 2))


def _arrow(way: Way) -> Iterator[str]:
    link, points = way.link, way.points
    *rest, last = points
    before = rest[-1]
    headless = link.kind == "weights"
    stop = last if headless else _towards(last, before, 5)
    yield f'<path class="{link.kind}" d="{_path((*rest, stop))}"/>'
    if not headless:
        yield f'<polygon class="{link.kind}" points="{" ".join(pairs(_head(last, before)))}"/>'
    x, y = points[0]
    if link.source and link.kind == "knowledge":
        side = 4 if points[1][0] > x else -4
        top, bottom = pairs(((x + side, y - 5), (x + side, y + 5)))
        yield f'<path class="stop" d="M{top}L{bottom}"/>'
    if not link.source:
        yield from _origin(link, points[0])
    yield from _words(way)


def _towards(end: Point, other: Point, by: float) -> Point:
    (x, y), (a, b) = end, other
    distance = max(abs(x - a) + abs(y - b), 1.0)
    return x + (a - x) * by / distance, y + (b - y) * by / distance


def _head(tip: Point, before: Point) -> tuple[Point, Point, Point]:
    x, y = _towards(tip, before, 8)
    if tip[1] == before[1]:
        return tip, (x, y - 4), (x, y + 4)
    return tip, (x - 4, y), (x + 4, y)


def _origin(link: Link, end: Point) -> Iterator[str]:
    """Draw the small box of what comes from the data."""
    width = origin_width(link)
    rect = Rect(end[0] - width, end[1] - 10, width, 20)
    yield box(rect, "box", 6)
    yield text(rect.x + 10, end[1] + 4, link.origin, NOTE, width - 10)


def _words(way: Way) -> Iterator[str]:
    x, y = way.label
    title = clip(way.link.title, TITLE, way.room)
    used = text_width(title, TITLE) + 8 if title else 0.0
    yield text(x, y - 5, way.link.title, TITLE, way.room, "title")
    if way.link.note and way.room > used:
        yield text(x + used, y - 5, way.link.note, NOTE, way.room - used)
    if way.link.more:
        yield text(x, y + 13, way.link.more, NOTE, way.room, "more")
