"""A graph in the formats that `render` and `diff` share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from graphkd.errors import did_you_mean, mistake

if TYPE_CHECKING:
    from graphkd.compile import Schedule


def format_of(out: Path, endings: Mapping[str, str], *, kind: str) -> str:
    """Tell from how a file is called in which format it is written.

    Args:
        out: the file.
        endings: the format of each.
        kind: what the formats are, in words.

    Raises:
        BlueprintError: no format ends so.
    """
    suffix = out.suffix.lower()
    if suffix not in endings:
        hint = did_you_mean(suffix, filter(None, endings))
        raise mistake(f"--out {out}: no {kind} ends in '{suffix}'{hint}")
    return endings[suffix]


def drawn_graph(schedule: Schedule, format: str, *, view: str) -> str | bytes:
    """Draw the graph of a schedule as one picture or text.

    Args:
        schedule: whose `graph` is drawn.
        format: `svg`, `png`, `json`, `mermaid` or `dot`.
        view: of an svg or png picture: `knowledge` or `dataflow`.
    """
    from graphkd import inspect

    graph = schedule.graph
    picture = inspect.knowledge_svg if view == "knowledge" else inspect.svg
    match format:
        case "svg":
            return picture(graph)
        case "png":
            return inspect.png(picture(graph))
        case "json":
            return json.dumps(inspect.graph_data(schedule), indent=2)
        case "mermaid":
            return inspect.mermaid(graph)
    return inspect.dot(graph)


def fenced(drawn: str | bytes, format: str, out: Path | None) -> str | bytes:
    """Put Mermaid text that becomes a Markdown file into a code block; leave all else."""
    if format == "mermaid" and out is not None and out.suffix.lower() == ".md":
        return f"```mermaid\n{drawn!s}\n```"
    return drawn


def check_png(out: Path | None) -> None:
    """Refuse early what cannot become a picture of dots.

    Raises:
        BlueprintError: no file is given, the renderer is not installed, or there is no font.
    """
    if out is None:
        raise mistake("--format png needs a file; write --out NAME.png")
    from graphkd.inspect.drawing.png import check_png

    check_png()
