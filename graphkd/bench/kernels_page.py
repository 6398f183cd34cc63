"""What was found about the kernels' speed, as a table, a picture and a page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from rich.table import Table

from graphkd.bench import kernels
from graphkd.bench.kernels_contestants import OURS
from graphkd.bench.kernels_rows import Found, Row

_GPU_HEAD = ("case", "contestant", "device ms", "share", "host ms", "ratio", "goal ms")
_CPU_HEAD = ("case", "contestant", "CPU ms", "ratio")
_LINE, _LABEL, _BAR, _END = 14, 190, 260, 70
_LONGEST = 20.0
PICTURE = "bench-kernels.svg"
"""Name of the picture beside the page."""
_STYLE = (
    "text{font:11px sans-serif;fill:#222}.ours{fill:#d9662b}.other{fill:#5b7fb5}"
    ".paper{fill:#fff}.case{font-weight:bold}"
)


def _lines(found: Found) -> list[tuple[str, ...]]:
    cells = _cpu_cells if found.device is None else _gpu_cells
    return [cells(row) for row in found.rows]


def _gpu_cells(row: Row) -> tuple[str, ...]:
    share = "" if row.share is None else f"{row.share:.0%}"
    ratio = row.note if row.ratio is None else f"{row.ratio:.2f}"
    goal = "" if row.goal_ms is None or row.contestant != OURS else f"{row.goal_ms:g}"
    times = (_number(row.device_ms), share, _number(row.host_ms), ratio, goal)
    return (_case(row), row.contestant, *times)


def _cpu_cells(row: Row) -> tuple[str, ...]:
    ratio = row.note if row.ratio is None else f"{row.ratio:.2f}"
    return (_case(row), row.contestant, _number(row.host_ms), ratio)


def _case(row: Row) -> str:
    return f"{row.case}: {row.operation}, {row.shape}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(found: Found) -> str:
    """Write all rows as a Markdown table."""
    head = _head(found)
    lines = [head, ("---", "---", *["---:"] * (len(head) - 2)), *_lines(found)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def _head(found: Found) -> tuple[str, ...]:
    return _CPU_HEAD if found.device is None else _GPU_HEAD


def rich_table(found: Found) -> Table:
    """Make the table for a terminal."""
    head = _head(found)
    made = Table(box=None, pad_edge=False, caption_justify="left", caption=measured_on(found))
    for number, name in enumerate(head):
        made.add_column(name, justify="left" if number < 2 else "right")
    for line in _lines(found):
        made.add_row(*line)
    return made


def measured_on(found: Found) -> str:
    """Say on what it was measured, in one sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in found.versions.items())
    if found.device is None:
        return f"CPU only: {found.processor}, {versions}."
    assert found.rates is not None
    copy, product = found.rates.copy / 1e12, found.rates.product / 1e12
    rates = f"copies {copy:.2f} TB/s, multiplies {product:.0f} TFLOP/s"
    return f"{found.device} ({rates}), {found.processor}, {versions}."


def page(found: Found, *, date: str) -> str:
    """Write a Markdown page.

    Args:
        found: what was measured.
        date: of the run, as it is to be printed.
    """
    assert kernels.__doc__ is not None
    on_gpu = (
        "Not yet measured. With one: `make gpu`, or `graphkd bench kernels --out DIR`."
        if found.device is None
        else f"{table(found)}\n\n![time over that of graphkd]({PICTURE})"
    )
    parts = [
        "# How fast the kernels are",
        "Written by `graphkd bench kernels --out DIR`. The ratio is a contestant's time over that "
        "of graphkd in the same case: above 1 it is slower.",
        "## On a GPU",
        on_gpu,
    ]
    if found.device is None:
        parts += ["## Without a GPU", table(found)]
    parts += [f"Measured on {date}. {measured_on(found)}", "## How", kernels.__doc__.strip()]
    return "\n\n".join(parts)


def svg(found: Found) -> str:
    """Draw the ratios as bars, cut where one is more than 20 times slower."""
    body, y = [], 8
    timed = [row for row in found.rows if row.ratio is not None]
    for case, rows in groupby(timed, key=_case):
        y += _LINE
        body.append(f'<text class="case" x="8" y="{y}">{escape(case)}</text>')
        for row in rows:
            y += _LINE
            body += _bar(row, y)
        y += 6
    width, height = _LABEL + _BAR + _END, y + 10
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" '
            f'height="{height}" viewBox="0 0 {width} {height}">',
            "<title>Time over that of graphkd</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{width}" height="{height}"/>',
            *body,
            "</svg>",
        )
    )


def _bar(row: Row, y: int) -> Sequence[str]:
    assert row.ratio is not None
    long = max(1.0, min(row.ratio, _LONGEST) / _LONGEST * _BAR)
    look = "ours" if row.contestant == OURS else "other"
    return (
        f'<text x="16" y="{y}">{escape(row.contestant)}</text>',
        f'<rect class="{look}" x="{_LABEL}" y="{y - 9}" width="{long:.1f}" height="9"/>',
        f'<text x="{_LABEL + long + 4:.1f}" y="{y}">{row.ratio:.2f}</text>',
    )
