"""The graph as one static SVG picture."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from string import Template
from xml.sax.saxutils import escape

from graphkd.blueprint.model import Blueprint
from graphkd.compile.phases import delivered
from graphkd.graph import Graph
from graphkd.inspect.lanes import Arrangement, Chip, Lane, Objective, arrange
from graphkd.inspect.layout import (
    LINE,
    MARGIN,
    NOTE,
    PAD,
    TITLE,
    Layout,
    Rect,
    clip,
    lay_out,
    objective_lines,
    text_width,
)
from graphkd.inspect.picture import one_line
from graphkd.inspect.routes import Route, routes

_FORMS = """
.graphkd text{font:10.5px Inter,system-ui,sans-serif}
.graphkd .title{font-size:12.5px;font-weight:650}
.graphkd .name{font-size:17px;font-weight:650}
.graphkd .frame{fill-opacity:.06;stroke-opacity:.4}
.graphkd path{fill:none;stroke-width:1.5}
.graphkd path.knowledge{stroke-dasharray:5 4}
.graphkd path.weights{stroke-dasharray:1.5 3}
"""
# no CSS variables: several viewers of SVG files do not know them
_COLOURS = Template("""
.graphkd .paper{fill:$paper}
.graphkd text{fill:$soft}
.graphkd .title,.graphkd .name{fill:$ink}
.graphkd .box{fill:$box;stroke:$edge}
.graphkd .frozen{fill:$blue;stroke:$blue}
.graphkd .delivered{fill:$green;stroke:$green}
.graphkd .trained{fill:$purple;stroke:$purple}
.graphkd .other{fill:$teal;stroke:$teal}
.graphkd .objectives{fill:$orange;stroke:$orange}
.graphkd path.signal,.graphkd path.weights{stroke:$grey}
.graphkd path.knowledge{stroke:$blue}
.graphkd path.gradient{stroke:$orange}
.graphkd polygon.signal{fill:$grey}
.graphkd polygon.knowledge{fill:$blue}
.graphkd polygon.gradient{fill:$orange}
""")
_LIGHT = {
    "paper": "#fff",
    "box": "#fff",
    "edge": "#ced4da",
    "ink": "#212529",
    "soft": "#6c757d",
    "grey": "#868e96",
    "blue": "#4263eb",
    "orange": "#e8590c",
    "green": "#2b8a3e",
    "purple": "#9c36b5",
    "teal": "#0b7285",
}
_DARK = {
    "paper": "#14171a",
    "box": "#1f2428",
    "edge": "#495057",
    "ink": "#e9ecef",
    "soft": "#adb5bd",
    "grey": "#868e96",
    "blue": "#748ffc",
    "orange": "#ff922b",
    "green": "#69db7c",
    "purple": "#da77f2",
    "teal": "#3bc9db",
}
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
    blueprint: Blueprint = graph.graph["blueprint"]
    handed = delivered(graph)
    width, height = round(layout.width), round(layout.height)
    room = width - 2 * MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{_escaped(blueprint.blueprint)}</title>",
        f"<style>{_style()}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        _text(MARGIN, 36, blueprint.blueprint, 17, room, "name"),
        _text(MARGIN, 56, blueprint.about, NOTE, room),
        *(_frame(rect, "objectives", title) for title, rect in layout.groups.items()),
        *(line for lane in plan.lanes for line in _lane(lane, layout, handed)),
        *(line for route in routes(plan, layout) for line in _arrow(route)),
        *(line for lane in plan.lanes for each in lane.chips for line in _chip(each, layout)),
        *_data(plan, layout),
        *(line for each in plan.objectives for line in _objective(each, layout)),
        *_legend(plan, layout),
        "</svg>",
    ]
    return "\n".join(line for line in lines if line)


def _style() -> str:
    dark = _COLOURS.substitute(_DARK)
    parts = (_FORMS, _COLOURS.substitute(_LIGHT), "@media (prefers-color-scheme:dark){", dark, "}")
    return "".join(parts).replace("\n", "")


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
