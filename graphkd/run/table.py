"""The table that a run ends with: teacher and student side by side, paired over seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from graphkd.graph import vertex
from graphkd.inspect.amount import short
from graphkd.run.evaluate import Evaluation, guides
from graphkd.run.record import plain
from graphkd.run.train import Result

ROWS = (
    ("top-1 %", "top1", 100.0),
    ("top-5 %", "top5", 100.0),
    ("NLL", "nll", 1.0),
    ("ECE", "ece", 1.0),
)
"""Title, key and scale of the measures of a model alone."""


def result_table(result: Result) -> Group:
    """Make what a run ends with: a column for each model, then probes and comparisons.

    Numbers are those of the seed, or mean and standard deviation over several.
    """
    runs = list(result.evaluations.values())
    names = list(runs[0].models)
    table = Table(title=Text(_title(result)), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for name in names:
        bold = "bold" if name in result.schedule.deliver else ""
        table.add_column(name, justify="right", header_style=bold)
    costs = [vertex(result.schedule.graph, name).cost.parameters for name in names]
    table.add_row("parameters", *map(short, costs))
    for title, key, scale in (*ROWS, *_compared(result, names)):
        table.add_row(title, *(_cell(runs, name, key, scale) for name in names))
    probes = [
        f"probe {probe}: {_spread([run.probes[probe] for run in runs], 1.0)}"
        for probe in runs[0].probes
    ]
    return Group(table, *map(Text, [*probes, *_paired(result)]))


def _compared(result: Result, names: list[str]) -> list[tuple[str, str, float]]:
    """Return the rows that compare models with those that teach them."""
    known = guides(result.schedule)
    teachers = dict.fromkeys(
        guide for name in names for guide in known.get(name, ()) if guide in names
    )
    return [
        row
        for guide in teachers
        for row in (
            (f"agrees with {guide} %", f"agreement/{guide}", 100.0),
            (f"KL from {guide}", f"predictive_kl/{guide}", 1.0),
        )
    ]


def _title(result: Result) -> str:
    seeds = list(result.evaluations)
    count = f", mean ± sd over seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else ""
    return f"{result.schedule.blueprint.blueprint}: {result.split} split{count}"


def _cell(runs: list[Evaluation], name: str, key: str, scale: float) -> str:
    return _spread([run.models[name][key] for run in runs if key in run.models[name]], scale)


def _spread(values: list[float], scale: float) -> str:
    if not values:
        return ""
    digits = 1 if scale == 100.0 else 3
    mean = f"{np.mean(values) * scale:.{digits}f}"
    if len(values) == 1:
        return mean
    # numpy, since a seed may have diverged: Python's own fails on NaN
    with np.errstate(invalid="ignore"):
        return f"{mean} ± {np.std(values, ddof=1) * scale:.{digits}f}"


def _paired(result: Result) -> list[str]:
    """Compare each delivered model with the same model trained alone, seed by seed."""
    lines = []
    for name in result.schedule.deliver:
        for other in _alone(result, name):
            gains = [
                100 * (run.models[name]["top1"] - run.models[other]["top1"])
                for run in result.evaluations.values()
            ]
            line = f"{name} - {other}: {np.mean(gains):+.1f} points of top-1"
            if len(gains) > 1:
                line += f", seed by seed from {min(gains):+.1f} to {max(gains):+.1f}"
            lines.append(line)
    return lines


def _alone(result: Result, name: str) -> list[str]:
    """Name the models that equal a model, but that no other model teaches."""
    graph = result.schedule.graph
    taught = guides(result.schedule)
    component = vertex(graph, name).component
    models = next(iter(result.evaluations.values())).models
    equal = [other for other in models if vertex(graph, other).component == component]
    return [other for other in equal if other != name and not taught.get(other)]


def result_data(result: Result) -> dict[str, Any]:
    """Return the same as plain data, for scripts."""
    return {
        "split": result.split,
        "seeds": {str(seed): plain(each.data()) for seed, each in result.evaluations.items()},
        "paired": _paired(result),
    }
