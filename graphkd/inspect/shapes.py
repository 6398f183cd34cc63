"""Texts and boxes of SVG drawings."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

from graphkd.inspect.drawing.glyphs import glyphs
from graphkd.inspect.drawing.layout import Rect
from graphkd.inspect.drawing.sizes import GLYPH, PAD, weight_width
from graphkd.inspect.picture import Box
from graphkd.inspect.text import NOTE, TITLE, clip, one_line, text_width


def escaped(text: str) -> str:
    """Write a text so that XML shows it, on one line."""
    return escape(one_line(text))


def text(x: float, y: float, words: str, size: float, room: float, look: str = "") -> str:
    """Write a text, shortened to its room; the whole text shows under the mouse.

    Args:
        x: left end, or right end where the look says so, in pixels.
        y: base line.
        words: what is said.
        size: height of the letters.
        room: width that it may take.
        look: class in the style sheet.
    """
    shown = clip(one_line(words), size, room)
    whole = "" if shown == one_line(words) else f"<title>{escaped(words)}</title>"
    named = f' class="{look}"' if look else ""
    return (
        f'<text x="{number(x)}" y="{number(y)}"{named}>{escaped(shown)}{whole}</text>'
        if shown
        else ""
    )


def number(value: float) -> str:
    """Write a place in the picture as short as a tenth of a pixel needs it."""
    return f"{value:.1f}".removesuffix(".0")


def box(rect: Rect, look: str, corner: int) -> str:
    """Draw a rectangle with round corners."""
    sizes = f'width="{number(rect.width)}" height="{number(rect.height)}" rx="{corner}"'
    return f'<rect class="{look}" x="{number(rect.x)}" y="{number(rect.y)}" {sizes}/>'


def bar(rect: Rect, look: str) -> str:
    """Draw the coloured left edge of a box."""
    sizes = f'width="3" height="{number(rect.height)}"'
    return f'<rect class="{look}" x="{number(rect.x)}" y="{number(rect.y)}" {sizes}/>'


def head(rect: Rect, said: Box) -> list[str]:
    """Write marks and a title at the left, and what is said of it at the right.

    What is said takes at most half the room.
    """
    marks = glyphs(said, rect.x + PAD, rect.y + 10)
    x = rect.x + PAD + GLYPH * len(marks)
    room = rect.right - PAD - x
    taken = min(text_width(said.aside, NOTE) + PAD, room / 2) if said.aside else 0.0
    left = text_width(clip(said.title, TITLE, room - taken), TITLE) + PAD
    return [
        *marks,
        text(x, rect.y + 20, said.title, TITLE, room - taken, "title"),
        text(rect.right - PAD, rect.y + 20, said.aside, NOTE, max(room - left, 0.0), "aside"),
    ]


def small(rect: Rect, look: str, title: str, note: str) -> list[str]:
    """Draw a box with a coloured edge, a title and a note."""
    x, room = rect.x + 10, rect.width - 14
    return [
        box(rect, "box", 6),
        bar(rect, look),
        text(x, rect.y + (15 if note else 22), title, TITLE, room, "title"),
        text(x, rect.y + 29, note, NOTE, room),
    ]


def plate(x: float, y: float, words: str) -> list[str]:
    """Write words on a line, so that the line does not cross them.

    Args:
        x: left end, in pixels.
        y: height of the line.
        words: few.
    """
    rect = Rect(x, y - 7, weight_width(words), 14)
    return [box(rect, "plate", 7), text(x + 5, y + 3.5, words, NOTE, rect.width, "weight")]


def pairs(points: Iterable[tuple[float, float]]) -> list[str]:
    """Write points as paths do."""
    return [f"{number(x)},{number(y)}" for x, y in points]
