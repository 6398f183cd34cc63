"""The ways of the arrows between placed boxes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import attrs

from graphkd.inspect.drawing.arrangement import Arrangement, Spot, Wire
from graphkd.inspect.drawing.layout import Layout
from graphkd.inspect.drawing.sizes import CHIP, ROW

APART = 10
"""Pixels between the kinds of arrows at one side of a box."""
BEND = 8
KINDS = ("knowledge", "gradient", "signal")

Point = tuple[float, float]


@attrs.frozen
class Route:
    """The way of an arrow: a line, a curve, a line.

    Attributes:
        kind: `signal`, `knowledge`, `gradient`, `weights`, or `depth` from one tap to the next.
        points: start, start of the curve, its two control points, its end, end.
        inner: whether it stays within a lane.
        wire: the arrow; None for what only joins the taps of a lane.
    """

    kind: str
    points: tuple[Point, Point, Point, Point, Point, Point]
    inner: bool = False
    wire: Wire | None = None

    def backwards(self) -> Route:
        """Return the same way from its end to its start."""
        first, second, third, fourth, fifth, last = self.points
        return attrs.evolve(self, points=(last, fifth, fourth, third, second, first))


def routes(plan: Arrangement, layout: Layout) -> list[Route]:
    """Find the ways of all arrows, those within lanes included."""
    router = _Router(plan, layout)
    return [*router.stairs(), *map(router.route, plan.wires)]


class _Router:
    def __init__(self, plan: Arrangement, layout: Layout) -> None:
        self.plan = plan
        self.layout = layout
        self.columns = {lane.box.name: lane.column for lane in plan.lanes}
        self.entries = {
            lane.box.name: layout.chips[lane.chips[0].spot] for lane in plan.lanes if lane.chips
        }
        self.parents = {chip.spot: chip.parent for lane in plan.lanes for chip in lane.chips}
        self.kinds: dict[tuple[Spot, str], list[str]] = {}
        for kind in KINDS:
            for wire in plan.wires:
                if wire.kind == kind:
                    for end in zip(wire.ends, ("right", "left"), strict=True):
                        used = self.kinds.setdefault(end, [])
                        used += [] if kind in used else [kind]

    def stairs(self) -> Iterator[Route]:
        """Lead from each tap of a lane to the next."""
        for lane in self.plan.lanes:
            taps = [self.layout.chips[chip.spot] for chip in lane.chips if chip.depth == 0]
            for upper, lower in pairwise(taps):
                x, y = upper.x + 12, lower.middle
                corner = (x, y)
                points = ((x, upper.bottom), (x, y - BEND), corner, corner, (x + BEND, y))
                yield Route("depth", (*points, (lower.x, y)), inner=True)

    def route(self, wire: Wire) -> Route:
        """Lead an arrow from box to box."""
        if wire.kind == "weights":
            return self._bracket(wire)
        source, target = wire.ends
        start = self._leave(source, wire.kind)
        end = self._enter(target, wire.kind)
        inner = self.parents.get(target) == source
        left, right = (start[0], end[0]) if inner else self._channel(source, target)
        middle = (left + right) / 2
        curve = ((left, start[1]), (middle, start[1]), (middle, end[1]), (right, end[1]))
        made = Route(wire.kind, (start, *curve, end), inner=inner, wire=wire)
        return made.backwards() if wire.kind == "gradient" else made

    def _channel(self, source: Spot, target: Spot) -> tuple[float, float]:
        """Find the left and right side of the room in which an arrow turns."""
        if source in self.layout.data and target[0] in self.columns:
            return self.layout.channels[0]
        return self.layout.channels[self.columns.get(target[0], -1)]

    def _leave(self, spot: Spot, kind: str) -> Point:
        rect = self.layout.chips.get(spot) or self.layout.data.get(spot)
        rect = rect or self.layout.lanes[spot[0]]
        return rect.right, rect.middle + self._offset(spot, "right", kind)

    def _enter(self, spot: Spot, kind: str) -> Point:
        rect = self.layout.objectives.get(spot[0]) or self.entries.get(spot[0])
        rect = rect or self.layout.chips.get(spot) or self.layout.lanes[spot[0]]
        return rect.x, rect.middle + self._offset(spot, "left", kind)

    def _offset(self, spot: Spot, side: str, kind: str) -> float:
        used = self.kinds[spot, side]
        return APART * (used.index(kind) - (len(used) - 1) / 2)

    def _bracket(self, wire: Wire) -> Route:
        """Join two lanes at their left sides, in the channel before the first column."""
        (first, above), (second, below) = map(self._side, (wire.source, wire.target))
        left = self.layout.channels[0][1]
        bulge = left - min(34.0, 14.0 + abs(above - below) / 12)
        curve = ((left, above), (bulge, above), (bulge, below), (left, below))
        return Route(wire.kind, (first, *curve, second), wire=wire)

    def _side(self, spot: Spot) -> tuple[Point, float]:
        """Return where weights are lent or borrowed, and at which height they come."""
        lane = self.layout.lanes.get(spot[0])
        if lane is not None:
            # inputs of a low box come in at its middle
            height = lane.y + min(20.0, lane.height / 4)
            return (lane.x, height), height
        # a projector that borrows stands inside a lane: below the boxes left of it
        chip = self.layout.chips[spot]
        return (chip.x + 8, chip.bottom), chip.bottom + (ROW - CHIP) / 2
