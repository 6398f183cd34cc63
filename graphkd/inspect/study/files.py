"""The files of a fidelity study: numbers, a table for scripts, a page, and its figures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from graphkd.errors import mistake
from graphkd.inspect.comparison.files import strict
from graphkd.inspect.document import document, said, table
from graphkd.inspect.study.data import Study, columns, study_data
from graphkd.inspect.study.plots import Picture, pictures
from graphkd.inspect.study.tables import Grid, caption, grids

NUMBERS, SHEET, BROWSER = "study.json", "study.csv", "report.html"
FILES = (NUMBERS, SHEET, BROWSER)
"""What a study writes beside its figures."""
FIGURES = "figures"

_STYLE = "figure svg { background: #fff; width: 100%; max-width: 840px; height: auto; }"
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
        f"<dt>{said(name)}</dt><dd>{said(about)}</dd>" for name, about in found.policies.items()
    )
    body = (
        *(f"<p>{said(each)}</p>" for each in (found.about, caption(found), *remarks)),
        *(_section(grid, drawn) for grid in grids(found)),
        f"<h2>What the students were shown</h2><dl>{policies}</dl>",
        f"<h2>Where it comes from</h2><pre>{said(found.origin.command)}</pre>",
        f"<p>{said(f'{found.origin.date}, {found.origin.processor}, {versions}.')}</p>",
    )
    return document(f"Fidelity study: {found.blueprint}", "".join(body), style=_STYLE)


def _section(grid: Grid, drawn: Sequence[Picture]) -> str:
    figures = "".join(
        f"<figure>{each.svg}<figcaption>{said(each.about)}</figcaption></figure>"
        for each in drawn
        if each.name in _UNDER.get(grid.title, ())
    )
    text = f"<h2>{said(grid.title)}</h2><p>{said(grid.about)}</p>"
    return f"{text}{table(grid.head, grid.lines)}{figures}"
