"""The figures of a fidelity study, drawn with matplotlib as SVG and PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from graphkd.errors import mistake
from graphkd.inspect.study.data import Study
from graphkd.inspect.study.figures import (
    agreement_accuracy,
    control,
    kl_ece,
    start_near,
    train_test,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 150
"""Pixels an inch of the PNG files."""

_STYLE: Any = {
    "font.size": 10,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dee2e6",
    "grid.linewidth": 0.8,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "svg.fonttype": "none",
    "errorbar.capsize": 3,
    "legend.frameon": False,
}


def require_plots() -> None:
    """Make sure that figures can be drawn.

    Raises:
        BlueprintError: matplotlib is absent.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise mistake(
            "the study draws its figures with matplotlib, which is not installed; "
            "run: pip install 'graphkd[plots]'"
        ) from error


@attrs.frozen
class Picture:
    """A drawn figure.

    Attributes:
        name: of its file.
        about: what it shows, for people, a sentence or two.
        svg: one element, to stand in a page.
        png: bytes of a file.
    """

    name: str
    about: str
    svg: str
    png: bytes


def pictures(found: Study) -> list[Picture]:
    """Draw all figures that the study has numbers for."""
    return [_picture(found, name, about, draw) for name, about, draw in _wanted(found)]


Draw = Callable[["Figure", Study], None]


def _wanted(found: Study) -> Iterator[tuple[str, str, Draw]]:
    yield (
        "agreement_accuracy",
        "Fidelity beside accuracy. Faint marks are single seeds, full ones means with ± sd; the "
        "dashed line is the teacher's own accuracy.",
        agreement_accuracy,
    )
    yield (
        "train_test_agreement",
        "Agreement on the images the student was shown, as they were augmented, beside agreement "
        "on the test split. Below the dotted line the student follows its teacher less on new "
        "images than on those it learnt from.",
        train_test,
    )
    yield (
        "kl_ece",
        "How far the student's probabilities are from the teacher's, and how well they are "
        "calibrated, on the test split; mean ± sd over seeds. The dashed line is the teacher.",
        kl_ece,
    )
    yield (
        "control",
        "What of the agreement is fidelity: s is the student of t, s' that of t', which is t with "
        "other initial weights. Grey lines join the same seed; the bar is the mean excess ± sd.",
        control,
    )
    if found.shares:
        yield (
            "start_near",
            "Students that start at share x of the teacher's weights and 1 - x of random ones; "
            "mean ± sd over seeds.",
            start_near,
        )


@contextmanager
def _drawing(salt: str) -> Iterator[None]:
    import matplotlib

    # equal numbers give equal files, and two figures of a page no equal names
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": salt}):
        yield


def _picture(found: Study, name: str, about: str, draw: Draw) -> Picture:
    from matplotlib.figure import Figure

    with _drawing(name):
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        draw(figure, found)
        svg, png = io.StringIO(), io.BytesIO()
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
        figure.savefig(png, format="png", dpi=PIXELS, metadata={"Software": None})
    return Picture(name, about, _element(svg.getvalue()), png.getvalue())


def _element(text: str) -> str:
    """Take the head off an SVG file, and the names that nothing refers to."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return re.sub(r'<g id="[\w.]+">', "<g>", body)
