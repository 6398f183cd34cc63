"""How long the values of a phase's step live, and how much memory they hold."""

from __future__ import annotations

from html import escape
from itertools import accumulate
from math import prod

import attrs

from graphkd.compile.instructions import Convert, Instruction
from graphkd.compile.plan import PhasePlan
from graphkd.graph import vertex
from graphkd.inspect.amount import short
from graphkd.inspect.text import one_line

TRACK, HEIGHT = 11, 40
"""Pixels: width of a value's line, height of a row."""
_BYTES = {"float32": 4, "int64": 8, "float64": 8, "float16": 2, "bfloat16": 2, "bool": 1}


@attrs.frozen
class Life:
    """How long a value lives.

    Attributes:
        value: its name.
        made: row that makes it.
        freed: row behind which it is freed; the last row for what nobody frees.
        track: place of its line from the left.
        gradient: whether a graph is recorded for it.
        size: bytes of a sample's value, 0 where nobody knows.
    """

    value: str
    made: int
    freed: int
    track: int
    gradient: bool
    size: int = 0


def lives(plan: PhasePlan) -> tuple[Life, ...]:
    """Return the values of a phase's step in the order in which they are made.

    Each gets the first track that is free by then.
    """
    freed = {name: row for row, each in enumerate(plan.instructions) for name in frees_of(each)}
    found: list[Life] = []
    until: list[int] = []
    for row, each in enumerate(plan.instructions):
        for value in getattr(each, "makes", ()):
            end = freed.get(value, len(plan.instructions) - 1)
            track = next((n for n, last in enumerate(until) if last < row), len(until))
            until[track : track + 1] = [end]
            found.append(
                Life(
                    value,
                    row,
                    end,
                    track,
                    getattr(each, "gradient", False),
                    _size(plan, each, value),
                )
            )
    return tuple(found)


def frees_of(each: Instruction) -> tuple[str, ...]:
    """Name the values that nobody reads behind an instruction."""
    found: tuple[str, ...] = getattr(each, "frees", ())
    return found


def held(found: tuple[Life, ...], rows: int) -> list[int]:
    """Add up for each row the bytes of a sample's values that are alive while it runs."""
    changes = [0] * (rows + 1)
    for each in found:
        changes[each.made] += each.size
        changes[each.freed + 1] -= each.size
    return list(accumulate(changes))[:rows]


def _size(plan: PhasePlan, each: Instruction, value: str) -> int:
    """Count the bytes of a sample's value from what its tap carries."""
    if isinstance(each, Convert):
        return 4 * each.image.channels * each.image.height * each.image.width
    name, _, tap = value.partition(".")
    taps = vertex(plan.graph, name).taps
    # a node with a single output has one tap, whatever it is called
    socket = taps.get(tap) or next(iter(taps.values()), None)
    return prod(socket.shape[1:]) * _BYTES.get(socket.dtype, 4) if socket else 0


def lives_drawing(found: tuple[Life, ...], rows: int, *, batch: int) -> str:
    """Draw a line for each value, from the row that makes it to the row that frees it.

    Args:
        found: the values.
        rows: how many instructions there are.
        batch: samples in a batch.
    """
    tracks = 1 + max((each.track for each in found), default=0)
    lines = []
    for each in found:
        x = TRACK * (each.track + 0.5)
        top, bottom = (HEIGHT * (row + 0.5) for row in (each.made, each.freed))
        look = "gradient" if each.gradient else "plain"
        size = f", {short(each.size * batch, 'B')} a batch" if each.size else ""
        said = f"{each.value}: made by {each.made + 1}, freed by {each.freed + 1}{size}"
        lines.append(
            f'<g class="{look}"><title>{escape(one_line(said))}</title>'
            f'<circle cx="{x}" cy="{top}" r="3.5"/>'
            f'<path d="M{x},{top}L{x},{bottom}M{x - 4},{bottom}L{x + 4},{bottom}"/></g>'
        )
    height = HEIGHT * rows
    return f'<svg width="{TRACK * tracks}" height="{height}">{"".join(lines)}</svg>'
