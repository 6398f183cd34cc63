"""The arrows of the drawn graph as SVG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from graphkd.inspect.drawing.arrangement import Arrangement, Spot, Wire
from graphkd.inspect.drawing.layout import Layout
from graphkd.inspect.drawing.routes import Route, routes
from graphkd.inspect.drawing.sizes import weight_width
from graphkd.inspect.shapes import pairs, plate

Mark = Callable[[Spot | Wire, list[str]], Iterable[str]]
"""Takes a box, a tap or an arrow, with the lines that draw it, and returns lines."""


def arrow_lines(plan: Arrangement, layout: Layout, mark: Mark) -> Iterator[str]:
    """Draw all arrows; where two kinds cross, the upper stays apart from the lower."""
    found = routes(plan, layout)
    plates = _plates(found, plan, layout)
    for kind in ("depth", "weights", "signal", "gradient", "knowledge"):
        same = [route for route in found if route.kind == kind]
        for route in (each for each in same if not each.inner):
            first, second, third, fourth = pairs(route.points[1:5])
            yield f'<path class="halo" d="M{first}C{second} {third} {fourth}"/>'
        for route in same:
            if route.wire:
                yield from mark(route.wire, [*arrow(route), *plates.get(route.wire, [])])
            else:
                yield from arrow(route)


def arrow(route: Route) -> Iterator[str]:
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


def _plates(found: list[Route], plan: Arrangement, layout: Layout) -> dict[Wire, list[str]]:
    """Write the weight of a flow on the line between its loss and the learner."""
    weights = {each.box.name: each.weight for each in plan.objectives if each.weight}
    plates: dict[Wire, list[str]] = {}
    for route in found:
        if route.wire and route.kind == "gradient":
            name = route.wire.source[0]
            weight = weights.pop(name, "")
            left = layout.objectives[name].x - 6 - weight_width(weight) if weight else 0.0
            if weight:
                plates[route.wire] = plate(left, route.points[0][1], weight)
    return plates
