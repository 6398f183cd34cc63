"""Who stands where in a large picture of who teaches whom: columns from left to right, and rows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping

from graphkd.inspect.page.links import Figure, Link

SWEEPS = 6
"""How often each column is put in the order of its neighbours."""

Cell = tuple[int, int]
"""Column and row of a box, from 0."""


def cells(figure: Figure) -> dict[str, Cell]:
    """Give each network a column and a row; no arrow joins two of the same column.

    Who teaches stands left of who learns, unless they teach each other.
    """
    names = [box.name for box in figure.boxes]
    joined = _joined(figure)
    columns = _wrapped(_ranks(names, joined), _near(joined))
    height = max(map(len, columns), default=0)
    return {
        name: (column, row + (height - len(members)) // 2)
        for column, members in enumerate(columns)
        for row, name in enumerate(members)
    }


def ends_of(link: Link, order: Mapping[str, int]) -> tuple[str, str]:
    """Return the two networks of an arrow, the one that stands before the other first."""
    if order[link.source] < order[link.target]:
        return link.source, link.target
    return link.target, link.source


def band_of(left: Cell, right: Cell) -> int:
    """Name the row above which an arrow passes columns, near the row where it ends."""
    return right[1] if right[1] >= left[1] else right[1] + 1


def _joined(figure: Figure) -> list[tuple[str, str]]:
    order = {box.name: place for place, box in enumerate(figure.boxes)}
    return [ends_of(link, order) for link in figure.links if link.source]


def _near(joined: list[tuple[str, str]]) -> dict[str, list[str]]:
    near: dict[str, list[str]] = defaultdict(list)
    for left, right in joined:
        near[left].append(right)
        near[right].append(left)
    return near


def _ranks(names: list[str], joined: list[tuple[str, str]]) -> list[list[str]]:
    """Put each network behind all that it hangs on, and as near as it can be to what follows."""
    behind: dict[str, list[str]] = defaultdict(list)
    before: dict[str, list[str]] = defaultdict(list)
    for left, right in joined:
        behind[left].append(right)
        before[right].append(left)
    rank: dict[str, int] = {}
    for name in names:
        rank[name] = 1 + max((rank[each] for each in before[name]), default=-1)
    for name in reversed(names):
        if behind[name]:
            rank[name] = min(rank[each] for each in behind[name]) - 1
    ranks: list[list[str]] = [[] for _ in range(1 + max(rank.values(), default=-1))]
    for name in names:
        ranks[rank[name]].append(name)
    return [members for members in ranks if members]


def _wrapped(ranks: list[list[str]], near: Mapping[str, list[str]]) -> list[list[str]]:
    """Order each rank by its neighbours, and cut what is too high for a page into columns."""
    count = sum(map(len, ranks))
    most = max(4, math.ceil(1.6 * math.sqrt(count)))
    for _ in range(SWEEPS):
        place = dict(_places(ranks))
        for members in ranks:
            members.sort(key=lambda name: _mean(place, near[name], place[name]))
            place |= dict(_places([members]))
    return [part for members in ranks for part in _parts(members, most)]


def _places(ranks: list[list[str]]) -> Iterator[tuple[str, float]]:
    """Say how far down in its rank each network stands, from 0 to 1."""
    for members in ranks:
        yield from ((name, (n + 0.5) / len(members)) for n, name in enumerate(members))


def _mean(place: Mapping[str, float], near: list[str], otherwise: float) -> float:
    return sum(place[each] for each in near) / len(near) if near else otherwise


def _parts(members: list[str], most: int) -> Iterator[list[str]]:
    count = math.ceil(len(members) / most)
    size = math.ceil(len(members) / count)
    yield from (members[start : start + size] for start in range(0, len(members), size))
