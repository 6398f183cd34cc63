"""The knowledge view as a picture of its own, for a paper or a page of somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from graphkd.graph import Graph
from graphkd.inspect.drawing.glyphs import marked
from graphkd.inspect.drawing.legend import ROW, Entry, legend_lines, mark_entries
from graphkd.inspect.look import style_sheet
from graphkd.inspect.page.knowledge import knowledge_drawing
from graphkd.inspect.page.links import Figure, figure

_LINES = {
    "knowledge": "knowledge (its gradient stops at the bar)",
    "signal": "input",
    "weights": "shared weights",
}
_RULES = ".graphkd .lane{stroke-opacity:.75;fill-opacity:.08}"


def knowledge_svg(graph: Graph, *, dark: bool = True) -> str:
    """Draw who teaches whom as SVG: networks as boxes, flows as arrows with their losses.

    Below stands what the arrows and marks mean.

    Args:
        graph: inferred.
        dark: follow a reader who wants dark pages; else the picture is always light.

    Returns:
        One `svg` element; the same text for the same graph.
    """
    start, title, *drawn, end = knowledge_drawing(graph).split("\n")
    size = re.search(r'width="(\d+)" height="(\d+)"', start)
    assert size is not None
    width = int(size[1])
    legend, last = legend_lines(_entries(figure(graph)), top=float(size[2]), width=width)
    height = round(last) + ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        title,
        f"<style>{style_sheet(dark=dark)}{_RULES}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *drawn,
        *legend,
        end,
    ]
    return "\n".join(lines)


def _entries(found: Figure) -> Iterator[Entry]:
    """Explain the arrows and marks that are there."""
    kinds = {link.kind for link in found.links}
    for kind, meaning in _LINES.items():
        if kind in kinds:
            yield Entry(34, partial(_sample, kind), meaning)
    yield from mark_entries(marked({box.name: box for box in found.boxes}))


def _sample(kind: str, x: float, y: float) -> Iterator[str]:
    end = x + 34
    yield f'<path class="{kind}" d="M{x:.1f},{y:.1f}L{end - 4:.1f},{y:.1f}"/>'
    if kind == "knowledge":
        yield f'<path class="stop" d="M{x + 3:.1f},{y - 5:.1f}L{x + 3:.1f},{y + 5:.1f}"/>'
    if kind != "weights":
        back = f"{end - 7:.1f},{y - 3.5:.1f} {end - 7:.1f},{y + 3.5:.1f}"
        yield f'<polygon class="{kind}" points="{end:.1f},{y:.1f} {back}"/>'
