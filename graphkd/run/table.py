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

PERCENT = ("top1", "top5", "agreement")


def result_table(result: Result) -> Table:
    """Make the table: one row a model, mean and standard deviation over seeds."""
    runs = list(result.evaluations.values())
    of_teacher = guides(result.schedule)
    names = list(runs[0].models)
    table = Table(title=_title(result), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for column in ("weights", "top-1 %", "top-5 %", "NLL", "ECE", "agrees %", "KL"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("with", no_wrap=True)
    handed = result.schedule.deliver
    for name in names:
        known = [each for each in of_teacher.get(name, ()) if each in names]
        guide = known[0] if known else ""
        cost = vertex(result.schedule.graph, name).cost.parameters
        keys = ("top1", "top5", "nll", "ece", f"agreement/{guide}", f"predictive_kl/{guide}")
        cells = [_cell(runs, name, key) for key in keys]
        title = f"[bold]{name}[/bold]" if name in handed else name
        table.add_row(title, short(cost).strip(), *cells, guide)
    for line in _paired(result):
        table.caption = f"{table.caption}\n{line}" if table.caption else line
    table.caption_justify = "left"
    return table


def _title(result: Result) -> str:
    seeds = list(result.evaluations)
    count = f", mean ± sd over seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else ""
    return f"{result.schedule.blueprint.blueprint}: test split{count}"


def _cell(runs: list[Evaluation], name: str, key: str) -> str:
    values = [run.models[name][key] for run in runs if key in run.models[name]]
    if not values:
        return ""
    percent = key.split("/")[0] in PERCENT
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    mean = f"{statistics.mean(values) * scale:.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values) * scale:.{digits}f}"


def _paired(result: Result) -> list[str]:
    """Compare each delivered model with the untaught ones of equal size, seed by seed."""
    runs = list(result.evaluations.values())
    of_teacher = guides(result.schedule)
    graph = result.schedule.graph
    lines = []
    for name in result.schedule.deliver:
        for other in runs[0].models:
            same = getattr(vertex(graph, other).component, "model", None) == getattr(
                vertex(graph, name).component, "model", None
            )
            size = vertex(graph, other).cost.parameters == vertex(graph, name).cost.parameters
            if other != name and same and size and not of_teacher.get(other):
                gains = [
                    100 * (run.models[name]["top1"] - run.models[other]["top1"]) for run in runs
                ]
                spread = f" (from {min(gains):+.1f} to {max(gains):+.1f})" if len(gains) > 1 else ""
                gain = f"{statistics.mean(gains):+.1f}"
                lines.append(f"{name} - {other}: {gain} points of top-1{spread}")
    return lines


def result_data(result: Result) -> dict[str, Any]:
    """Return the same as plain data, for scripts."""
    return {
        "seeds": {str(seed): attrs.asdict(each) for seed, each in result.evaluations.items()},
        "paired": _paired(result),
    }
