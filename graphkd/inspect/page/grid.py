"""Positions for a large picture of who teaches whom: networks in columns and rows.

An arrow leaves a box sideways and turns only between two columns. One that passes columns does so
between two rows. So it meets no box, and no word: what is written stands left of where arrows turn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from graphkd.inspect.drawing.layout import MARGIN, Rect
from graphkd.inspect.page.columns import band_of, cells, ends_of
from graphkd.inspect.page.links import Figure, Link
from graphkd.inspect.page.tracks import Run, Tracks, tracks
from graphkd.inspect.page.ways import (
    AIR,
    Places,
    Way,
    label_width,
    network_height,
    network_width,
    origin_width,
    placed,
    slot_of,
    way_from_data,
    widest,
)
from graphkd.inspect.picture import Box

# pixels: from the top of a box to its first arrow, between arrows side by side, between two rows
FIRST, TRACK, BETWEEN = 24, 10, 26


def grid(figure: Figure, *, top: float) -> Places:
    """Give networks and arrows their places.

    Args:
        figure: what is drawn; no arrow ends in the network where it starts.
        top: pixels above the first row.
    """
    return _Builder(figure, top).build()


class _Builder:
    def __init__(self, figure: Figure, top: float) -> None:
        self.figure = figure
        self.top = top
        self.slot = slot_of(figure)
        self.known = {box.name: box for box in figure.boxes}
        self.cells = cells(figure)
        columns = {name: column for name, (column, _) in self.cells.items()}
        self.ends = {n: ends_of(e, columns) for n, e in enumerate(figure.links) if e.source}
        self.right: dict[str, list[int]] = defaultdict(list)
        self.left: dict[str, list[int]] = defaultdict(list)
        for number, link in enumerate(figure.links):
            if not link.source:
                self.left[link.target].append(number)
        # arrows of one box do not cross each other where it can be helped
        for number in sorted(self.ends, key=lambda n: self._height_of(n, 1)):
            self.right[self.ends[number][0]].append(number)
        for number in sorted(self.ends, key=lambda n: self._height_of(n, 0)):
            self.left[self.ends[number][1]].append(number)

    def build(self) -> Places:
        bands = tracks(self._passes())
        self.tops = self._tops(bands)
        self.heights = {
            number: self.tops[band] - BETWEEN / 2 - TRACK * (bands.place(band, number) + 0.5)
            for band, number in bands.lines
        }
        self.straight: frozenset[int] = frozenset()
        self.straight = frozenset(self._straight())
        self.turns = tracks(self._turns())
        self._place_columns()
        boxes = {box.name: self._rect(box.name) for box in self.figure.boxes}
        return placed(boxes, (self._way(n, link) for n, link in enumerate(self.figure.links)))

    def _height_of(self, number: int, end: int) -> tuple[float, int]:
        """Say in rows how far down an arrow leads, seen from its other end."""
        left, right = (self.cells[name] for name in self.ends[number])
        if right[0] - left[0] > 1:
            return band_of(left, right) - 0.5, end and -right[0]
        return (left, right)[end][1], 0

    def _passes(self) -> Iterator[Run]:
        """Find above which row an arrow passes columns, near the row where it ends."""
        for number, (left, right) in self.ends.items():
            start, end = self.cells[left], self.cells[right]
            if end[0] - start[0] > 1:
                yield Run(band_of(start, end), number, start[0], end[0] - 1)

    def _tops(self, bands: Tracks) -> list[float]:
        """Place the rows, with room above each for the arrows that pass there."""
        heights: dict[int, float] = defaultdict(float)
        for box in self.figure.boxes:
            row = self.cells[box.name][1]
            heights[row] = max(heights[row], self._height(box))
        tops, y = [], self.top
        for row in range(1 + max(heights)):
            y += TRACK * bands.count(row) + (BETWEEN if row or bands.count(row) else 0)
            tops.append(y)
            y += heights[row]
        return tops

    def _height(self, box: Box) -> float:
        arrows = max(len(self.left[box.name]), len(self.right[box.name]))
        return max(network_height(box), FIRST + self.slot * (arrows - 0.5) + 18)

    def _straight(self) -> Iterator[int]:
        """Find arrows to the next column that need not turn, and come close to no other."""
        for number, (left, right) in self.ends.items():
            (first, high), (last, low) = self.cells[left], self.cells[right]
            start = self._out(number)
            words = [self._in(n, right) for n in self.left[right] if n not in self.ends]
            free = start + self.slot / 2 not in words
            below = self.tops[low] + self._height(self.known[right])
            if last - first == 1 and high == low and free and start < below - 10:
                yield number

    def _out(self, number: int) -> float:
        """Say at which height an arrow meets its left box."""
        name = self.ends[number][0]
        return self._slot(name, self.right[name], number)

    def _in(self, number: int, name: str) -> float:
        """Say at which height an arrow meets its right box; never that of another that leaves."""
        if number in self.straight:
            return self._out(number)
        return self._slot(name, self.left[name], number) + self.slot / 2

    def _slot(self, name: str, numbers: list[int], number: int) -> float:
        return self.tops[self.cells[name][1]] + FIRST + self.slot * numbers.index(number)

    def _turns(self) -> Iterator[Run]:
        """Find where arrows go up or down: between which columns, and from where to where."""
        for number, (left, right) in self.ends.items():
            first, last = self.cells[left][0], self.cells[right][0] - 1
            out, end = self._out(number), self._in(number, right)
            if first == last and number not in self.straight:
                yield Run(first, number, *sorted((out, end)))
            elif first != last:
                lane = self.heights[number]
                yield Run(first, number, *sorted((out, lane)))
                yield Run(last, number, *sorted((lane, end)))

    def _place_columns(self) -> None:
        """Place columns from left to right: words, turns, what comes from the data, boxes."""
        names: dict[int, list[str]] = defaultdict(list)
        for name, (column, _) in self.cells.items():
            names[column].append(name)
        self.lefts, self.widths, self.starts = {}, {}, {}
        x = float(MARGIN)
        for column in sorted(names):
            coming = [self._coming(n) for name in names[column] for n in self.left[name]]
            x += max(widest(coming), AIR if column else 0.0)
            self.lefts[column] = x
            self.widths[column] = widest(network_width(self.known[name]) for name in names[column])
            x += self.widths[column]
            said = [label_width(self.figure.links[n]) for e in names[column] for n in self.right[e]]
            x += widest(said) + AIR
            self.starts[column] = x
            x += TRACK * self.turns.count(column)

    def _coming(self, number: int) -> float:
        link = self.figure.links[number]
        return AIR if link.source else origin_width(link) + label_width(link) + 2 * AIR

    def _rect(self, name: str) -> Rect:
        column, row = self.cells[name]
        height = self._height(self.known[name])
        return Rect(self.lefts[column], self.tops[row], self.widths[column], height)

    def _turn(self, column: int, number: int) -> float:
        return self.starts[column] + TRACK * (self.turns.place(column, number) + 0.5)

    def _way(self, number: int, link: Link) -> Way:
        if not link.source:
            y = self._in(number, link.target)
            return way_from_data(link, self._rect(link.target), y=y)
        room = label_width(link)
        left, right = self.ends[number]
        (first, _), (last, _) = self.cells[left], self.cells[right]
        out, end = self._out(number), self._in(number, right)
        x = self._rect(left).right
        if number in self.straight:
            ends = ((x, out), (self._rect(right).x, out))
            return Way(link, ends if left == link.source else ends[::-1], (x + 12, out), room)
        points = [(x, out), (self._turn(first, number), out)]
        if last - first > 1:
            lane = self.heights[number]
            points += [(points[-1][0], lane), (self._turn(last - 1, number), lane)]
        points += [(points[-1][0], end), (self._rect(right).x, end)]
        ordered = points if left == link.source else points[::-1]
        return Way(link, tuple(ordered), (x + 12, out), room)
