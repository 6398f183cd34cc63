"""Positions of the drawn graph.

Every lane has a band of the picture for itself: an arrow leaves it to the right along its row and
meets no box, and turns only in the channels between the columns.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from graphkd.inspect.drawing.arrangement import Arrangement, Chip, Lane, Objective, Spot
from graphkd.inspect.text import NOTE, TITLE, text_width

# all in pixels; the room around the picture, above the boxes, between frames, inside frames
MARGIN, TOP, GAP, PAD = 24, 84, 20, 14
# height of a chip, of a row of chips, of the texts above, of a line of text, of a frame's title
CHIP, ROW, HEAD, LINE, FRAME = 36, 46, 48, 15, 30
# from tap to deeper tap, between chips of a row, between objectives where room is short
INDENT, BETWEEN, NEAR = 26, 36, 10


@attrs.frozen
class Rect:
    """A rectangle.

    Attributes:
        x: left side, in pixels.
        y: upper side.
        width: in pixels.
        height: in pixels.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Height of the middle."""
        return self.y + self.height / 2


@attrs.frozen
class Layout:
    """Where everything is.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture.
        lanes: by node.
        chips: taps and projectors in lanes, by spot.
        data: taps of the data, by spot.
        objectives: by loss or probe.
        groups: frames around the losses and around the probes, by title.
        channels: left and right side of the room for arrows before each column of lanes, then of
            that before the objectives.
    """

    width: float
    height: float
    lanes: dict[str, Rect]
    chips: dict[Spot, Rect]
    data: dict[Spot, Rect]
    objectives: dict[str, Rect]
    groups: dict[str, Rect]
    channels: list[tuple[float, float]]


def lay_out(plan: Arrangement) -> Layout:
    """Give every box of an arrangement its rectangle."""
    channels = _channels(plan)
    heights = [_lane_height(lane) + GAP for lane in plan.lanes]
    late = [spot for spot in plan.data if _feeds_objectives(plan, spot)]
    low = sum(heights) + len(late) * (CHIP + GAP)
    tight = sum(_group_height(part, NEAR) + GAP for part in _groups(plan).values())
    # tall lanes draw the objectives apart, so that arrows are less steep
    apart = NEAR + min(max(0.0, low - tight) / max(len(plan.objectives), 1), 2 * NEAR)
    high = sum(_group_height(part, apart) + GAP for part in _groups(plan).values())
    top = TOP + max(0.0, high - low) / 2
    lanes: dict[str, Rect] = {}
    chips: dict[Spot, Rect] = {}
    for lane, height in zip(plan.lanes, heights, strict=True):
        left, right = channels[lane.column][1], channels[lane.column + 1][0]
        lanes[lane.box.name] = Rect(left, top, right - left, height - GAP)
        chips |= _chips(lane, left + PAD, top + HEAD)
        top += height
    data = _data(plan, channels, top, top - sum(heights) / 2 - GAP / 2)
    corner = (channels[-1][1], TOP + max(0.0, low - high) / 2)
    groups, objectives = _objectives(plan, corner, apart)
    return Layout(
        width=channels[-1][1] + _objectives_width(plan) + MARGIN,
        height=TOP + max(low, high) + LINE + MARGIN,
        lanes=lanes,
        chips=chips,
        data=data,
        objectives=objectives,
        groups=groups,
        channels=channels,
    )


def _channels(plan: Arrangement) -> list[tuple[float, float]]:
    columns = {lane.box.name: lane.column for lane in plan.lanes}
    last = max(columns.values(), default=-1) + 1
    room = [0] * (last + 1)
    for wire in plan.wires:
        _, (reader, _) = wire.ends
        room[columns.get(reader, last)] += 1
    data = [_data_width(*each) for each in plan.data.items() if _feeds_lanes(plan, each[0])]
    x = MARGIN + max(data, default=0.0)
    channels = []
    for column, count in enumerate(room):
        width = min(50 + 6 * count, 240)
        channels.append((x, x + width))
        x += width + _widest(_lane_width(lane) for lane in plan.lanes if lane.column == column)
    return channels


def _widest(widths: Iterable[float]) -> float:
    return max(widths, default=0.0)


def _lane_height(lane: Lane) -> float:
    rows = 1 + max((chip.row for chip in lane.chips), default=-1)
    return HEAD + rows * ROW + (PAD - ROW + CHIP if rows else 0)


def _lane_width(lane: Lane) -> float:
    title = text_width(lane.box.title, TITLE) + text_width(lane.box.aside, NOTE) + 2 * PAD
    head = min(max(title, text_width(" · ".join(lane.box.notes), NOTE)), 420)
    right = max((rect.right for rect in _chips(lane, 0, 0).values()), default=0.0)
    return 2 * PAD + max(head, right)


def _chips(lane: Lane, x: float, y: float) -> dict[Spot, Rect]:
    """Place taps like stairs, and projectors in columns to their right."""
    depths = range(1 + max((chip.depth for chip in lane.chips), default=0))
    widths = [_widest(_chip_width(c) for c in lane.chips if c.depth == depth) for depth in depths]
    stairs = INDENT * max((chip.step for chip in lane.chips), default=0)
    rects = {}
    for chip in lane.chips:
        before = sum(width + BETWEEN for width in widths[: chip.depth])
        left = x + before + (stairs if chip.depth else INDENT * chip.step)
        rects[chip.spot] = Rect(left, y + chip.row * ROW, widths[chip.depth], CHIP)
    return rects


def _chip_width(chip: Chip) -> float:
    widest = max(text_width(chip.title, TITLE), text_width(chip.note, NOTE))
    return min(max(widest, 50), 220) + 20


def _feeds_lanes(plan: Arrangement, spot: Spot) -> bool:
    names = {lane.box.name for lane in plan.lanes}
    return any(wire.source == spot and wire.target[0] in names for wire in plan.wires)


def _feeds_objectives(plan: Arrangement, spot: Spot) -> bool:
    names = {each.box.name for each in plan.objectives}
    return any(wire.source == spot and wire.target[0] in names for wire in plan.wires)


def _data_width(spot: Spot, note: str) -> float:
    return min(max(text_width(spot[1], TITLE), text_width(note, NOTE)), 200) + 20


def _data(
    plan: Arrangement, channels: list[tuple[float, float]], bottom: float, middle: float
) -> dict[Spot, Rect]:
    """Place what only nodes read at the left, what losses read below the lanes."""
    rects: dict[Spot, Rect] = {}
    early = [spot for spot in plan.data if not _feeds_objectives(plan, spot)]
    y = middle - len(early) * (CHIP + GAP) / 2
    for spot, note in plan.data.items():
        width = _data_width(spot, note)
        if spot in early:
            rects[spot] = Rect(MARGIN, y, width, CHIP)
            y += CHIP + GAP
        else:
            left = MARGIN if _feeds_lanes(plan, spot) else channels[-1][0] - width
            rects[spot] = Rect(left, bottom, width, CHIP)
            bottom += CHIP + GAP
    return rects


def _groups(plan: Arrangement) -> dict[str, list[Objective]]:
    kinds = (("Objectives", "loss"), ("Probes", "probe"))
    parts = {title: [o for o in plan.objectives if o.box.kind == kind] for title, kind in kinds}
    return {title: part for title, part in parts.items() if part}


def objective_lines(each: Objective) -> list[str]:
    """Return what is written below the title of a loss or probe."""
    return [line for line in (each.ends, " · ".join(each.box.notes)) if line]


def _objective_height(each: Objective) -> float:
    return 30 + LINE * len(objective_lines(each))


def _group_height(part: list[Objective], apart: float) -> float:
    return FRAME + sum(_objective_height(each) + apart for each in part) - apart + PAD


def _objectives_width(plan: Arrangement) -> float:
    widths = [text_width(line, NOTE) for each in plan.objectives for line in objective_lines(each)]
    titles = [
        text_width(each.box.title, TITLE) + text_width(each.box.aside, NOTE) + 2 * PAD
        for each in plan.objectives
    ]
    return min(max([*widths, *titles], default=0.0), 380) + 4 * PAD


def _objectives(
    plan: Arrangement, corner: tuple[float, float], apart: float
) -> tuple[dict[str, Rect], dict[str, Rect]]:
    """Place the frames of losses and probes, and the boxes in them."""
    groups: dict[str, Rect] = {}
    rects: dict[str, Rect] = {}
    x, y = corner
    width = _objectives_width(plan)
    for title, part in _groups(plan).items():
        groups[title] = Rect(x, y, width, _group_height(part, apart))
        below = y + FRAME
        for each in part:
            height = _objective_height(each)
            rects[each.box.name] = Rect(x + PAD, below, width - 2 * PAD, height)
            below += height + apart
        y = groups[title].bottom + GAP
    return groups, rects
