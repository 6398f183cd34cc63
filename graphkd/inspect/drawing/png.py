"""An SVG drawing as PNG, for what shows no SVG."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from graphkd.errors import mistake

SCALE = 2
"""Pixels of the picture for one of the drawing."""
# the renderer knows no system-ui, and no weight between 600 and 700
_FONTS = (
    '.graphkd text{font-family:Inter,"Liberation Sans",Arial,Helvetica,"DejaVu Sans","Noto Sans",'
    '"Segoe UI",sans-serif}.graphkd .title,.graphkd .name{font-weight:700}'
)
_EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" width="20" height="20">{}</svg>'
_WORD = f'<style>{_FONTS}</style><text y="15">a</text>'


def png(drawing: str) -> bytes:
    """Turn a drawing of ours into PNG: light colours on white paper, twice its size.

    Args:
        drawing: an `svg` element with a style sheet.

    Raises:
        BlueprintError: the renderer is not installed, or the machine has no font for it.
    """
    check_png()
    return _rendered()(drawing.replace("</style>", f"{_FONTS}</style>", 1))


def check_png() -> None:
    """Refuse early what `png` would refuse.

    Raises:
        BlueprintError: the renderer is not installed, or the machine has no font for it.
    """
    render = _rendered()
    # without a font the renderer leaves texts out, and says nothing
    if render(_EMPTY.format(_WORD)) == render(_EMPTY.format("")):
        raise mistake(
            "a png picture needs a font, and this machine has none that is known; "
            "on Debian: apt-get install fonts-dejavu-core"
        )


def _rendered() -> Callable[[str], bytes]:
    try:
        resvg = importlib.import_module("resvg_py")
    except ImportError as error:
        raise mistake(
            "a png picture needs the package resvg-py; get it with: pip install 'graphkd[pictures]'"
        ) from error
    return lambda drawing: bytes(
        resvg.svg_to_bytes(svg_string=drawing, zoom=SCALE, background="white")
    )
