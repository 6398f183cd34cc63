"""Which node or flow of a blueprint a place in its file belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from graphkd.blueprint.located import KEY, Where
from graphkd.errors import Place

NOBODY: Where = ()
"""Of a problem that concerns no node and no flow."""


def owner_of(
    place: Place | None, places: Mapping[Where, Place], *, lines: Sequence[str] = ()
) -> Where:
    """Say which node or flow a place belongs to.

    Args:
        place: of a problem.
        places: where each part of the blueprint was written.
        lines: of the file, for keys that stand in no blueprint, such as one written twice.

    Returns:
        `("nodes", NAME)`, `("flows", NUMBER)` from 0, or `NOBODY`.
    """
    if place is None:
        return NOBODY
    exact = [path for path, each in places.items() if each == place]
    owners = [owner for owner in map(_owner, exact) if owner]
    if exact:
        return owners[0] if owners else NOBODY
    around = _around(place, places)
    if around == ("nodes",):
        names = [path[1] for path in places if path[:1] == around and len(path) == 2]
        key = key_at(place, lines)
        return ("nodes", key) if key in names else NOBODY
    return _owner(around)


def key_at(place: Place, lines: Sequence[str]) -> str:
    """Return the key that is written at a place; empty when none is."""
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    found = re.match(r"""["']?([\w-]+)["']?\s*:""", line[place.column - 1 :])
    return found[1] if found else ""


def start_of(line: str, number: int, file: str) -> Place:
    """Return the place where the text of a line begins."""
    return Place(file, number, len(line) - len(line.lstrip()) + 1)


def _owner(path: Where) -> Where:
    match path:
        case ("nodes", str(name), *_) if name != KEY:
            return "nodes", name
        case ("flows", int(number), *_):
            return "flows", number
    return NOBODY


def _around(place: Place, places: Mapping[Where, Place]) -> Where:
    """Find the innermost mapping or list that a place without a value of its own lies in.

    What starts before it in the same line, or before it and further left, is around it.
    """
    before = [
        (each.line, each.column, len(path), path)
        for path, each in places.items()
        if each.file == place.file and each.line > 0
        if (each.line, each.column) <= (place.line, place.column)
    ]
    path = max(before, key=lambda each: each[:3], default=(0, 0, 0, NOBODY))[3]
    path = path[:-1] if path and path[-1] == KEY else path
    while path:
        key = places.get((*path, KEY))
        # the keys of an item of a list stand in the column in which it begins
        start, room = (key, 1) if key else (places[path], 0)
        if start.line == place.line or start.column + room <= place.column:
            return path
        path = path[:-1]
    return path
