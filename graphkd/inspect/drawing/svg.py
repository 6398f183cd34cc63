"""The graph as one static SVG picture."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import attrs

from graphkd.compile.phases import delivered
from graphkd.graph import Graph, blueprint_of
from graphkd.inspect.drawing.arrangement import Arrangement, Chip, Lane, Objective, Spot, Wire
from graphkd.inspect.drawing.arrows import Mark as Mark
from graphkd.inspect.drawing.arrows import arrow_lines
from graphkd.inspect.drawing.lanes import NOTHING, arrange
from graphkd.inspect.drawing.layout import LINE, MARGIN, PAD, Layout, Rect, lay_out
from graphkd.inspect.drawing.legend import entries, legend_lines
from graphkd.inspect.drawing.sizes import lane_lines, objective_lines
from graphkd.inspect.look import style_sheet
from graphkd.inspect.picture import Box
from graphkd.inspect.shapes import bar, box, escaped, head, small, text
from graphkd.inspect.text import NOTE, TITLE


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


def drawing(
    graph: Graph, *, style: str, mark: Mark = unmarked, more: Mapping[str, str] = NOTHING
) -> str:
    """Draw a graph as `svg` does.

    Args:
        graph: inferred.
        style: style sheet inside the picture; empty where the page around it has one.
        mark: says of boxes, taps and arrows which they are.
        more: a short line of words for a loss or probe, such as its value of now, by its vertex;
            it is the `text` of class `more` in what `mark` gets, the last line of the box.
    """
    plan = arrange(graph, more=more)
    layout = lay_out(plan)
    blueprint = blueprint_of(graph)
    handed = delivered(graph)
    width = round(layout.width)
    legend, low = legend_lines(entries(plan), top=layout.height - MARGIN, width=width)
    height = round(low + MARGIN)
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
        *arrow_lines(plan, layout, mark),
        *(line for lane in plan.lanes for c in lane.chips for line in mark(*_chip(c, layout))),
        *(line for each in _data(plan, layout) for line in mark(*each)),
        *(line for each in plan.objectives for line in mark(*_objective(each, layout))),
        *legend,
        "</svg>",
    ]
    return "\n".join(line for line in lines if line)


def _lane(lane: Lane, layout: Layout, handed: Collection[str]) -> tuple[Spot, list[str]]:
    rect, said = layout.lanes[lane.box.name], lane.box
    x, room = rect.x + PAD, rect.width - 2 * PAD
    return (said.name, ""), [
        box(rect, f"frame lane {look_of(said, handed)}", 12),
        *head(rect, said),
        *(
            text(x, rect.y + 20 + LINE * number, line, NOTE, room)
            for number, line in enumerate(lane_lines(said), start=1)
        ),
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
    return said.state or "trained"


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
    last = rect.y + 20 + LINE * (len(lines) + 1)
    lines += [text(x, last, each.more, NOTE, room, "more")] if each.more else []
    look = "probes" if each.box.kind == "probe" else "objectives"
    spot = each.box.name, ""
    return spot, [
        box(rect, "box", 6),
        bar(rect, look),
        *head(rect, attrs.evolve(each.box, aside="")),
        *lines,
    ]


def _frame(rect: Rect, title: str) -> str:
    said = text(rect.x + PAD, rect.y + 20, title, TITLE, rect.width - 2 * PAD, "title")
    return box(rect, f"frame {title.lower()}", 12) + said
