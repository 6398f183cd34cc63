"""Straight pieces of arrows side by side, on as few lines as they need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import attrs

APART = 12
"""Between two pieces on one line, in the unit of their ends."""


@attrs.frozen
class Run:
    """A straight piece of an arrow.

    Attributes:
        band: between which rows, or which columns, it lies.
        number: of the arrow.
        start: where it begins along its line.
        end: where it ends; not before its start.
    """

    band: int
    number: int
    start: float
    end: float


@attrs.frozen
class Tracks:
    """On which line of its band each piece lies.

    Attributes:
        lines: by band and number of the arrow, from 0.
    """

    lines: dict[tuple[int, int], int]

    def place(self, band: int, number: int) -> int:
        """Return the line of an arrow's piece."""
        return self.lines[band, number]

    def count(self, band: int) -> int:
        """Count the lines of a band."""
        return 1 + max((line for (each, _), line in self.lines.items() if each == band), default=-1)


def tracks(runs: Iterable[Run]) -> Tracks:
    """Give each piece the first line of its band that is free where it lies."""
    bands: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        bands[run.band].append(run)
    lines: dict[tuple[int, int], int] = {}
    for band, found in bands.items():
        ends: list[float] = []
        for run in sorted(found, key=lambda each: (each.start, each.end, each.number)):
            line = next((n for n, end in enumerate(ends) if end + APART <= run.start), len(ends))
            ends[line : line + 1] = [run.end]
            lines[band, run.number] = line
    return Tracks(lines)
