"""A comparison as a picture: a dot for each seed, the mean and its interval, a line at zero."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import attrs

from graphkd.inspect.comparison.data import CONFIDENCE, Comparison, Entry
from graphkd.inspect.comparison.table import ONE_SEED, interval, score
from graphkd.inspect.look import style_sheet
from graphkd.inspect.text import NOTE, TITLE, clip, one_line

LEFT, RIGHT, WIDTH = 190, 590, 780
"""Where the axis begins and ends, and where the picture does, in pixels."""
TOP, RADIUS, RISE, GAP = 84, 4.5, 10.0, 30
"""Where rows begin, size of a dot, from a dot to the one above, from a row to the next."""

_MARGIN = 20
_FORMS = (
    ".graphkd .dot{fill-opacity:.85}.graphkd path.interval{stroke-width:2.5}"
    ".graphkd path.grid{stroke-width:1;stroke-opacity:.25}.graphkd .middle{text-anchor:middle}"
    ".graphkd path.grid,.graphkd path.zero{stroke:#868e96}"
)
_COLOURS = (
    ".graphkd .dot{{fill:{dot}}}.graphkd .mean{{fill:{mean}}}"
    ".graphkd path.interval{{stroke:{mean}}}"
)
_LIGHT = _COLOURS.format(dot="#4263eb", mean="#d9480f")
_DARK = _COLOURS.format(dot="#748ffc", mean="#ff922b")
_STYLE = f"{_FORMS}{_LIGHT}@media (prefers-color-scheme:dark){{{_DARK}}}"
THEMED = _FORMS + _COLOURS.format(dot="var(--blue)", mean="var(--orange)")
"""The style sheet of the picture for a page whose reader chooses light or dark."""


@attrs.frozen
class Axis:
    """Differences from left to right.

    Attributes:
        low: what stands at the left end, as shown.
        high: what stands at the right end.
        ticks: what is written below.
        digits: with so many digits behind the point.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int

    def place(self, value: float) -> float:
        """Say how far to the right a difference stands, in pixels."""
        return LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low)


def axis_for(values: Sequence[float]) -> Axis:
    """Make an axis that holds zero and all values, with round ticks, its ends among them."""
    finite = [0.0, *filter(math.isfinite, values)]
    low, high = min(finite), max(finite)
    # the least of 1, 2 and 5 times a power of ten that leaves at most seven steps
    rough = (high - low) / 6 or 1.0
    power = math.floor(math.log10(rough))
    factors = (1, 2, 5, 10)
    step = next(each * 10.0**power for each in factors if each * 10.0**power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = -1, 1
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(number * step for number in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks, digits)


def stack(places: Sequence[float]) -> list[int]:
    """Raise dots that would lie on others.

    Args:
        places: how far to the right each dot stands, in pixels.

    Returns:
        For each dot how many lie below it.
    """
    levels = [0] * len(places)
    ends: list[float] = []
    for number in sorted(range(len(places)), key=lambda each: places[each]):
        left = places[number] - RADIUS
        level = next((index for index, end in enumerate(ends) if end <= left), len(ends))
        ends[level:] = [places[number] + RADIUS, *ends[level + 1 :]]
        levels[number] = level
    return levels


def comparison_svg(found: Comparison, *, themed: bool = False) -> str:
    """Draw the paired differences of a comparison.

    Args:
        found: the comparison.
        themed: leave the colours to the page around it, which has `THEMED`; else they stand in the
            picture, and follow the reader's light or dark scheme.

    Returns:
        One `svg` element; the same text for the same comparison.
    """
    axis = _axis(found)
    body: list[str] = []
    y = float(TOP)
    for entry in found.others():
        lines, y = _row(found, entry, axis, y)
        body += lines
    height = round(y) + 70
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
            f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
            f"<title>{escape(one_line(_title(found)))}</title>",
            *([] if themed else [f"<style>{style_sheet()}{_STYLE}</style>"]),
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *_header(found),
            *_grid(axis, y),
            *body,
            *_legend(found, height - 18),
            "</svg>",
        ]
    )


def _title(found: Comparison) -> str:
    unit = f", in {found.metric.unit}" if found.metric.unit else ""
    measure = found.metric.title.removesuffix(" %").removesuffix(", nats")
    return f"{measure} minus that of {found.baseline}{unit}"


def _header(found: Comparison) -> list[str]:
    seeds = f"{len(found.seeds)} seeds" if len(found.seeds) > 1 else ONE_SEED
    differ = "; data or budget differ" if found.unequal else ""
    note = (
        f"{found.baseline}: {score(found, found.base())}; {found.images} test images of "
        f"{found.dataset}, {seeds}; {found.metric.better} is better{differ}"
    )
    room = WIDTH - 2 * _MARGIN
    return [
        _text(_MARGIN, 32, _title(found), 17, "name", room),
        _text(_MARGIN, 52, note, NOTE, "", room),
    ]


def _axis(found: Comparison) -> Axis:
    values: list[float] = []
    for entry in found.others():
        paired = found.paired(entry)
        ends = [each for each in (paired.spread.low, paired.spread.high) if each is not None]
        values += [*paired.differences.values(), *ends]
    return axis_for([found.metric.scale * each for each in values])


def _text(x: float, y: float, text: str, size: float, look: str, room: float) -> str:
    """Write a text, shortened to its room; the whole text shows under the mouse."""
    line = one_line(text)
    short = clip(line, size, room)
    whole = "" if short == line else f"<title>{escape(line)}</title>"
    named = f' class="{look}"' if look else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(short)}{whole}</text>'


def _row(found: Comparison, entry: Entry, axis: Axis, top: float) -> tuple[list[str], float]:
    """Draw a blueprint below `top`; return also where it ends."""
    paired = found.paired(entry)
    shown = {
        seed: found.metric.scale * each
        for seed, each in paired.differences.items()
        if math.isfinite(each)
    }
    places = [axis.place(each) for each in shown.values()]
    levels = stack(places)
    y = top + 2 * RADIUS + RISE * max(levels, default=0)
    mean = found.metric.text(paired.spread.mean, signed=True)
    own = interval(found, paired.spread) or ONE_SEED
    lines = [
        _text(_MARGIN, y + 8, entry.name, TITLE, "title", LEFT - 2 * _MARGIN),
        _text(WIDTH - _MARGIN, y + 2, mean, TITLE, "title aside", WIDTH - RIGHT - 2 * _MARGIN),
        _text(WIDTH - _MARGIN, y + 17, own, NOTE, "aside", WIDTH - RIGHT - _MARGIN),
    ]
    for seed, place, level in zip(shown, places, levels, strict=True):
        said = f"seed {seed}: {found.metric.text(paired.differences[seed], signed=True)}"
        lines.append(
            f'<circle class="dot" cx="{place:.1f}" cy="{y - RISE * level:.1f}" '
            f'r="{RADIUS}"><title>{said}</title></circle>'
        )
    return [*lines, *_mean(found, entry, axis, y + 15)], y + GAP + 15


def _mean(found: Comparison, entry: Entry, axis: Axis, y: float) -> Iterator[str]:
    """Draw the mean as a diamond on the bar of its interval; of one seed the dot says all."""
    paired, scale = found.paired(entry).spread, found.metric.scale
    if paired.low is None or paired.high is None or not math.isfinite(paired.mean):
        return
    yield _bar(axis.place(paired.low * scale), axis.place(paired.high * scale), y)
    yield _diamond(axis.place(paired.mean * scale), y)


def _bar(low: float, high: float, y: float) -> str:
    ends = f"M{low:.1f},{y - 5:.1f}v10M{high:.1f},{y - 5:.1f}v10"
    return f'<path class="interval" d="M{low:.1f},{y:.1f}H{high:.1f}{ends}"/>'


def _diamond(x: float, y: float) -> str:
    corners = ((x - 6, y), (x, y - 6), (x + 6, y), (x, y + 6))
    points = " ".join(f"{one:.1f},{other:.1f}" for one, other in corners)
    return f'<polygon class="mean" points="{points}"/>'


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    for tick in axis.ticks:
        x = axis.place(tick)
        zero = abs(tick) < (axis.high - axis.low) * 1e-9
        look = "zero" if zero else "grid"
        yield f'<path class="{look}" d="M{x:.1f},{TOP - 12}V{bottom:.1f}"/>'
        said = "0" if zero else f"{tick:+.{axis.digits}f}"
        yield _text(round(x, 1), round(bottom + 16, 1), said, NOTE, "middle", 80)


def _legend(found: Comparison, y: float) -> Iterator[str]:
    x = float(LEFT)
    yield f'<circle class="dot" cx="{x:.1f}" cy="{y - 4:.1f}" r="{RADIUS}"/>'
    yield _text(x + 12, y, "a seed", NOTE, "", 80)
    if len(found.seeds) > 1:
        yield _bar(x + 80, x + 110, y - 4)
        yield _diamond(x + 95, y - 4)
        yield _text(x + 120, y, f"mean and its {CONFIDENCE:.0%} interval", NOTE, "", 240)
