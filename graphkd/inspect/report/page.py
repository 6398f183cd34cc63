"""A run folder as one page: the drawn graph, curves, results, the blueprint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import attrs

WIDTH, HEIGHT, MARGIN = 460, 190, 36
COLOURS = ("#4263eb", "#e8590c", "#2b8a3e", "#9c36b5", "#0b7285", "#c92a2a", "#5f3dc4", "#862e9c")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1320px; }}
body {{ margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 1rem 0; overflow-x: auto; }}
.curves {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .9rem; text-align: right; }}
td:first-child, th:first-child {{ text-align: left; }} th {{ border-bottom: 1px solid #868e96; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid #868e9666; border-radius: 8px; }}
.curves text {{ font: 11px system-ui, sans-serif; }}
.axis {{ stroke: #868e96; }} .note {{ fill: #868e96; }}
</style></head><body>
<h1>{title}</h1><p>{about}</p>
<figure>{graph}</figure>
<h2>Results on the test split</h2>{results}
<h2>Curves</h2><div class="curves">{curves}</div>
<h2>Blueprint</h2><pre>{blueprint}</pre>
<h2>Versions</h2><pre>{versions}</pre>
</body></html>
"""


@attrs.frozen
class Curve:
    """One line of a chart.

    Attributes:
        name: its name.
        points: optimizer step and value.
    """

    name: str
    points: tuple[tuple[int, float], ...]


def write_report(folder: Path, *, running: bool = False) -> Path:
    """Write `report.html` from what lies in a run folder; it opens without a network.

    Args:
        folder: of one run (not the folder of several seeds).

    Returns:
        The page.
    """
    records = _records(folder / "metrics.jsonl")
    home = folder if (folder / "blueprint.yaml").exists() else folder.parent
    blueprint = _text(home / "blueprint.yaml")
    page = _PAGE.format(
        title=escape(folder.resolve().name),
        about=escape(_about(blueprint)),
        graph=_text(home / "graph.svg"),
        results=_results(_json(folder / "results.json")),
        curves="".join(chart(title, curves) for title, curves in charts(records)),
        blueprint=escape(blueprint),
        versions=escape(json.dumps(_json(home / "run.json").get("versions", {}), indent=2)),
    )
    path = folder / "report.html"
    draft = path.with_suffix(".tmp")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def charts(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Curve]]]:
    """Sort the numbers of a run's records into charts.

    Returns:
        Title and curves: losses, learning rate, validation accuracy, agreement, divergence.
    """
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for record in records:
        for key, value in record.items():
            title, name = _chart_of(key)
            if title and isinstance(value, float):
                curve = found.setdefault(title, {}).setdefault(name, [])
                curve.append((record["step"], value))
    return [
        (title, [Curve(name, tuple(points)) for name, points in curves.items()])
        for title, curves in found.items()
    ]


def _chart_of(key: str) -> tuple[str, str]:
    parts = key.split("/")
    if parts[0] == "loss":
        return "loss", "/".join(parts[1:])
    if parts[0] == "lr":
        return "learning rate", "/".join(parts[1:]) or "lr"
    if parts[0] == "validation" and len(parts) > 2:
        titles = {
            "top1": "validation accuracy",
            "ema": "validation accuracy",
            "agreement": "agreement with the teacher",
            "predictive_kl": "KL from the teacher, nats",
        }
        rest = ["average"] if parts[2] == "ema" else parts[3:]
        return titles.get(parts[2], ""), " ".join([parts[1], *rest])
    return "", ""


def chart(title: str, curves: Sequence[Curve]) -> str:
    """Draw curves over optimizer steps as SVG."""
    points = [point for curve in curves for point in curve.points]
    last = max((step for step, _ in points), default=1) or 1
    low = min((value for _, value in points), default=0.0)
    high = max((value for _, value in points), default=1.0)
    span = (high - low) or 1.0

    def place(step: int, value: float) -> str:
        x = MARGIN + (WIDTH - MARGIN) * step / last
        y = HEIGHT - 20 - (HEIGHT - 50) * (value - low) / span
        return f"{x:.1f},{y:.1f}"

    height = HEIGHT + 15 * len(curves)
    parts = [
        f'<svg width="{WIDTH + 10}" height="{height}" role="img"><title>{escape(title)}</title>',
        f'<text x="0" y="14" fill="currentColor" font-weight="bold">{escape(title)}</text>',
        f'<path class="axis" fill="none" d="M{MARGIN},24V{HEIGHT - 20}H{WIDTH}"/>',
        f'<text class="note" x="0" y="34">{high:.3g}</text>',
        f'<text class="note" x="0" y="{HEIGHT - 22}">{low:.3g}</text>',
        f'<text class="note" x="{WIDTH - 60}" y="{HEIGHT - 6}">step {last}</text>',
    ]
    for index, curve in enumerate(curves):
        colour = COLOURS[index % len(COLOURS)]
        line = " ".join(place(*point) for point in curve.points)
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{line}"/>'
        )
        y = HEIGHT + 8 + 15 * index
        parts.append(f'<text x="{MARGIN}" y="{y}" fill="{colour}">{escape(curve.name)}</text>')
    return "".join([*parts, "</svg>"])


def _results(found: Mapping[str, Any]) -> str:
    models: Mapping[str, Mapping[str, float | str]] = found.get("models", {})
    if not models:
        return "<p>The run is not finished.</p>"
    keys = list(dict.fromkeys(key for report in models.values() for key in report))
    head = "".join(f"<th>{escape(name)}</th>" for name in models)
    rows = [
        f"<tr><td>{escape(key)}</td>"
        + "".join(
            f"<td>{_number(report[key])}</td>" if key in report else "<td></td>"
            for report in models.values()
        )
        + "</tr>"
        for key in keys
    ]
    return f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _number(value: float | str) -> str:
    """Write a number; one that is not finite is kept as a text."""
    return escape(value) if isinstance(value, str) else f"{value:.4f}"


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _text(path).splitlines()]


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(path) or "{}")
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _about(blueprint: str) -> str:
    from graphkd.blueprint.read import read_text

    return str(read_text(blueprint, "blueprint.yaml").value.get("about", "")) if blueprint else ""
