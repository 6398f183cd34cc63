"""Small marks that say without colour what happens to a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from graphkd.inspect.drawing.sizes import GLYPH
from graphkd.inspect.picture import Box

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "frozen": "frozen",
        "trained": "trained in some phase",
        "fitted": "fitted in one pass",
        "shared": "shares weights",
    }
)
"""What each mark says."""
# in a square of 12 pixels: a snow crystal, a flame, axes with a line, two links of a chain
_PATHS = {
    "frozen": "M6,.5V11.5M1.2,3.2L10.8,8.8M1.2,8.8L10.8,3.2M4.4,1.4L6,2.9L7.6,1.4"
    "M4.4,10.6L6,9.1L7.6,10.6M1,5.3L3.1,4.4L2.7,2.1M11,6.7L8.9,7.6L9.3,9.9"
    "M1,6.7L3.1,7.6L2.7,9.9M11,5.3L8.9,4.4L9.3,2.1",
    "trained": "M6.3,.6C6.6,3 10.2,4.4 10.2,7.6A4.2,4.2 0 0 1 1.8,7.6C1.8,6 2.5,4.9 3.4,4"
    "C3.7,5.1 4.2,5.6 4.9,5.6C5.8,4.4 5.3,2.4 6.3,.6Z",
    "fitted": "M1.5,.8V10.5H11.4M3.6,8.4L9.9,2.6M7.2,2.4L9.9,2.6L9.9,5.2",
    "shared": "M5,3.9L6.9,2A2.2,2.2 0 0 1 10,5.1L8.1,7M7,8.1L5.1,10A2.2,2.2 0 0 1 2,6.9L3.9,5"
    "M4.6,7.4L7.4,4.6",
}


def glyphs(box: Box, x: float, y: float) -> list[str]:
    """Draw the marks of a node behind one another, each `GLYPH` pixels wide.

    Args:
        box: the node.
        x: left side of the first.
        y: upper side.
    """
    return [glyph(name, x + GLYPH * place, y) for place, name in enumerate(_names(box))]


def marked(boxes: Mapping[str, Box]) -> list[str]:
    """Name the marks that some of the boxes have, in the order of `MEANINGS`."""
    found = {name for box in boxes.values() for name in _names(box)}
    return [name for name in MEANINGS if name in found]


def glyph(name: str, x: float, y: float) -> str:
    """Draw a mark of `MEANINGS`."""
    return (
        f'<path class="glyph {name}" transform="translate({x:g},{y:g})" d="{_PATHS[name]}">'
        f"<title>{MEANINGS[name]}</title></path>"
    )


def _names(box: Box) -> Iterator[str]:
    if box.state:
        yield box.state
    if box.shared:
        yield "shared"
