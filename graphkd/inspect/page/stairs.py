"""Positions for the picture of who teaches whom: networks on a diagonal.

Every network has a row and a column for itself. An arrow leaves it sideways along its row and
enters another from above or below along that one's column: it meets no box on its way. What is
written on an arrow stands between two columns, where no arrow goes up or down.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from graphkd.inspect.drawing.layout import LINE, MARGIN, PAD, Rect
from graphkd.inspect.page.links import Figure, Link
from graphkd.inspect.picture import Box
from graphkd.inspect.text import NOTE, TITLE, text_width

# pixels between arrows along a row and along a column, between rows, around what is written
SLOT, PORT, BETWEEN, AIR = 28, 16, 50, 22
LABEL = 320
"""Most pixels that a text on an arrow takes."""

Point = tuple[float, float]


@attrs.frozen
class Way:
    """The way of an arrow.

    Attributes:
        link: the arrow.
        points: start, corner and end; start and end alone where the data come in.
        label: the left end of what is written on it, on the line.
        room: pixels for what is written.
    """

    link: Link
    points: tuple[Point, ...]
    label: Point
    room: float


@attrs.frozen
class Stairs:
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


def label_width(link: Link) -> float:
    """Estimate how wide the texts on an arrow are together."""
    title = text_width(link.title, TITLE) + 8 if link.title else 0.0
    return min(title + text_width(link.note, NOTE), LABEL)


def network_lines(box: Box) -> list[str]:
    """Return what is written below the name of a network."""
    return [line for line in (box.aside, *box.notes) if line]


def origin_width(link: Link) -> float:
    """Estimate how wide the small box is in which an arrow from the data starts."""
    return text_width(link.origin, NOTE) + 20 if not link.source else 0.0


def stairs(figure: Figure, *, top: float) -> Stairs:
    """Give networks and arrows their places.

    Args:
        figure: what is drawn.
        top: pixels above the first network.
    """
    return _Builder(figure, top).build()


class _Builder:
    def __init__(self, figure: Figure, top: float) -> None:
        self.figure = figure
        self.top = top
        self.rows = {box.name: index for index, box in enumerate(figure.boxes)}
        self.right: dict[str, list[Link]] = {name: [] for name in self.rows}
        self.left: dict[str, list[Link]] = {name: [] for name in self.rows}
        self.above: dict[str, list[Link]] = {name: [] for name in self.rows}
        self.below: dict[str, list[Link]] = {name: [] for name in self.rows}
        for link in figure.links:
            self._sort_in(link)
        self._order()

    def _sort_in(self, link: Link) -> None:
        if not link.source:
            self.left[link.target].append(link)
        elif self.rows[link.source] < self.rows[link.target]:
            self.right[link.source].append(link)
            self.above[link.target].append(link)
        else:
            self.left[link.source].append(link)
            self.below[link.target].append(link)

    def _order(self) -> None:
        """Order arrows at each side of a box so that those of one box do not cross."""
        rows = self.rows
        for links in self.right.values():
            links.sort(key=lambda each: -rows[each.target])
        for links in self.left.values():
            links.sort(key=lambda each: -rows[each.target] if each.source else -len(rows))
        # from the left: the nearest source first, and the lowest line of it
        for name, links in self.above.items():
            places = {id(x): n for s in rows for n, x in enumerate(self.right[s])}
            self.above[name] = sorted(
                links, key=lambda each: (-rows[each.source], -places[id(each)])
            )
        for name, links in self.below.items():
            places = {id(x): n for s in rows for n, x in enumerate(self.left[s])}
            self.below[name] = sorted(
                links, key=lambda each: (-rows[each.source], -places[id(each)])
            )

    def build(self) -> Stairs:
        boxes = self._boxes()
        ways = [self._way(link, boxes) for link in self.figure.links]
        right = _widest(way.label[0] + way.room for way in ways)
        return Stairs(
            width=max(_widest(rect.right for rect in boxes.values()), right) + MARGIN,
            height=_widest(rect.bottom for rect in boxes.values()) + MARGIN,
            boxes=boxes,
            ways=tuple(ways),
        )

    def _boxes(self) -> dict[str, Rect]:
        """Place the boxes; texts may reach into a column in which no arrow crosses their row."""
        boxes: dict[str, Rect] = {}
        y = self.top
        # right ends of what is written in rows above, and of the columns that arrows go down in
        written, crossed = 0.0, 0.0
        right = 0.0
        for box in self.figure.boxes:
            name = box.name
            coming = _widest(label_width(e) + origin_width(e) for e in self.left[name])
            x = right + 2 * AIR if boxes else float(MARGIN)
            x = max(x, crossed + coming + 2 * AIR) if coming else x
            x = max(x, written) if self.above[name] else x
            width, height = self._size(box)
            boxes[name] = Rect(x, y, width, height)
            right = x + width
            y += height + BETWEEN
            written = max(written, right + _widest(map(label_width, self.right[name])) + 2 * AIR)
            crossed = right if self.below[name] else crossed
        return boxes

    def _size(self, box: Box) -> tuple[float, float]:
        slots = max(len(self.left[box.name]), len(self.right[box.name]))
        ports = max(len(self.above[box.name]), len(self.below[box.name]))
        lines = network_lines(box)
        notes = min(_widest(text_width(line, NOTE) for line in lines), 340.0)
        words = max(text_width(box.title, TITLE), notes, PORT * ports, 92.0)
        return words + 2 * PAD, max(36 + LINE * len(lines), SLOT * slots + 12)

    def _way(self, link: Link, boxes: dict[str, Rect]) -> Way:
        target = boxes[link.target]
        room = label_width(link)
        if not link.source:
            y = _slot(target, self.left[link.target], link)
            start = target.x - AIR - room
            return Way(link, ((start, y), (target.x, y)), (start + 8, y), room)
        source = boxes[link.source]
        if self.rows[link.source] < self.rows[link.target]:
            y = _slot(source, self.right[link.source], link)
            x = _port(target, self.above[link.target], link)
            points = ((source.right, y), (x, y), (x, target.y))
            return Way(link, points, (source.right + 12, y), room)
        y = _slot(source, self.left[link.source], link)
        x = _port(target, self.below[link.target], link)
        points = ((source.x, y), (x, y), (x, target.bottom))
        return Way(link, points, (source.x - 12 - room, y), room)


def _widest(widths: Iterable[float]) -> float:
    return max(widths, default=0.0)


def _slot(rect: Rect, links: list[Link], link: Link) -> float:
    # the text stands on its line
    return rect.middle + 6 + SLOT * (_place(links, link) - (len(links) - 1) / 2)


def _port(rect: Rect, links: list[Link], link: Link) -> float:
    return rect.x + rect.width / 2 + PORT * (_place(links, link) - (len(links) - 1) / 2)


def _place(links: list[Link], link: Link) -> int:
    return next(index for index, each in enumerate(links) if each is link)
