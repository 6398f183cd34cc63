"""A sketch as a page: the list of problems, and the drawings in which they are marked."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.errors import Place
from graphkd.graph import blueprint_of
from graphkd.inspect.document import document, figure, resource, said
from graphkd.inspect.sketch.make import Finding, Sketch
from graphkd.inspect.sketch.marks import (
    dataflow_marked,
    knowledge_marked,
    numbered,
    page_sheet,
)

_AROUND = 3
"""Lines of the file that are shown before and behind an error."""


def sketch_page(sketch: Sketch) -> str:
    """Write the page of a blueprint with problems.

    Returns:
        HTML that needs no network. A click on a problem shows what it concerns, and a click on
        what is marked shows its problems.
    """
    package = "graphkd.inspect.sketch"
    return document(
        sketch.name,
        "\n".join(_body(sketch)),
        style=page_sheet() + resource(package, "page.css"),
        script=resource(package, "page.js"),
    )


def _body(sketch: Sketch) -> Iterator[str]:
    graph, count = sketch.graph, len(sketch.findings)
    problems = f"{count} problem{'s' if count != 1 else ''}"
    if graph is not None and blueprint_of(graph).about:
        yield f'<p class="soft">{said(blueprint_of(graph).about)}</p>'
    drawn = "The drawings show what could be read." if graph else "Nothing could be drawn."
    later = " Names of nodes and taps, shapes and phases are checked once these are mended."
    rest = "" if sketch.checked else later
    yield f'<p class="notice"><b>This blueprint has {problems}.</b> {drawn}{rest}</p>'
    yield f'<section id="problems"><h2>Problems</h2><ol>{"".join(_items(sketch))}</ol></section>'
    if graph is not None:
        yield f"<h2>Who teaches whom</h2>{figure(knowledge_marked(sketch), name='knowledge')}"
        dataflow = figure(dataflow_marked(sketch), name="dataflow")
        yield f"<h2>What is computed from what</h2>{dataflow}"


def _items(sketch: Sketch) -> Iterator[str]:
    for each in sketch.findings:
        said_of = f"<span>{said(each.problem.message)}</span>{_place(each.problem.place)}"
        badge = f'<b class="number">{numbered([each.number])}</b>'
        if each.vertices:
            inner = f'<button data-shows="{each.number}">{badge}{said_of}</button>'
        else:
            inner = f'<div class="alone">{badge}{said_of}</div>'
        excerpt = _excerpt(each, sketch.lines) if sketch.graph is None else ""
        yield f'<li id="problem{each.number}">{inner}{excerpt}</li>'


def _place(place: Place | None) -> str:
    return f"<code>{said(str(place))}</code>" if place else ""


def _excerpt(finding: Finding, lines: tuple[str, ...]) -> str:
    """Show the lines around an error; the one at fault is marked."""
    place = finding.problem.place
    if place is None or not place.line:
        return ""
    # an error at the end of a file lies behind its last line
    first = max(1, min(place.line, len(lines)) - _AROUND)
    shown = []
    for number, line in enumerate(lines[first - 1 : place.line + _AROUND], first):
        words = f"{'>' if number == place.line else ' '} {number:>4}  {said(line)}"
        shown.append(f"<mark>{words}</mark>" if number == place.line else words)
    return f"<pre>{chr(10).join(shown)}</pre>"
