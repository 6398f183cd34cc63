"""A place in a drawing."""

from __future__ import annotations

import attrs


@attrs.frozen
class Rect:
    """A rectangle.

    Attributes:
        x: left side, in pixels.
        y: upper side.
        width: in pixels.
        height: in pixels.
    """

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Lower side."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Height of the middle."""
        return self.y + self.height / 2
