"""The files of a comparison: numbers, a Markdown page, a picture, and a page of its own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from graphkd.errors import mistake
from graphkd.inspect.comparison.curves import validation_chart
from graphkd.inspect.comparison.data import METRICS, Comparison, comparison_data
from graphkd.inspect.comparison.plot import THEMED, comparison_svg
from graphkd.inspect.comparison.table import caption, head, origin_line, remarks, rows
from graphkd.inspect.document import said, table
from graphkd.inspect.report.frame import report_document
from graphkd.inspect.text import one_line

NUMBERS, PAGE, PICTURE, BROWSER = (
    "comparison.json",
    "comparison.md",
    "comparison.svg",
    "comparison.html",
)
FILES = (NUMBERS, PAGE, PICTURE, BROWSER)
"""What a comparison writes."""


def write_comparison(found: Comparison, folder: Path) -> list[Path]:
    """Write all files of a comparison into a folder that is there, each whole or not at all.

    Returns:
        The files.

    Raises:
        BlueprintError: one cannot be written.
    """
    texts = {
        NUMBERS: json.dumps(strict(comparison_data(found)), indent=2),
        PAGE: comparison_markdown(found),
        PICTURE: comparison_svg(found),
        BROWSER: comparison_html(found, folder=folder),
    }
    for name, text in texts.items():
        draft = folder / f"{name}.tmp"
        try:
            draft.write_text(text + "\n", encoding="utf-8")
            draft.replace(folder / name)
        except OSError as error:
            raise mistake(f"{folder / name}: cannot be written: {error.strerror}") from error
    return [folder / name for name in texts]


def strict(value: Any) -> Any:
    """Write NaN and infinities as texts: they are no JSON."""
    if isinstance(value, Mapping):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def comparison_markdown(found: Comparison) -> str:
    """Write the table, the picture and where they come from as Markdown, without a title."""
    names = head(found)
    lines = [names, ("---", *["---:"] * (len(names) - 1)), *rows(found)]
    cells = [[_marked(cell) for cell in line] for line in lines]
    cells[1] = list(lines[1])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    table = "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells)
    return "\n\n".join(
        [
            table,
            _marked(caption(found)),
            *map(_marked, remarks(found)),
            f"![{_marked(_title(found))}]({PICTURE})",
            f"```sh\n{one_line(found.origin.command)}\n```",
            _marked(origin_line(found)),
        ]
    )


def _marked(text: str) -> str:
    """Write a text so that Markdown takes it as it is; `_` within a word needs nothing."""
    return re.sub(r"([\\`*|<>\[\]&]|(?<!\w)_|_(?!\w))", r"\\\1", one_line(text))


def _title(found: Comparison) -> str:
    return f"{', '.join(each.name for each in found.others())} beside {found.baseline}"


def comparison_html(found: Comparison, *, folder: Path | None = None) -> str:
    """Write a page that opens without a network.

    Args:
        found: the comparison.
        folder: where it lies; with it the page shows the curves of the runs that can be read.
    """
    charts = validation_chart(found, folder) if folder else []
    curves = '<h2>On the way</h2><div id="charts" class="charts one"></div>' if charts else ""
    body = (
        f"<p>{said(caption(found))}</p>",
        table(head(found), rows(found)),
        *(f"<p>{said(each)}</p>" for each in remarks(found)),
        f"<figure>{comparison_svg(found, themed=True)}</figure>",
        curves,
        f'<h2>Seed by seed</h2><div class="wide">{_seeds(found)}</div>',
        f"<h2>Where it comes from</h2><pre>{said(found.origin.command)}</pre>",
        f"<p>{said(origin_line(found))}</p>",
    )
    facts = {"running": False, "charts": charts, "bands": []}
    return report_document(_title(found), "".join(body), facts=facts, style=THEMED, more="plain.js")


def _seeds(found: Comparison) -> str:
    """Write every measure of every run, each run linked to its own page."""
    titles = ("run", *(metric.title for metric in METRICS.values()))
    lines = [f"<tr>{''.join(f'<th>{said(title)}</th>' for title in titles)}</tr>"]
    for entry in found.entries:
        for seed in found.seeds:
            run = said(f"{entry.name}, seed {seed}")
            if seed in entry.reports:
                run = f'<a href="{escape(quote(entry.reports[seed]))}">{run}</a>'
            measures = entry.measures[seed]
            values = "".join(
                f"<td>{metric.text(measures[key])}</td>" for key, metric in METRICS.items()
            )
            lines.append(f"<tr><td>{run}</td>{values}</tr>")
    return f"<table>{''.join(lines)}</table>"
