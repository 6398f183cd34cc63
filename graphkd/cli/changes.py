"""What `diff` and `render --after` draw: changes between blueprints, and by compiler passes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
from cyclopts import Parameter

from graphkd.blueprint.diff import Change
from graphkd.blueprint.diff import diff as differences
from graphkd.cli.common import (
    File,
    Force,
    Json,
    Out,
    Plugin,
    check_out,
    load_with,
    write_or_print,
)
from graphkd.cli.formats import check_png, drawn_graph, fenced, format_of
from graphkd.errors import mistake

if TYPE_CHECKING:
    from graphkd.blueprint import Blueprint

After = Annotated[
    str | None,
    Parameter(
        help="Draw the graph after this pass of the compiler; an HTML page shows what the pass "
        "changed, of all passes with the word all."
    ),
]
OfPhase = Annotated[
    str | None,
    Parameter(help="With --after: the phase whose graph is drawn; a page shows all by default."),
]

_ENDINGS = {
    ".txt": "text",
    ".html": "html",
    ".htm": "html",
    "": "html",
    ".svg": "svg",
    ".png": "png",
    ".json": "json",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".md": "mermaid",
}


def diff(
    one: File,
    other: File,
    /,
    *,
    format: Annotated[
        Literal["text", "html", "svg", "png", "json", "mermaid"] | None,
        Parameter(
            help="By default what --out ends in (.txt, .html, .svg, .png, .json, .mmd, .md), html "
            "when it has no ending, text without --out."
        ),
    ] = None,
    out: Out = None,
    force: Force = False,
    plugin: Plugin = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two blueprints: as text, or drawn with the changes marked."""
    if as_json and format not in (None, "json"):
        raise mistake(f"--json: --format {format} is another format; leave one of them out")
    chosen = "json" if as_json else format or _usual_format(out)
    check_out(out, force=force)
    if chosen == "png":
        check_png(out)
    pair = load_with(one, (), plugin), load_with(other, (), plugin)
    told = chosen in ("text", "json")
    drawn = _told(differences(*pair), chosen) if told else _drawn(*pair, chosen)
    write_or_print(fenced(drawn, chosen, out), out, force=force)


def _usual_format(out: Path | None) -> str:
    return "text" if out is None else format_of(out, _ENDINGS, kind="format")


def _told(changes: Iterable[Change], format: str) -> str:
    if format == "json":
        return json.dumps([attrs.asdict(each) for each in changes], indent=2)
    return "\n".join(map(str, changes)) or "no difference"


def _drawn(one: Blueprint, other: Blueprint, format: str) -> str | bytes:
    # the text needs no torch, which takes seconds to load
    from graphkd import inspect
    from graphkd.compile import compile_blueprint
    from graphkd.inspect.changes.diff_page import diff_page
    from graphkd.inspect.changes.draw import changed_svg
    from graphkd.inspect.changes.mermaid import changed_mermaid
    from graphkd.inspect.changes.union import union

    schedules = compile_blueprint(one), compile_blueprint(other)
    if format == "html":
        return diff_page(*schedules)
    made = union(*(each.graph for each in schedules))
    if format == "mermaid":
        return changed_mermaid(made)
    return inspect.png(changed_svg(made)) if format == "png" else changed_svg(made)


def check_after(
    after: str | None, *, phase: str | None, without: Sequence[str], view: str | None, format: str
) -> None:
    """Refuse options that say nothing without another, or together.

    Raises:
        BlueprintError: with the option that is missing.
    """
    if after is None and phase is not None:
        raise mistake(f"--phase {phase}: says whose graph --after draws; add --after PASS")
    if after is None and without:
        raise mistake(f"--without {without[0]}: a drawing shows no pass; add --after PASS")
    if after is not None and view not in (None, "dataflow"):
        raise mistake(f"--view {view}: --after draws the dataflow; leave --view out")
    if after == "all" and format != "html":
        raise mistake(f"--after all: {format} shows one graph; write --format html, or one pass")


def drawn_after(
    blueprint: Blueprint, after: str, *, phase: str | None, without: Sequence[str], format: str
) -> str | bytes:
    """Draw the graph after a pass, or as a page what the pass changed.

    Args:
        blueprint: what is compiled.
        after: name of the pass, or `all`.
        phase: whose graph; None: of all phases, where the format shows several.
        without: names of passes that are left out.
        format: as `render` writes it.
    """
    from graphkd.compile import compile_blueprint
    from graphkd.inspect.changes.pass_page import pass_page
    from graphkd.inspect.changes.steps import check_pass, only_step, steps

    check_pass(after, without=without)
    schedule = compile_blueprint(blueprint, without=without, keep_stages=True)
    found = steps(schedule, after, phase=phase)
    if format == "html":
        return pass_page(schedule, after, found)
    left = attrs.evolve(schedule, graph=only_step(found).after)
    return drawn_graph(left, format, view="dataflow")
