"""Texts in pictures: what may stand in them, and how wide they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

TITLE, NOTE = 12.5, 10.5
"""Heights of the two kinds of text in a box, in pixels; titles are bold."""


def one_line(text: str) -> str:
    """Write a name so that every format can hold it: no line breaks, no control characters."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+", " ", text)


def text_width(text: str, size: float) -> float:
    """Estimate the width of a text in a wide sans-serif font, in pixels; titles are bold."""
    return size * sum(map(_em, text)) * (1 if size < TITLE else 1.1)


def _em(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF" or letter in "mwMW@%—→":
        return 1.0
    if letter in "iljtfr.,:;|!'()[]- ":
        return 0.4
    return 0.74 if letter.isupper() else 0.63


def packed(words: Iterable[str], size: float, width: float) -> list[str]:
    """Write several notes behind one another, in as many lines as their room needs.

    Args:
        words: the notes; one that is wider than its room has a line for itself.
        size: height of the letters.
        width: of a line.
    """
    lines: list[str] = []
    for each in filter(None, words):
        joined = f"{lines[-1]} · {each}" if lines else each
        if lines and text_width(joined, size) <= width:
            lines[-1] = joined
        else:
            lines.append(each)
    return lines


def clip(text: str, size: float, width: float) -> str:
    """Shorten a text until it fits into a width."""
    # what is as wide as its room, but for rounding, fits
    if not text or text_width(text, size) <= width + 0.5:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"
