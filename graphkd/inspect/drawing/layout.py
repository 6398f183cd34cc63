"""Positions of the drawn graph.

Every lane has a band of the picture for itself: an arrow leaves it to the right along its row and
meets no box, and turns only in the channels between the columns.
"""

from __future__ import annotations

import attrs

from graphkd.inspect.drawing.arrangement import Arrangement, Lane, Objective, Spot
from graphkd.inspect.drawing.rect import Rect as Rect
from graphkd.inspect.drawing.sizes import (
    BETWEEN,
    CHIP,
    FRAME,
    GAP,
    INDENT,
    LONGEST,
    NEAR,
    ROW,
    TOP,
    chip_width,
    data_width,
    head_height,
    lane_lines,
    objective_height,
    objectives_width,
    title_width,
    weights_width,
    widest,
)
from graphkd.inspect.drawing.sizes import LINE as LINE
from graphkd.inspect.drawing.sizes import MARGIN as MARGIN
from graphkd.inspect.drawing.sizes import PAD as PAD
from graphkd.inspect.text import NOTE, text_width


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
        chips |= _chips(lane, left + PAD, top + head_height(lane))
        top += height
    data = _data(plan, channels, top, top - sum(heights) / 2 - GAP / 2)
    corner = (channels[-1][1], TOP + max(0.0, low - high) / 2)
    groups, objectives = _objectives(plan, corner, apart)
    return Layout(
        width=channels[-1][1] + objectives_width(plan) + MARGIN,
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
    data = [data_width(*each) for each in plan.data.items() if _feeds_lanes(plan, each[0])]
    x = MARGIN + max(data, default=0.0)
    channels = []
    for column, count in enumerate(room):
        width = min(50 + 6 * count, 240)
        channels.append((x, x + width))
        x += width + widest(_lane_width(lane) for lane in plan.lanes if lane.column == column)
    return channels


def _lane_height(lane: Lane) -> float:
    rows = 1 + max((chip.row for chip in lane.chips), default=-1)
    return head_height(lane) + rows * ROW + (PAD - ROW + CHIP if rows else 0)


def _lane_width(lane: Lane) -> float:
    notes = widest(text_width(line, NOTE) for line in lane_lines(lane.box))
    head = min(max(title_width(lane.box), notes), LONGEST)
    right = max((rect.right for rect in _chips(lane, 0, 0).values()), default=0.0)
    return 2 * PAD + max(head, right)


def _chips(lane: Lane, x: float, y: float) -> dict[Spot, Rect]:
    """Place taps like stairs, and projectors in columns to their right."""
    depths = range(1 + max((chip.depth for chip in lane.chips), default=0))
    widths = [widest(chip_width(c) for c in lane.chips if c.depth == depth) for depth in depths]
    stairs = INDENT * max((chip.step for chip in lane.chips), default=0)
    rects = {}
    for chip in lane.chips:
        before = sum(width + BETWEEN for width in widths[: chip.depth])
        left = x + before + (stairs if chip.depth else INDENT * chip.step)
        rects[chip.spot] = Rect(left, y + chip.row * ROW, widths[chip.depth], CHIP)
    return rects


def _feeds_lanes(plan: Arrangement, spot: Spot) -> bool:
    names = {lane.box.name for lane in plan.lanes}
    return any(wire.source == spot and wire.target[0] in names for wire in plan.wires)


def _feeds_objectives(plan: Arrangement, spot: Spot) -> bool:
    names = {each.box.name for each in plan.objectives}
    return any(wire.source == spot and wire.target[0] in names for wire in plan.wires)


def _data(
    plan: Arrangement, channels: list[tuple[float, float]], bottom: float, middle: float
) -> dict[Spot, Rect]:
    """Place what only nodes read at the left, what losses read below the lanes."""
    rects: dict[Spot, Rect] = {}
    early = [spot for spot in plan.data if not _feeds_objectives(plan, spot)]
    y = middle - len(early) * (CHIP + GAP) / 2
    for spot, note in plan.data.items():
        width = data_width(spot, note)
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


def _group_height(part: list[Objective], apart: float) -> float:
    return FRAME + sum(objective_height(each) + apart for each in part) - apart + PAD


def _objectives(
    plan: Arrangement, corner: tuple[float, float], apart: float
) -> tuple[dict[str, Rect], dict[str, Rect]]:
    """Place the frames of losses and probes, and the boxes in them."""
    groups: dict[str, Rect] = {}
    rects: dict[str, Rect] = {}
    x, y = corner
    width, before = objectives_width(plan), PAD + weights_width(plan)
    for title, part in _groups(plan).items():
        groups[title] = Rect(x, y, width, _group_height(part, apart))
        below = y + FRAME
        for each in part:
            height = objective_height(each)
            rects[each.box.name] = Rect(x + before, below, width - before - PAD, height)
            below += height + apart
        y = groups[title].bottom + GAP
    return groups, rects
