"""The graph as one static SVG picture."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from xml.sax.saxutils import escape

from graphkd.compile.phases import delivered
from graphkd.graph import Graph, blueprint_of
from graphkd.inspect.arrangement import Arrangement, Chip, Lane, Objective
from graphkd.inspect.lanes import arrange
from graphkd.inspect.layout import LINE, MARGIN, PAD, Layout, Rect, lay_out, objective_lines
from graphkd.inspect.look import style_sheet
from graphkd.inspect.picture import Box
from graphkd.inspect.routes import Point, Route, routes
from graphkd.inspect.text import NOTE, TITLE, clip, one_line, text_width

_LEGEND = {
    "signal": "input",
    "knowledge": "knowledge (gradient stops at its source)",
    "gradient": "gradient into the learner",
    "weights": "shared weights",
}


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
    plan = arrange(graph)
    layout = lay_out(plan)
    blueprint = blueprint_of(graph)
    handed = delivered(graph)
    width, height = round(layout.width), round(layout.height)
    room = width - 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{_escaped(blueprint.blueprint)}</title>",
        f"<style>{style_sheet()}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(MARGIN, 36, blueprint.blueprint, 17, room, "name"),
        _text(MARGIN, 56, blueprint.about, NOTE, room),
        *(_frame(rect, title) for title, rect in layout.groups.items()),
        *(line for lane in plan.lanes for line in _lane(lane, layout, handed)),
        *_arrows(routes(plan, layout)),
        *(line for lane in plan.lanes for each in lane.chips for line in _chip(each, layout)),
        *_data(plan, layout),
        *(line for each in plan.objectives for line in _objective(each, layout)),
        *_legend(plan, layout),
        "</svg>",
    ]
    return "\n".join(line for line in lines if line)


def _escaped(text: str) -> str:
    return escape(one_line(text))


def _text(x: float, y: float, text: str, size: float, room: float, look: str = "") -> str:
    """Write a text, shortened to its room; the whole text shows under the mouse."""
    shown = clip(one_line(text), size, room)
    whole = "" if shown == one_line(text) else f"<title>{_escaped(text)}</title>"
    named = f' class="{look}"' if look else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{_escaped(shown)}{whole}</text>' if shown else ""


def _box(rect: Rect, look: str, corner: int) -> str:
    sizes = f'width="{rect.width:.1f}" height="{rect.height:.1f}" rx="{corner}"'
    return f'<rect class="{look}" x="{rect.x:.1f}" y="{rect.y:.1f}" {sizes}/>'


def _head(rect: Rect, box: Box) -> list[str]:
    """Write a title at the left, and what is said of it at the right in at most half the room."""
    room = rect.width - 2 * PAD
    taken = min(text_width(box.aside, NOTE) + PAD, room / 2) if box.aside else 0.0
    left = text_width(clip(box.title, TITLE, room - taken), TITLE) + PAD
    return [
        _text(rect.x + PAD, rect.y + 20, box.title, TITLE, room - taken, "title"),
        _text(rect.right - PAD, rect.y + 20, box.aside, NOTE, room - left, "aside"),
    ]


def _lane(lane: Lane, layout: Layout, handed: Collection[str]) -> list[str]:
    rect, box = layout.lanes[lane.box.name], lane.box
    look = "frozen" if box.aside == "frozen" else "trained"
    look = "delivered" if box.name in handed else look if box.kind == "model" else "other"
    x, room = rect.x + PAD, rect.width - 2 * PAD
    return [
        _box(rect, f"frame lane {look}", 12),
        *_head(rect, box),
        _text(x, rect.y + 20 + LINE, " · ".join(box.notes), NOTE, room),
    ]


def _bar(rect: Rect, look: str) -> str:
    sizes = f'width="3" height="{rect.height:.1f}"'
    return f'<rect class="{look}" x="{rect.x:.1f}" y="{rect.y:.1f}" {sizes}/>'


def _small(rect: Rect, look: str, title: str, note: str) -> list[str]:
    x, room = rect.x + 10, rect.width - 14
    return [
        _box(rect, "box", 6),
        _bar(rect, look),
        _text(x, rect.y + (15 if note else 22), title, TITLE, room, "title"),
        _text(x, rect.y + 29, note, NOTE, room),
    ]


def _chip(chip: Chip, layout: Layout) -> list[str]:
    look = "projector" if chip.depth else "tap"
    return _small(layout.chips[chip.spot], look, chip.title, chip.note)


def _data(plan: Arrangement, layout: Layout) -> list[str]:
    return [
        line
        for spot, note in plan.data.items()
        for line in _small(layout.data[spot], "tap", spot[1], note)
    ]


def _objective(each: Objective, layout: Layout) -> list[str]:
    rect = layout.objectives[each.box.name]
    x, room = rect.x + PAD, rect.width - 2 * PAD
    lines = [
        _text(x, rect.y + 20 + LINE * index, line, NOTE, room)
        for index, line in enumerate(objective_lines(each), start=1)
    ]
    look = "probes" if each.box.kind == "probe" else "objectives"
    return [_box(rect, "box", 6), _bar(rect, look), *_head(rect, each.box), *lines]


def _frame(rect: Rect, title: str) -> str:
    text = _text(rect.x + PAD, rect.y + 20, title, TITLE, rect.width - 2 * PAD, "title")
    return _box(rect, f"frame {title.lower()}", 12) + text


def _arrows(found: list[Route]) -> Iterator[str]:
    """Draw all arrows; where two kinds cross, the upper stays apart from the lower."""
    for kind in ("depth", "weights", "signal", "gradient", "knowledge"):
        same = [route for route in found if route.kind == kind]
        for route in (each for each in same if not each.inner):
            first, second, third, fourth = _pairs(route.points[1:5])
            yield f'<path class="halo" d="M{first}C{second} {third} {fourth}"/>'
        for route in same:
            yield from _arrow(route)


def _pairs(points: Iterable[Point]) -> list[str]:
    return [f"{x:.1f},{y:.1f}" for x, y in points]


def _arrow(route: Route) -> Iterator[str]:
    """Draw a line, a curve and a line, and the head at its end."""
    x, y = route.points[-1]
    ahead = 1 if route.points[3][0] < x else -1
    look = "signal" if route.kind == "depth" else route.kind
    headless = route.kind == "weights"
    stop = (x, y) if headless else (x - 4 * ahead, y)
    start, first, second, third, fourth, last = _pairs((*route.points[:5], stop))
    yield f'<path class="{look}" d="M{start}L{first}C{second} {third} {fourth}L{last}"/>'
    if not headless:
        back = x - 7 * ahead
        corners = _pairs(((x, y), (back, y - 3.5), (back, y + 3.5)))
        yield f'<polygon class="{look}" points="{" ".join(corners)}"/>'


def _legend(plan: Arrangement, layout: Layout) -> Iterator[str]:
    """Say what the kinds of arrows mean that are drawn."""
    x, y = float(MARGIN), layout.height - MARGIN
    drawn = {wire.kind for wire in plan.wires}
    for kind, meaning in _LEGEND.items():
        if kind in drawn:
            points = ((x, y), (x, y), (x + 10, y), (x + 20, y), (x + 30, y), (x + 34, y))
            yield from _arrow(Route(kind, points))
            yield _text(x + 42, y + 4, meaning, NOTE, 300)
            x += 66 + text_width(meaning, NOTE)
