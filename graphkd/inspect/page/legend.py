"""What the marks of a page mean."""

from __future__ import annotations

from graphkd.inspect.drawing.glyphs import MEANINGS, glyph
from graphkd.inspect.shapes import plate

_LINES = (
    ("knowledge", "flow of knowledge; its gradient stops at the source"),
    ("gradient", "gradient into the learner"),
    ("signal", "input"),
    ("weights", "shared weights"),
)
_FRAMES = (
    ("frozen", "", "frozen"),
    ("trained", "", "trained in some phase"),
    ("delivered", "", "handed back when the run is over"),
    ("other", "", "transform, projector or probe"),
    ("trained", "part learning", "learns in the chosen phase"),
    ("trained", "part resting", "is used in it without learning"),
)
_VALUES = (
    ("gradient", "a value that a graph is recorded for; the dash is where it is freed"),
    ("plain", "a value without gradient"),
)
_PICTURE = '<svg class="graphkd" width="40" height="16">'
_FRAME = 'x="2" y="2" width="36" height="12" rx="4"'


def legend() -> str:
    """Write the legend, for all views."""
    lines = [_row(f'<path class="{kind}" d="M2,8L38,8"/>', meaning, "") for kind, meaning in _LINES]
    frames = [
        _row(f'<rect class="frame lane {look}" {_FRAME}/>', said, more)
        for look, more, said in _FRAMES
    ]
    marks = [_row(glyph(name, 14, 2), said, "") for name, said in MEANINGS.items()]
    marks.append(_row("".join(plate(6, 8, "x n")), "weight of a flow, 1 where none stands", ""))
    values = [
        f'<div><svg width="40" height="16"><g class="lives"><g class="{look}">'
        f'<circle cx="6" cy="8" r="3.5"/><path d="M6,8L34,8M34,4L34,12"/></g></g></svg>'
        f"<span>schedule: {said}</span></div>"
        for look, said in _VALUES
    ]
    return "".join((*lines, *marks, *frames, *values))


def _row(drawn: str, meaning: str, look: str) -> str:
    group = f'<g class="{look}">{drawn}</g>' if look else drawn
    return f"<div>{_PICTURE}{group}</svg><span>{meaning}</span></div>"
