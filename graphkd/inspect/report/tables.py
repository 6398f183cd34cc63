"""What was measured: models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graphkd.inspect.amount import short
from graphkd.inspect.document import table
from graphkd.inspect.report.files import RunFiles, mapping, number

ROWS = (
    ("top-1 %", "top1", 100.0),
    ("top-5 %", "top5", 100.0),
    ("NLL, nats", "nll", 1.0),
    ("calibration error", "ece", 1.0),
)
COMPARED = (
    ("behind {}, points", "gap", 100.0),
    ("agrees with {} %", "agreement", 100.0),
    ("KL from {}, nats", "predictive_kl", 1.0),
)


def results_html(run: RunFiles) -> str:
    """Write the table of the test, or of the last validation of each model before there is one."""
    models = run.models
    if models:
        title, note = "Results on the test split", ""
    else:
        title, models = "Last validation", last_validation(run)
        note = (
            "<p class='soft'>The run is not finished: the test split is read once, at its end.</p>"
        )
    if not models:
        return f"<h2>Results</h2><p>The run is not finished.</p>{note}"
    models = with_gaps(models)
    rows = [("parameters", *_parameters(run, models)), *_rows(models)]
    kept = [row for row in rows if any(row[1:])]
    probes = mapping(run.results.get("probes"))
    probed = table(("probe", "mean"), [(name, shown(each, 1.0)) for name, each in probes.items()])
    return f"<h2>{title}</h2>{note}{table(('', *models), kept)}{probed if probes else ''}"


def last_validation(run: RunFiles) -> dict[str, dict[str, Any]]:
    """Return the newest measures of each model that was validated."""
    found: dict[str, dict[str, Any]] = {}
    for record in run.training:
        for key, value in record.items():
            kind, _, rest = key.partition("/")
            model, _, measure = rest.partition("/")
            if kind == "validation" and measure and measure != "ema/top1":
                found.setdefault(model, {})[measure] = value
    return found


def with_gaps(models: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add how far each model is behind those that teach it, where that was not written down."""
    found = {name: dict(each) for name, each in models.items()}
    for report in found.values():
        for teacher in taught_by(report):
            mine, other = (number(each.get("top1")) for each in (report, found.get(teacher, {})))
            if mine is not None and other is not None:
                report.setdefault(f"gap/{teacher}", other - mine)
    return found


def taught_by(report: Mapping[str, Any]) -> list[str]:
    """Name the models that a model's measures compare it with."""
    named = (key.partition("/") for key in report)
    return list(
        dict.fromkeys(rest for kind, _, rest in named if rest and kind in ("gap", "agreement"))
    )


def _parameters(run: RunFiles, models: Mapping[str, Any]) -> list[str]:
    counts = mapping(run.prepared.get("parameters"))
    return [short(int(each)) if (each := number(counts.get(name))) else "" for name in models]


def _rows(models: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    teachers = dict.fromkeys(each for report in models.values() for each in taught_by(report))
    wanted = [
        *ROWS,
        *(
            (title.format(teacher), f"{key}/{teacher}", scale)
            for teacher in teachers
            for title, key, scale in COMPARED
        ),
    ]
    for title, key, scale in wanted:
        yield title, *(shown(report.get(key), scale) for report in models.values())


def shown(value: object, scale: float) -> str:
    """Write a measure; what is no finite number as the text that stands for it."""
    found = number(value)
    if found is None:
        return value if isinstance(value, str) else ""
    return f"{found * scale:.2f}" if scale == 100.0 else f"{found * scale:.4f}"
