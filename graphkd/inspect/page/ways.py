"""What the picture of who teaches whom is laid out with: ways of arrows, and sizes."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from graphkd.inspect.drawing.layout import MARGIN, Rect
from graphkd.inspect.drawing.sizes import LINE, NOTES, PAD, title_width
from graphkd.inspect.page.links import Figure, Link
from graphkd.inspect.picture import Box
from graphkd.inspect.text import NOTE, TITLE, text_width

# pixels between arrows at a side of a box, around what is written
SLOT, AIR = 28, 22
LABEL = 320
"""Most pixels that a text on an arrow takes."""

Point = tuple[float, float]


@attrs.frozen
class Way:
    """The way of an arrow.

    Attributes:
        link: the arrow.
        points: start, corners and end; start and end alone where the data come in.
        label: the left end of what is written on it, on the line.
        room: pixels for what is written.
    """

    link: Link
    points: tuple[Point, ...]
    label: Point
    room: float


@attrs.frozen
class Places:
    """Where everything is.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture.
        boxes: by network.
        ways: of the arrows.
    """

    width: float
    height: float
    boxes: dict[str, Rect]
    ways: tuple[Way, ...]


def placed(boxes: dict[str, Rect], ways: Iterable[Way]) -> Places:
    """Say how large a picture is in which everything has its place."""
    ways = tuple(ways)
    right = widest(way.label[0] + way.room for way in ways)
    return Places(
        width=max(widest(rect.right for rect in boxes.values()), right) + MARGIN,
        height=widest(rect.bottom for rect in boxes.values()) + MARGIN,
        boxes=boxes,
        ways=ways,
    )


def way_from_data(link: Link, target: Rect, *, y: float) -> Way:
    """Lead an arrow from the data straight into a box at this height."""
    room = label_width(link)
    start = target.x - AIR - room
    return Way(link, ((start, y), (target.x, y)), (start + 8, y), room)


def slot_of(figure: Figure) -> float:
    """Say how far apart arrows are at a side of a box: below a line may stand what more is said."""
    return SLOT + LINE * any(link.more for link in figure.links)


def label_width(link: Link) -> float:
    """Estimate how wide the texts on an arrow are together."""
    title = text_width(link.title, TITLE) + 8 if link.title else 0.0
    return min(max(title + text_width(link.note, NOTE), text_width(link.more, NOTE)), LABEL)


def network_lines(box: Box) -> list[str]:
    """Return what is written below the name of a network."""
    return [line for line in (box.aside, *box.notes) if line]


def network_width(box: Box, least: float = 92.0) -> float:
    """Estimate how wide the box of a network is.

    Args:
        box: the network.
        least: pixels that there are for words at least.
    """
    notes = min(widest(text_width(line, NOTE) for line in network_lines(box)), NOTES)
    title = title_width(attrs.evolve(box, aside="")) - 2 * PAD
    return min(max(title, notes, least), max(NOTES, least)) + 2 * PAD


def network_height(box: Box) -> float:
    """Say how high the words of a network are."""
    return 36 + LINE * len(network_lines(box))


def origin_width(link: Link) -> float:
    """Estimate how wide the small box is in which an arrow from the data starts."""
    return text_width(link.origin, NOTE) + 20 if not link.source else 0.0


def widest(widths: Iterable[float]) -> float:
    """Return the largest, or nothing of nothing."""
    return max(widths, default=0.0)
