"""The graph as one static SVG picture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from graphkd.compile.phases import delivered
from graphkd.graph import Graph, blueprint_of
from graphkd.inspect.drawing.arrangement import Arrangement, Chip, Lane, Objective, Spot, Wire
from graphkd.inspect.drawing.lanes import arrange
from graphkd.inspect.drawing.layout import LINE, MARGIN, PAD, Layout, Rect, lay_out, objective_lines
from graphkd.inspect.drawing.routes import Route, routes
from graphkd.inspect.look import style_sheet
from graphkd.inspect.picture import Box
from graphkd.inspect.shapes import bar, box, escaped, head, pairs, small, text
from graphkd.inspect.text import NOTE, TITLE, text_width

Mark = Callable[[Spot | Wire, list[str]], Iterable[str]]
"""Takes a box, a tap or an arrow, with the lines that draw it, and returns lines."""

_LEGEND = {
    "signal": "input",
    "knowledge": "knowledge (gradient stops at its source)",
    "gradient": "gradient into the learner",
    "weights": "shared weights",
}


def unmarked(_: Spot | Wire, lines: list[str]) -> Iterable[str]:
    """Leave the lines as they are."""
    return lines


def svg(graph: Graph) -> str:
    """Draw a graph as SVG: a lane for each node with the taps that are read, the losses at right.

    Dashed blue arrows bring knowledge (the gradient stops there), orange ones gradient, grey ones
    inputs; dotted lines join nodes that share weights. Colours follow the reader's light or dark
    scheme.

    Args:
        graph: inferred.

    Returns:
        One `svg` element; the same text for the same graph.
    """
    return drawing(graph, style=style_sheet())


def drawing(graph: Graph, *, style: str, mark: Mark = unmarked) -> str:
    """Draw a graph as `svg` does.

    Args:
        graph: inferred.
        style: style sheet inside the picture; empty where the page around it has one.
        mark: says of boxes, taps and arrows which they are.
    """
    plan = arrange(graph)
    layout = lay_out(plan)
    blueprint = blueprint_of(graph)
    handed = delivered(graph)
    width, height = round(layout.width), round(layout.height)
    room = width - 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{escaped(blueprint.blueprint)}</title>",
        f"<style>{style}</style>" if style else "",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        text(MARGIN, 36, blueprint.blueprint, 17, room, "name"),
        text(MARGIN, 56, blueprint.about, NOTE, room),
        *(_frame(rect, title) for title, rect in layout.groups.items()),
        *(line for lane in plan.lanes for line in mark(*_lane(lane, layout, handed))),
        *_arrows(routes(plan, layout), mark),
        *(line for lane in plan.lanes for c in lane.chips for line in mark(*_chip(c, layout))),
        *(line for each in _data(plan, layout) for line in mark(*each)),
        *(line for each in plan.objectives for line in mark(*_objective(each, layout))),
        *_legend(plan, layout),
        "</svg>",
    ]
    return "\n".join(line for line in lines if line)


def _lane(lane: Lane, layout: Layout, handed: Collection[str]) -> tuple[Spot, list[str]]:
    rect, said = layout.lanes[lane.box.name], lane.box
    x, room = rect.x + PAD, rect.width - 2 * PAD
    return (said.name, ""), [
        box(rect, f"frame lane {look_of(said, handed)}", 12),
        *head(rect, said),
        text(x, rect.y + 20 + LINE, " · ".join(said.notes), NOTE, room),
    ]


def look_of(said: Box, handed: Collection[str]) -> str:
    """Say how a node is drawn: `delivered`, `frozen`, `trained`, or `other` for what is no model.

    Args:
        said: the node.
        handed: names of the nodes that are handed back.
    """
    if said.name in handed:
        return "delivered"
    if said.kind != "model":
        return "other"
    return "frozen" if said.aside == "frozen" else "trained"


def _chip(chip: Chip, layout: Layout) -> tuple[Spot, list[str]]:
    look = "projector" if chip.depth else "tap"
    return chip.spot, small(layout.chips[chip.spot], look, chip.title, chip.note)


def _data(plan: Arrangement, layout: Layout) -> Iterator[tuple[Spot, list[str]]]:
    for spot, note in plan.data.items():
        yield spot, small(layout.data[spot], "tap", spot[1], note)


def _objective(each: Objective, layout: Layout) -> tuple[Spot, list[str]]:
    rect = layout.objectives[each.box.name]
    x, room = rect.x + PAD, rect.width - 2 * PAD
    lines = [
        text(x, rect.y + 20 + LINE * index, line, NOTE, room)
        for index, line in enumerate(objective_lines(each), start=1)
    ]
    look = "probes" if each.box.kind == "probe" else "objectives"
    spot = each.box.name, ""
    return spot, [box(rect, "box", 6), bar(rect, look), *head(rect, each.box), *lines]


def _frame(rect: Rect, title: str) -> str:
    said = text(rect.x + PAD, rect.y + 20, title, TITLE, rect.width - 2 * PAD, "title")
    return box(rect, f"frame {title.lower()}", 12) + said


def _arrows(found: list[Route], mark: Mark) -> Iterator[str]:
    """Draw all arrows; where two kinds cross, the upper stays apart from the lower."""
    for kind in ("depth", "weights", "signal", "gradient", "knowledge"):
        same = [route for route in found if route.kind == kind]
        for route in (each for each in same if not each.inner):
            first, second, third, fourth = pairs(route.points[1:5])
            yield f'<path class="halo" d="M{first}C{second} {third} {fourth}"/>'
        for route in same:
            lines = list(_arrow(route))
            yield from mark(route.wire, lines) if route.wire else lines


def _arrow(route: Route) -> Iterator[str]:
    """Draw a line, a curve and a line, and the head at its end."""
    x, y = route.points[-1]
    ahead = 1 if route.points[3][0] < x else -1
    look = "signal" if route.kind == "depth" else route.kind
    headless = route.kind == "weights"
    stop = (x, y) if headless else (x - 4 * ahead, y)
    start, first, second, third, fourth, last = pairs((*route.points[:5], stop))
    yield f'<path class="{look}" d="M{start}L{first}C{second} {third} {fourth}L{last}"/>'
    if not headless:
        back = x - 7 * ahead
        corners = pairs(((x, y), (back, y - 3.5), (back, y + 3.5)))
        yield f'<polygon class="{look}" points="{" ".join(corners)}"/>'


def _legend(plan: Arrangement, layout: Layout) -> Iterator[str]:
    """Say what the kinds of arrows mean that are drawn."""
    x, y = float(MARGIN), layout.height - MARGIN
    drawn = {wire.kind for wire in plan.wires}
    for kind, meaning in _LEGEND.items():
        if kind in drawn:
            points = ((x, y), (x, y), (x + 10, y), (x + 20, y), (x + 30, y), (x + 34, y))
            yield from _arrow(Route(kind, points))
            yield text(x + 42, y + 4, meaning, NOTE, 300)
            x += 66 + text_width(meaning, NOTE)
