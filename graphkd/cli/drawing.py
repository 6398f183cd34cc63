"""Commands that draw: render, diff."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
from cyclopts import Parameter

from graphkd.blueprint import load
from graphkd.cli.changes import After, OfPhase, check_after, diff, drawn_after
from graphkd.cli.common import (
    File,
    Force,
    Out,
    Plugin,
    Without,
    check_out,
    load_plugins,
    write_or_print,
)
from graphkd.cli.formats import check_png, drawn_graph, fenced, format_of
from graphkd.cli.sketching import render_partly
from graphkd.errors import BlueprintError, did_you_mean, mistake

if TYPE_CHECKING:
    from graphkd.compile import Schedule


@attrs.frozen
class Format:
    """What a picture can be written as.

    Attributes:
        endings: of file names; the first is the usual one.
        views: what it can show; the first by default. None: it always shows the whole graph.
    """

    endings: tuple[str, ...]
    views: tuple[str, ...] = ()


_VIEWS = ("knowledge", "dataflow", "schedule")
_FORMATS = {
    # a file that is called anything is a page too
    "html": Format((".html", ".htm", ""), _VIEWS),
    "svg": Format((".svg",), ("dataflow", "knowledge")),
    "png": Format((".png",), ("dataflow", "knowledge")),
    "mermaid": Format((".mmd", ".mermaid", ".md")),
    "dot": Format((".dot", ".gv")),
    "json": Format((".json",)),
}
_ENDINGS = {ending: name for name, each in _FORMATS.items() for ending in each.endings}


def render(
    file: File,
    /,
    *overrides: str,
    format: Annotated[
        Literal["html", "svg", "png", "mermaid", "dot", "json"] | None,
        Parameter(
            help="By default what --out ends in (.html, .svg, .png, .mmd, .md, .dot, .gv, .json), "
            "html when it has no ending, mermaid without --out."
        ),
    ] = None,
    view: Annotated[
        str | None,
        Parameter(
            help="What a picture shows, or an HTML page first: knowledge (who teaches whom), "
            "dataflow (what is computed from what) or, html only, schedule (what runs when)."
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    after: After = None,
    phase: OfPhase = None,
    without: Without = None,
    plugin: Plugin = None,
) -> None:
    """Draw a blueprint: a page to look around in, a picture, or text or data of the graph."""
    chosen = format or _usual_format(out, view)
    shown = _checked_view(view, chosen)
    check_after(after, phase=phase, without=without or (), view=view, format=chosen)
    check_out(out, force=force)
    load_plugins(plugin)
    if chosen == "png":
        check_png(out)
    if after is not None:
        made = load(file, overrides)
        drawn = drawn_after(made, after, phase=phase, without=without or (), format=chosen)
    else:
        try:
            drawn = _drawn(_compiled(file, overrides), chosen, view=shown)
        except BlueprintError as error:
            render_partly(file, overrides, chosen, view=shown, out=out, force=force, error=error)
            raise
    write_or_print(fenced(drawn, chosen, out), out, force=force)


def _compiled(file: str, overrides: tuple[str, ...]) -> Schedule:
    blueprint = load(file, overrides)
    from graphkd.compile import compile_blueprint

    return compile_blueprint(blueprint)


def _usual_format(out: Path | None, view: str | None) -> str:
    if out is None:
        return "html" if view else "mermaid"
    return format_of(out, _ENDINGS, kind="picture format")


def _checked_view(view: str | None, format: str) -> str:
    """Return the view that is shown; refuse one that there is not, or not in this format."""
    has = _FORMATS[format].views
    if view is None:
        return has[0] if has else ""
    if view not in _VIEWS:
        raise mistake(f"--view {view}: no such view{did_you_mean(view, _VIEWS)}")
    if view not in has:
        others = [name for name, each in _FORMATS.items() if view in each.views]
        lacks = f"has {' and '.join(sorted(has))} only" if has else "has no views"
        raise mistake(f"--view {view}: {format} {lacks}; write --format {' or '.join(others)}")
    return view


def _drawn(schedule: Schedule, format: str, *, view: str) -> str | bytes:
    if format != "html":
        return drawn_graph(schedule, format, view=view)
    from graphkd.inspect import page

    return page(schedule, view=view)


COMMANDS: tuple[Callable[..., None], ...] = (render, diff)
