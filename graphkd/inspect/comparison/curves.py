"""How the runs of a comparison came to what they ended with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from graphkd.inspect.comparison.data import Comparison, Entry
from graphkd.inspect.report.curves import Chart, Curve, charts, charts_data
from graphkd.inspect.report.files import read_run


def validation_chart(found: Comparison, folder: Path) -> list[dict[str, Any]]:
    """Return the validation accuracy of all students over their steps, for the script of a page.

    Args:
        found: the comparison.
        folder: where it lies; its runs are found from there.

    Returns:
        One chart, a colour for each blueprint; none where no run can be read.
    """
    curves = [curve for entry in found.entries for curve in _curves(entry, folder)]
    return charts_data([Chart("top1", tuple(curves))]) if curves else []


def _curves(entry: Entry, folder: Path) -> Iterator[Curve]:
    for seed, report in entry.reports.items():
        for chart in charts(read_run((folder / report).parent)):
            for curve in chart.curves:
                if chart.key == "top1" and curve.name == entry.student:
                    name = f"{entry.name}, seed {seed}"
                    yield attrs.evolve(curve, name=name, family=entry.name)
