"""What pages with charts are made of."""

from __future__ import annotations

from typing import Any

from graphkd.inspect.document import document, resource

EVERY = 10
"""Seconds after which the page of a run that goes on loads itself anew."""
_PACKAGE = "graphkd.inspect.report"


def report_document(
    title: str,
    body: str,
    *,
    facts: dict[str, Any],
    running: bool = False,
    more: str = "report.js",
    style: str = "",
) -> str:
    """Write a page with charts; its facts hold at least `charts`, `bands` and `running`.

    Args:
        title: of the page, as plain text.
        body: HTML, with a place `charts`.
        facts: plain data for the scripts.
        running: whether the page loads itself anew.
        more: the script that draws them.
        style: rules added to those of charts.
    """
    scripts = ("scales.js", "chart.js", more, "live.js")
    return document(
        title,
        body,
        style=resource(_PACKAGE, "chart.css") + resource(_PACKAGE, "report.css") + style,
        script="".join(resource(_PACKAGE, each) for each in scripts),
        facts=facts,
        early=running,
        tools='<button id="pause" aria-pressed="false">pause reloading</button>' if running else "",
    )
