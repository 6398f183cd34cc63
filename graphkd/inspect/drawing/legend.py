"""The lines below a drawing that say what its arrows and marks mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import attrs

from graphkd.inspect.drawing.arrangement import Arrangement
from graphkd.inspect.drawing.arrows import arrow
from graphkd.inspect.drawing.glyphs import MEANINGS, glyph, marked
from graphkd.inspect.drawing.routes import Route
from graphkd.inspect.drawing.sizes import MARGIN
from graphkd.inspect.shapes import plate, text
from graphkd.inspect.text import NOTE, text_width

ROW = 22
"""Pixels from line to line."""
_ARROWS = {
    "signal": "input",
    "knowledge": "knowledge (gradient stops at its source)",
    "gradient": "gradient into the learner",
    "weights": "shared weights",
}


@attrs.frozen
class Entry:
    """Something that is explained.

    Attributes:
        width: of the sample that stands before the words, in pixels.
        draw: draws the sample, from its left end and the middle of its height.
        meaning: the words.
    """

    width: float
    draw: Callable[[float, float], Iterable[str]]
    meaning: str

    @property
    def room(self) -> float:
        """Width of the sample, the words and what keeps them from the next."""
        return self.width + 8 + text_width(self.meaning, NOTE) + 24


def mark_entries(names: Iterable[str]) -> list[Entry]:
    """Explain marks of nodes, by their names in `MEANINGS`."""

    def entry(name: str) -> Entry:
        return Entry(12, lambda x, y: [glyph(name, x, y - 6)], MEANINGS[name])

    return [entry(name) for name in names]


def legend_lines(entries: Iterable[Entry], *, top: float, width: float) -> tuple[list[str], float]:
    """Draw entries in as many rows as they need.

    Args:
        entries: what is explained.
        top: middle of the first row, in pixels.
        width: of the picture.

    Returns:
        The lines, and the middle of the last row.
    """
    lines: list[str] = []
    x, y = float(MARGIN), top
    for each in entries:
        if x > MARGIN and x + each.room - 24 > width - MARGIN:
            x, y = float(MARGIN), y + ROW
        lines += each.draw(x, y)
        lines.append(text(x + each.width + 8, y + 4, each.meaning, NOTE, each.room))
        x += each.room
    return lines, y


def entries(plan: Arrangement) -> Iterator[Entry]:
    """Explain the arrows and marks that are drawn."""
    drawn = {wire.kind for wire in plan.wires}
    for kind, meaning in _ARROWS.items():
        if kind in drawn:
            yield Entry(34, partial(_sample, kind), meaning)
    if any(each.weight for each in plan.objectives):
        yield Entry(26, lambda x, y: plate(x, y, "x n"), "weight of a flow, 1 where none stands")
    yield from mark_entries(marked({lane.box.name: lane.box for lane in plan.lanes}))


def _sample(kind: str, x: float, y: float) -> Iterator[str]:
    points = ((x, y), (x, y), (x + 10, y), (x + 20, y), (x + 30, y), (x + 34, y))
    return arrow(Route(kind, points))
