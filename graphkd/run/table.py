"""The table that a run ends with: teacher and student side by side, paired over seeds."""

from __future__ import annotations

import statistics
from typing import Any

import attrs
from rich.box import SIMPLE_HEAD
from rich.table import Table

from graphkd.graph import vertex
from graphkd.inspect.explain import short
from graphkd.run.evaluate import Evaluation, guides
from graphkd.run.train import Result

ROWS = (
    ("top-1 %", "top1", 100.0),
    ("top-5 %", "top5", 100.0),
    ("NLL", "nll", 1.0),
    ("ECE", "ece", 1.0),
)
"""Title, key and scale of the measures of a model alone."""


def result_table(result: Result) -> Table:
    """Make the table: one column a model, mean and standard deviation over seeds."""
    runs = list(result.evaluations.values())
    names = list(runs[0].models)
    table = Table(title=_title(result), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in names:
        bold = "bold" if name in result.schedule.deliver else ""
        table.add_column(name, justify="right", header_style=bold, no_wrap=True)
    costs = [vertex(result.schedule.graph, name).cost.parameters for name in names]
    table.add_row("parameters", *(short(cost).strip() for cost in costs))
    for title, key, scale in (*ROWS, *_compared(result, names)):
        table.add_row(title, *(_cell(runs, name, key, scale) for name in names))
    for probe in runs[0].probes:
        values = [run.probes[probe] for run in runs]
        table.add_row(f"probe {probe}", _spread(values, 1.0), *[""] * (len(names) - 1))
    table.caption = "\n".join(_paired(result)) or None
    table.caption_justify = "left"
    return table


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
    mean = f"{statistics.mean(values) * scale:.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values) * scale:.{digits}f}"


def _paired(result: Result) -> list[str]:
    """Compare each delivered model with the same model trained alone, seed by seed."""
    lines = []
    for name in result.schedule.deliver:
        for other in _alone(result, name):
            gains = [
                100 * (run.models[name]["top1"] - run.models[other]["top1"])
                for run in result.evaluations.values()
            ]
            spread = f" (from {min(gains):+.1f} to {max(gains):+.1f})" if len(gains) > 1 else ""
            mean = f"{statistics.mean(gains):+.1f}"
            lines.append(f"{name} - {other}: {mean} points of top-1, seed by seed{spread}")
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
        "seeds": {str(seed): attrs.asdict(each) for seed, each in result.evaluations.items()},
        "paired": _paired(result),
    }
