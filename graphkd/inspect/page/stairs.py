"""Positions for the picture of who teaches whom: networks on a diagonal.

Every network has a row and a column for itself. An arrow leaves it sideways along its row and
enters another from above or below along that one's column: it meets no box on its way. What is
written on an arrow stands between two columns, where no arrow goes up or down.
"""

from __future__ import annotations

from graphkd.inspect.drawing.layout import MARGIN, Rect
from graphkd.inspect.page.links import Figure, Link
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

# pixels between arrows along a column, between rows
PORT, BETWEEN = 16, 50


def stairs(figure: Figure, *, top: float) -> Places:
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
        self.slot = slot_of(figure)
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

    def build(self) -> Places:
        boxes = self._boxes()
        return placed(boxes, (self._way(link, boxes) for link in self.figure.links))

    def _boxes(self) -> dict[str, Rect]:
        """Place the boxes; texts may reach into a column in which no arrow crosses their row."""
        boxes: dict[str, Rect] = {}
        y = self.top
        # right ends of what is written in rows above, and of the columns that arrows go down in
        written, crossed = 0.0, 0.0
        right = 0.0
        for box in self.figure.boxes:
            name = box.name
            coming = widest(label_width(e) + origin_width(e) for e in self.left[name])
            x = right + 2 * AIR if boxes else float(MARGIN)
            x = max(x, crossed + coming + 2 * AIR) if coming else x
            x = max(x, written) if self.above[name] else x
            width, height = self._size(box)
            boxes[name] = Rect(x, y, width, height)
            right = x + width
            y += height + BETWEEN
            written = max(written, right + widest(map(label_width, self.right[name])) + 2 * AIR)
            crossed = right if self.below[name] else crossed
        return boxes

    def _size(self, box: Box) -> tuple[float, float]:
        slots = max(len(self.left[box.name]), len(self.right[box.name]))
        ports = max(len(self.above[box.name]), len(self.below[box.name]))
        height = max(network_height(box), self.slot * slots + 12)
        return network_width(box, least=max(PORT * ports, 92.0)), height

    def _way(self, link: Link, boxes: dict[str, Rect]) -> Way:
        target = boxes[link.target]
        if not link.source:
            y = self._slot(target, self.left[link.target], link)
            return way_from_data(link, target, y=y)
        room = label_width(link)
        source = boxes[link.source]
        if self.rows[link.source] < self.rows[link.target]:
            y = self._slot(source, self.right[link.source], link)
            x = _port(target, self.above[link.target], link)
            points = ((source.right, y), (x, y), (x, target.y))
            return Way(link, points, (source.right + 12, y), room)
        y = self._slot(source, self.left[link.source], link)
        x = _port(target, self.below[link.target], link)
        points = ((source.x, y), (x, y), (x, target.bottom))
        return Way(link, points, (source.x - 12 - room, y), room)

    def _slot(self, rect: Rect, links: list[Link], link: Link) -> float:
        # the text stands on its line
        return rect.middle + 6 + self.slot * (_place(links, link) - (len(links) - 1) / 2)


def _port(rect: Rect, links: list[Link], link: Link) -> float:
    return rect.x + rect.width / 2 + PORT * (_place(links, link) - (len(links) - 1) / 2)


def _place(links: list[Link], link: Link) -> int:
    return next(index for index, each in enumerate(links) if each is link)
