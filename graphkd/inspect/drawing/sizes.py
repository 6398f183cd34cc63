"""How large the boxes of the drawn graph are."""

from __future__ import annotations

from collections.abc import Iterable

from graphkd.inspect.drawing.arrangement import Arrangement, Chip, Lane, Objective, Spot
from graphkd.inspect.picture import Box
from graphkd.inspect.text import NOTE, TITLE, packed, text_width

# all in pixels; the room around the picture, above the boxes, between frames, inside frames
MARGIN, TOP, GAP, PAD = 24, 84, 20, 14
# height of a chip, of a row of chips, of the title above, of a line of text, of a frame's title
CHIP, ROW, HEAD, LINE, FRAME = 36, 46, 33, 15, 30
# from tap to deeper tap, between chips of a row, between objectives where room is short
INDENT, BETWEEN, NEAR = 26, 36, 10
# most room for a line of notes, for titles that somebody gave; the width of a mark
NOTES, LONGEST, GLYPH = 340, 560, 17


def widest(widths: Iterable[float]) -> float:
    """Return the largest, or nothing of nothing."""
    return max(widths, default=0.0)


def lane_lines(box: Box) -> list[str]:
    """Return what is written below the title of a lane."""
    return packed(box.notes, NOTE, NOTES)


def title_width(box: Box) -> float:
    """Estimate how wide the first line of a box is: its marks, its title, what stands behind."""
    marks = GLYPH * (bool(box.state) + box.shared)
    return marks + text_width(box.title, TITLE) + text_width(box.aside, NOTE) + 2 * PAD


def head_height(lane: Lane) -> float:
    """Say how high the words above the taps of a lane are."""
    return HEAD + LINE * max(len(lane_lines(lane.box)), 1)


def chip_width(chip: Chip) -> float:
    """Estimate how wide a tap or projector is."""
    widest = max(text_width(chip.title, TITLE), text_width(chip.note, NOTE))
    return min(max(widest, 50), 300) + 20


def data_width(spot: Spot, note: str) -> float:
    """Estimate how wide a tap of the data is."""
    return min(max(text_width(spot[1], TITLE), text_width(note, NOTE)), 200) + 20


def objective_lines(each: Objective) -> list[str]:
    """Return what is written below the title of a loss or probe."""
    # a ramp in full; what is short stands on the arrow alone
    ramp = each.box.aside if each.box.aside != each.weight else ""
    return [*filter(None, (each.ends, ramp)), *packed(each.box.notes, NOTE, NOTES)]


def objective_height(each: Objective) -> float:
    """Say how high a loss or probe is."""
    return 30 + LINE * (len(objective_lines(each)) + bool(each.more))


def objectives_width(plan: Arrangement) -> float:
    """Estimate how wide the frames around losses and probes are."""
    widths = [
        text_width(line, NOTE)
        for each in plan.objectives
        for line in (*objective_lines(each), each.more)
    ]
    titles = [text_width(each.box.title, TITLE) for each in plan.objectives]
    return min(max([*widths, *titles], default=0.0), LONGEST) + 4 * PAD + weights_width(plan)


def weight_width(weight: str) -> float:
    """Estimate how wide the plate is on which the weight of a flow stands."""
    return text_width(weight, NOTE) + 10 if weight else 0.0


def weights_width(plan: Arrangement) -> float:
    """Estimate the room for weights before the losses, where arrows run straight."""
    width = widest(weight_width(each.weight) for each in plan.objectives)
    return width + 8 if width else 0.0
