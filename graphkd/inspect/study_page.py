"""The files of a fidelity study: numbers, a table for scripts, a page, and its figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from graphkd.errors import mistake
from graphkd.inspect.comparison_page import strict
from graphkd.inspect.study import Study, columns, study_data
from graphkd.inspect.study_plots import Picture, pictures
from graphkd.inspect.study_tables import Grid, caption, grids
from graphkd.inspect.text import one_line

NUMBERS, SHEET, BROWSER = "study.json", "study.csv", "report.html"
FILES = (NUMBERS, SHEET, BROWSER)
"""What a study writes beside its figures."""
FIGURES = "figures"

_HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 1080px; }}
body {{ margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 1.5rem 0; }} figcaption {{ max-width: 46rem; }}
figure svg {{ background: #fff; width: 100%; max-width: 840px; height: auto; }}
.wide {{ overflow-x: auto; }} p {{ max-width: 46rem; }}
table {{ border-collapse: collapse; font-size: .92em; }}
td, th {{ padding: .2rem .7rem; text-align: right; }} td {{ white-space: nowrap; }}
td:first-child, th:first-child {{ text-align: left; }} th {{ border-bottom: 1px solid #868e96; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid #868e9666; border-radius: 8px; }}
dt {{ font-weight: 600; }} dd {{ margin: 0 0 .3rem 1.5rem; }}
</style></head><body>
<h1>{title}</h1><p>{about}</p><p>{caption}</p>{remarks}
{body}
<h2>What the students were shown</h2><dl>{policies}</dl>
<h2>Where it comes from</h2><pre>{command}</pre><p>{origin}</p>
</body></html>
"""
_UNDER = {
    "Distillation data": ("agreement_accuracy", "train_test_agreement", "kl_ece"),
    "Control student": ("control",),
    "Start near the teacher": ("start_near",),
}
"""Which figures stand under which table."""


def write_study(found: Study, folder: Path) -> list[Path]:
    """Write all files of a study into a folder, each whole or not at all.

    Returns:
        The files.

    Raises:
        BlueprintError: one cannot be written.
    """
    drawn = pictures(found)
    contents: dict[str, bytes] = {f"{FIGURES}/{each.name}.png": each.png for each in drawn} | {
        SHEET: study_csv(found).encode(),
        BROWSER: study_html(found, drawn).encode(),
        NUMBERS: (json.dumps(_plain(found), indent=2) + "\n").encode(),
    }
    for name, content in contents.items():
        path = folder / name
        draft = path.with_name(f"{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            draft.replace(path)
        except OSError as error:
            raise mistake(f"{path}: cannot be written: {error.strerror}") from error
    return [folder / name for name in contents]


def _plain(found: Study) -> dict[str, object]:
    data = study_data(found)
    data["rows"] = [strict(row) for row in data["rows"]]
    whole: dict[str, object] = strict(data)
    return whole


def study_csv(found: Study) -> str:
    """Write a line for each model, seed and split; no number is scaled."""
    keys = columns(found.rows)
    stream = io.StringIO()
    sheet = csv.writer(stream, lineterminator="\n")
    sheet.writerow(["part", "name", "seed", "split", *keys])
    for row in found.rows:
        values = [row.values.get(key, "") for key in keys]
        sheet.writerow([row.part, row.name, row.seed, row.split, *values])
    return stream.getvalue()


def study_html(found: Study, drawn: Sequence[Picture]) -> str:
    """Write a page that opens without a network."""
    versions = ", ".join(f"{name} {number}" for name, number in found.origin.versions.items())
    remarks = list(found.remarks)
    if len(found.seeds) == 1:
        remarks.append("One seed: nothing tells how much of a difference is chance.")
    if found.made_with:
        remarks.append(f"Runs were made with {'; '.join(found.made_with)}.")
    policies = "".join(
        f"<dt>{_said(name)}</dt><dd>{_said(about)}</dd>" for name, about in found.policies.items()
    )
    return _HTML.format(
        title=_said(f"Fidelity study: {found.blueprint}"),
        about=_said(found.about),
        caption=_said(caption(found)),
        remarks="".join(f"<p>{_said(each)}</p>" for each in remarks),
        body="".join(_section(grid, drawn) for grid in grids(found)),
        policies=policies,
        command=_said(found.origin.command),
        origin=_said(f"{found.origin.date}, {found.origin.processor}, {versions}."),
    )


def _said(text: str) -> str:
    return escape(one_line(text))


def _section(grid: Grid, drawn: Sequence[Picture]) -> str:
    rows = [_cells("th", grid.head), *(_cells("td", line) for line in grid.lines)]
    figures = "".join(
        f"<figure>{each.svg}<figcaption>{_said(each.about)}</figcaption></figure>"
        for each in drawn
        if each.name in _UNDER.get(grid.title, ())
    )
    return (
        f"<h2>{_said(grid.title)}</h2><p>{_said(grid.about)}</p>"
        f'<div class="wide"><table>{"".join(rows)}</table></div>{figures}'
    )


def _cells(tag: str, texts: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_said(text)}</{tag}>' for text in texts)}</tr>"
