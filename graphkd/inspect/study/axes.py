"""What the figures of a fidelity study share: colours, marks, scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphkd.inspect.comparison.data import Spread
from graphkd.inspect.study.data import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart; black for what is no policy
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
PERCENT = 100.0
TICKS = (0, 20, 40, 50, 60, 70, 80, 85, 90, 95, 98, 99, 100)
"""Percent, on a scale that widens towards 100."""
WIDENS = "(the scale widens towards 100)"


def look(number: int) -> dict[str, Any]:
    """Choose colour and mark by number, as matplotlib takes them."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": "none",
    }


def points(axes: Axes, found: Study, across: tuple[str, str], up: tuple[str, str]) -> None:
    """Draw each policy as points of its seeds and as its mean with spread, in percent."""
    for number, name in enumerate(found.policies):
        xs, ys = (
            [PERCENT * each for each in found.values("policy", name, *way)] for way in (across, up)
        )
        shape = look(number)
        if len(xs) > 1:
            axes.plot(xs, ys, **shape, markersize=4.5, alpha=0.35, markeredgewidth=0)
        x, y = (found.spread("policy", name, *way) for way in (across, up))
        assert x is not None and y is not None
        axes.errorbar(
            [PERCENT * x.mean],
            [PERCENT * y.mean],
            xerr=within(x),
            yerr=within(y),
            **shape,
            markersize=8,
            elinewidth=1,
            markeredgecolor="white",
            markeredgewidth=0.8,
            label=name,
        )


def within(own: Spread) -> list[list[float]]:
    """Return the lengths of an error bar, in percent, that does not leave 0 to 100."""
    sd = own.sd or 0.0
    down, up = min(sd, own.mean), min(sd, 1.0 - own.mean)
    return [[PERCENT * down], [PERCENT * up]]


def _narrowed(percent: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(101.0 - percent, 1e-9))


def _widened(place: NDArray[np.float64]) -> NDArray[np.float64]:
    return 101.0 - np.exp(-place)


def widen(axes: Axes) -> None:
    """Give more room to what is near 100 %: the scale is that of log(101 - x)."""
    from matplotlib.ticker import FixedFormatter, FixedLocator

    for axis, scale, limits in (
        (axes.xaxis, axes.set_xscale, axes.get_xlim()),
        (axes.yaxis, axes.set_yscale, axes.get_ylim()),
    ):
        # a little above 100, where marks would be cut in two
        low, high = max(limits[0], 0.0), min(limits[1], PERCENT + 0.3)
        scale("function", functions=(_narrowed, _widened))
        axis.set_major_locator(FixedLocator(TICKS))
        axis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in TICKS]))
        (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(low, high)


def legend_beside(figure: Figure, axes: Axes) -> None:
    """Name the policies beside the axes."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", title="policy")


def say(axes: Axes, x: float, text: str, *, above: bool = False) -> None:
    """Write beside a vertical line what it is, or above it."""
    across = axes.get_xaxis_transform()
    height, side = (1.01, "center") if above else (0.02, "left")
    shown = text if above else f" {text}"
    axes.text(x, height, shown, transform=across, color="#495057", fontsize=9, ha=side)
