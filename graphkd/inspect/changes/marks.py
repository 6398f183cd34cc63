"""The marks of what was added, removed and changed in a drawing: a colour, a line, a sign."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from graphkd.graph import vertex
from graphkd.inspect.changes.compare import Sign
from graphkd.inspect.changes.union import Union
from graphkd.inspect.drawing.arrangement import Spot, Wire
from graphkd.inspect.drawing.svg import Mark
from graphkd.inspect.picture import Arrow, picture
from graphkd.inspect.shapes import escaped

# of the disc behind a sign, and from the end of a straight arrow to its middle, in pixels
RADIUS, BEFORE = 6, 13

_CORNER = re.compile(r'<rect class="(?:frame|box)[^"]*" x="([-\d.]+)" y="([-\d.]+)"')

Point = tuple[float, float]

LOOKS: Mapping[Sign, str] = {"+": "added", "-": "removed", "~": "changed"}


def always(_: Spot | Wire) -> bool:
    """Let everything that differs have its sign."""
    return True


def apart(made: Union) -> Callable[[Spot | Wire], bool]:
    """Leave the sign away from arrows that come or go with a box, which has one."""

    def signed(thing: Spot | Wire) -> bool:
        ends = [name for name, _ in thing.ends] if isinstance(thing, Wire) else []
        return all(made.boxes.get(end, "~") == "~" for end in ends)

    return signed


def marking(
    made: Union,
    sign_of: Callable[[Spot | Wire], Sign | None],
    *,
    signed: Callable[[Spot | Wire], bool] = always,
) -> Mark:
    """Make the mark of a drawing: a group with its look, its sign, and what changed as its title.

    Args:
        made: what is drawn.
        sign_of: says of a box, a tap or an arrow whether it differs.
        signed: says of those that differ whether the sign is drawn.
    """
    words = {each.name: each.words for each in made.changes.vertices}

    def mark(thing: Spot | Wire, lines: list[str]) -> Iterable[str]:
        sign = sign_of(thing)
        if sign is None:
            return ['<g class="kept">', *lines, "</g>"]
        name = thing.target[0] if isinstance(thing, Wire) else thing[0]
        said = "; ".join(words.get(name, ())) if sign == "~" else ""
        signs = [badge(sign, *_place(lines))] if signed(thing) else []
        title = f"<title>{escaped(f'{LOOKS[sign]}: {said}' if said else LOOKS[sign])}</title>"
        return [f'<g class="{LOOKS[sign]}">', title, *lines, *signs, "</g>"]

    return mark


def badge(sign: Sign, x: float, y: float) -> str:
    """Draw a sign in a small disc."""
    down = {"+": f"M{x:g},{y - 3:g}v6", "-": "", "~": ""}[sign]
    across = f"M{x - 3:g},{y:g}" + ("q1.5,-3 3,0t3,0" if sign == "~" else "h6")
    disc = f'<circle cx="{x:g}" cy="{y:g}" r="{RADIUS}"/>'
    return f'<g class="sign">{disc}<path d="{across}{down}"/></g>'


def _place(lines: Sequence[str]) -> Point:
    """Find the place of a sign: at the corner of a box, at an arrow where it is alone."""
    # an arrow may begin in a small box
    found = _CORNER.search(lines[0]) or _CORNER.search("".join(lines[1:]))
    if found:
        return float(found[1]) + 3, float(found[2]) + 3
    way = re.search(r' d="([^"]*)"', lines[0])
    assert way is not None, "neither a box nor an arrow"
    numbers = re.findall(r"(-?[\d.]+),(-?[\d.]+)", way[1])
    points = [(float(x), float(y)) for x, y in numbers]
    if "C" in way[1]:
        # a line, a curve, a line
        first, second, third, fourth = points[1:5]
        middle = (
            (a + 3 * b + 3 * c + d) / 8
            for a, b, c, d in zip(first, second, third, fourth, strict=True)
        )
        x, y = middle
        return x, y
    (x0, y0), (x1, y1) = points[-2:]
    share = min(BEFORE / max(abs(x1 - x0) + abs(y1 - y0), 1.0), 0.5)
    return x1 + (x0 - x1) * share, y1 + (y0 - y1) * share


def dataflow_signs(made: Union) -> Callable[[Spot | Wire], Sign | None]:
    """Say of what a dataflow drawing shows whether it differs."""
    wires: dict[Wire, Sign] = {_wire(made, arrow): sign for arrow, sign in made.arrows.items()}
    read: dict[Spot, set[Sign | None]] = {}
    for arrow in picture(made.graph)[1]:
        wire = _wire(made, arrow)
        read.setdefault(wire.ends[0], set()).add(wires.get(wire))

    def sign_of(thing: Spot | Wire) -> Sign | None:
        if isinstance(thing, Wire):
            return wires.get(thing)
        sign = made.boxes.get(thing[0])
        if sign in ("+", "-") or not thing[1]:
            return sign
        # a tap is new when all who read it do so newly
        (only, *more) = read.get(thing, {None})
        return None if more else only

    return sign_of


def knowledge_signs(made: Union) -> Callable[[Spot | Wire], Sign | None]:
    """Say of what a picture of who teaches whom shows whether it differs."""
    into: dict[tuple[str, str], list[tuple[str, Sign | None]]] = {}
    for arrow in picture(made.graph)[1]:
        found = into.setdefault((arrow.target, arrow.kind), [])
        found.append((arrow.source, made.arrows.get(arrow)))

    def sign_of(thing: Spot | Wire) -> Sign | None:
        if not isinstance(thing, Wire):
            return made.boxes.get(thing[0])
        name = thing.target[0]
        if thing.kind == "knowledge":
            return made.boxes.get(name)
        arrows = into.get((name, thing.kind), [])
        near: set[Sign | None] = {sign for source, sign in arrows if source == thing.source[0]}
        signs: set[Sign | None] = near or {sign for _, sign in arrows}
        return signs.pop() if len(signs) == 1 else None

    return sign_of


def _wire(made: Union, arrow: Arrow) -> Wire:
    """Write an arrow as a dataflow drawing does."""

    def spot(name: str, tap: str) -> Spot:
        return name, tap if vertex(made.graph, name).kind in ("model", "data") else ""

    if arrow.kind == "gradient":
        return Wire((arrow.source, ""), spot(arrow.target, arrow.text), arrow.kind)
    tap = "" if arrow.kind == "weights" else arrow.text
    return Wire(spot(arrow.source, tap), (arrow.target, ""), arrow.kind)
