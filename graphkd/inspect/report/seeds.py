"""The page of a run with several seeds: their results with mean and spread, and their curves."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from graphkd.inspect.document import said
from graphkd.inspect.report.curves import Chart, Curve, bands, charts, charts_data
from graphkd.inspect.report.files import RunFiles, number, read_run
from graphkd.inspect.report.frame import EVERY, report_document
from graphkd.inspect.report.resumed import short_words
from graphkd.inspect.report.state import state_of
from graphkd.inspect.report.tables import (
    COMPARED,
    ROWS,
    last_validation,
    shown,
    taught_by,
    with_gaps,
)

SHARED = ("top1", "gap", "agreement")
"""Charts that show all seeds."""


def seeds_in(folder: Path) -> list[Path]:
    """Return the folders of the seeds of a run, in order; none for a run with a single one."""
    if not (folder / "blueprint.yaml").exists():
        return []
    found = {
        int(match[1]): each
        for each in folder.glob("seed-*")
        if (match := re.fullmatch(r"seed-(\d{1,18})", each.name)) and each.is_dir()
    }
    return [found[seed] for seed in sorted(found)]


def seeds_left(folder: Path) -> list[int]:
    """Name the seeds of a run that have no results yet."""
    wanted = read_run(folder).prepared.get("seeds")
    seeds = wanted if isinstance(wanted, list) else []
    done = {each.name for each in seeds_in(folder) if (each / "results.json").exists()}
    return [seed for seed in seeds if f"seed-{seed}" not in done]


def seeds_html(folder: Path, *, running: bool) -> str:
    """Write the page of a run with several seeds."""
    runs = {each.name.removeprefix("seed-"): read_run(each) for each in seeds_in(folder)}
    first = next(iter(runs.values()))
    about = str(first.prepared.get("about", ""))
    drawn = _charts(runs)
    body = (
        f"<p>{said(about)}</p>",
        f"<h2>Seeds</h2>{_table(runs, running=running)}",
        "<p class='soft'>± is the standard deviation over the seeds that are finished. A seed that "
        "is not shows its last validation.</p>",
        '<h2>Curves</h2><div id="charts" class="charts"></div>' if drawn else "",
    )
    facts = {
        "running": running,
        "every": EVERY,
        "written": round(time.time()),
        "charts": charts_data(drawn),
        "bands": [attrs.asdict(each) for each in bands(first.training)],
    }
    title = folder.resolve().name
    return report_document(title, "".join(body), facts=facts, running=running, more="plain.js")


def _charts(runs: Mapping[str, RunFiles]) -> list[Chart]:
    found: dict[str, list[Curve]] = {}
    for seed, run in runs.items():
        for each in charts(run):
            if each.key in SHARED:
                found.setdefault(each.key, []).extend(
                    attrs.evolve(
                        one, name=f"{one.name}, seed {seed}", family=f"{one.family} {seed}"
                    )
                    for one in each.curves
                )
    return [Chart(key, tuple(curves)) for key, curves in found.items()]


def _table(runs: Mapping[str, RunFiles], *, running: bool) -> str:
    found = {seed: with_gaps(run.models or last_validation(run)) for seed, run in runs.items()}
    finished = [seed for seed, run in runs.items() if run.models]
    links = "".join(
        f'<th><a href="seed-{seed}/report.html">seed {seed}</a><br>'
        f"{_state(run, running=running)}</th>"
        for seed, run in runs.items()
    )
    rows = "".join(
        f"<tr><td>{said(title)}</td>"
        + "".join(f"<td>{_shown(reports.get(seed), scale)}</td>" for seed in runs)
        + f"<td><b>{_spread([reports.get(seed) for seed in finished], scale)}</b></td></tr>"
        for title, scale, reports in _rows(found)
    )
    head = f"<tr><th></th>{links}<th>mean ± sd</th></tr>"
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _state(run: RunFiles, *, running: bool) -> str:
    state = state_of(run, running=running and not run.models)
    share = f" {100 * state.share:.0f} %" if state.word == "running" and state.share else ""
    words = short_words(run)
    return f"{state.word}{share}" + (f'<br><span class="soft">{words}</span>' if words else "")


def _rows(
    found: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Go through the measures: title, scale, and what each seed has."""
    models = dict.fromkeys(name for reports in found.values() for name in reports)
    for name in models:
        own = {seed: reports.get(name, {}) for seed, reports in found.items()}
        teachers = dict.fromkeys(each for report in own.values() for each in taught_by(report))
        beside = (
            (title.format(teacher), f"{key}/{teacher}", scale)
            for teacher in teachers
            for title, key, scale in COMPARED
        )
        for title, key, scale in (*ROWS, *beside):
            values = {seed: report.get(key) for seed, report in own.items()}
            if any(value is not None for value in values.values()):
                yield f"{name}: {title}", scale, values


def _shown(value: object, scale: float) -> str:
    return said(shown(value, scale))


def _spread(values: Sequence[object], scale: float) -> str:
    numbers = [each for value in values if (each := number(value)) is not None]
    if not numbers or len(numbers) < len(values):
        return ""
    mean = shown(statistics.fmean(numbers), scale)
    if len(numbers) == 1:
        return mean
    return f"{mean} ± {shown(statistics.stdev(numbers), scale)}"
