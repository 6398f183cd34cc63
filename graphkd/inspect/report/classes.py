"""How well each class is recognised by each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphkd.inspect.document import said
from graphkd.inspect.report.files import RunFiles, mapping, number
from graphkd.inspect.report.tables import last_validation, taught_by

SHORT = 50
"""More classes than these are not all shown at first."""


def classes_html(run: RunFiles) -> str:
    """Write how well each class is recognised by each model, and where the student is behind."""
    models = {
        str(name): each
        for name, each in mapping(run.classes.get("models")).items()
        if isinstance(each, list)
    }
    names, counts = (_list(run.classes.get(key)) for key in ("names", "counts"))
    if not models or not names:
        return ""
    pair = _pair(run, models)
    titles = ["class", "images", *models, *([f"behind {pair[1]}"] if pair else [])]
    head = "".join(
        f'<th aria-sort="none"><button data-column="{place}">{said(title)}</button></th>'
        for place, title in enumerate(titles)
    )
    rows = "".join(
        _class_row(place, str(name), counts, models, pair) for place, name in enumerate(names)
    )
    split = said(str(run.classes.get("split", "")))
    step = run.classes.get("step")
    more = (
        '<input id="class-search" type="search" placeholder="find a class" aria-label="find a '
        'class"><button id="class-all" aria-pressed="false">all classes</button>'
        '<span id="class-note" class="soft"></span>'
    )
    return (
        f'<h2>Class by class</h2><p class="soft">Accuracy on the {split} split'
        f"{f', step {step}' if isinstance(step, int) else ''}. A click on a title sorts.</p>"
        f'<div class="tools">{more if len(names) > SHORT else ""}</div>'
        f'<div class="wide"><table id="classes" data-gap="{int(bool(pair))}"><thead><tr>{head}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def _pair(run: RunFiles, models: Mapping[str, Any]) -> tuple[str, str] | None:
    """Choose the student and its teacher: the first that is handed back, if it has one."""
    reports = run.models or last_validation(run)
    first = [name for name in _list(run.prepared.get("deliver")) if name in reports]
    for name in [*first, *reversed(list(reports))]:
        for teacher in taught_by(reports[name]):
            if name in models and teacher in models:
                return name, teacher
    return None


def _class_row(
    place: int,
    name: str,
    counts: Sequence[Any],
    models: Mapping[str, list[Any]],
    pair: tuple[str, str] | None,
) -> str:
    values = {
        model: number(each[place]) if place < len(each) else None for model, each in models.items()
    }
    count = counts[place] if place < len(counts) and isinstance(counts[place], int) else ""
    cells = "".join(_bar(value) for value in values.values())
    if pair:
        mine, other = values[pair[0]], values[pair[1]]
        cells += _gap(None if mine is None or other is None else other - mine)
    return f'<tr><td>{said(name)}</td><td data-value="{count}">{count}</td>{cells}</tr>'


def _bar(value: float | None) -> str:
    if value is None:
        return '<td data-value="">no image</td>'
    share = min(max(value, 0.0), 1.0)
    return (
        f'<td class="bar" data-value="{value:.6g}"><i style="width:{100 * share:.1f}%"></i>'
        f"<span>{100 * value:.1f}</span></td>"
    )


def _gap(value: float | None) -> str:
    if value is None:
        return '<td data-value=""></td>'
    points = f"{100 * value:+.1f}"
    if points in ("+0.0", "-0.0"):
        return f'<td data-value="{value:.6g}">0.0</td>'
    look = "behind" if value > 0 else "ahead"
    return f'<td class="{look}" data-value="{value:.6g}">{points}</td>'


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
