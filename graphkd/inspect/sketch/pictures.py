"""Sketches as pictures and as text: the same marks, and the list of problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from graphkd.component import name_of
from graphkd.graph import blueprint_of, edges_into, vertices
from graphkd.inspect.drawing.dot import dot
from graphkd.inspect.drawing.layout import LINE, MARGIN
from graphkd.inspect.drawing.mermaid import mermaid
from graphkd.inspect.look import style_sheet
from graphkd.inspect.shapes import text
from graphkd.inspect.sketch.make import Finding, Sketch
from graphkd.inspect.sketch.marks import (
    badge,
    badge_width,
    dataflow_marked,
    in_words,
    knowledge_marked,
    numbered,
    picture_sheet,
)
from graphkd.inspect.text import NOTE, TITLE, one_line, text_width

_NARROWEST = 720
"""Pixels that the list of problems has at least."""


def sketch_svg(sketch: Sketch, *, view: str = "dataflow") -> str:
    """Draw a sketch as SVG, with the list of its problems below.

    Args:
        sketch: what is drawn.
        view: `dataflow` or `knowledge`.
    """
    drawn, width, height = "", 0, 0
    if sketch.graph is not None:
        drawn = knowledge_marked(sketch) if view == "knowledge" else dataflow_marked(sketch)
        width, height = (int(size) for size in re.findall(r'(?:width|height)="(\d+)"', drawn)[:2])
    wide = max(width, _NARROWEST)
    words, tall = _list(sketch.findings, top=height + MARGIN, room=wide - 2 * MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="graphkd" role="img" '
            f'width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}">',
            f"<style>{style_sheet()}{picture_sheet()}</style>",
            f'<rect class="paper" width="{wide}" height="{tall}"/>',
            *filter(None, (drawn, *words)),
            "</svg>",
        ]
    )


def _list(findings: Sequence[Finding], *, top: int, room: float) -> tuple[list[str], int]:
    """Draw the list of problems; say where it ends."""
    count = len(findings)
    said = f"{count} problem{'s' if count != 1 else ''}"
    lines, y = [text(MARGIN, top, said, TITLE, room, "title")], top + LINE
    indent = 10 + max((badge_width(numbered([each.number])) for each in findings), default=0.0)
    for each in findings:
        y += 6
        lines += badge(numbered([each.number]), MARGIN, y + 5)
        for part in _wrapped(one_line(str(each.problem)), room - indent):
            lines.append(text(MARGIN + indent, y + 9, part, NOTE, room - indent))
            y += LINE
    return lines, y + MARGIN


def _wrapped(words: str, room: float) -> Iterator[str]:
    line = ""
    for word in words.split(" "):
        if line and text_width(f"{line} {word}", NOTE) > room:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line


def sketch_mermaid(sketch: Sketch) -> str:
    """Draw a sketch as a Mermaid flowchart; problems are flags at what they concern."""
    drawn = mermaid(sketch.graph) if sketch.graph is not None else "flowchart LR"
    marked = _marked(sketch)
    lines = [*drawn.split("\n"), *(f"%% {line}" for line in _comments(sketch))]
    for name, said in marked.items():
        lines += [f'  {name}_problem>"{said}"]', f"  {name}_problem --- {name}"]
    if marked:
        lines.append("  classDef faulty stroke:#c92a2a,stroke-width:4px")
        flags = [f"{name}_problem" for name in marked]
        lines.append(f"  class {','.join([*marked, *flags])} faulty")
    return "\n".join(lines)


def sketch_dot(sketch: Sketch) -> str:
    """Draw a sketch in the DOT language; problems are written beside what they concern."""
    drawn = dot(sketch.graph) if sketch.graph is not None else "digraph blueprint {\n}"
    lines = [f"  // {line}" for line in _comments(sketch)]
    lines += [
        f'  {name} [xlabel="{said}", fontcolor="#c92a2a", color="#c92a2a", penwidth=3];'
        for name, said in _marked(sketch).items()
    ]
    return "\n".join([drawn.removesuffix("\n}"), *lines, "}"])


def _marked(sketch: Sketch) -> dict[str, str]:
    """Say the problems of each marked box by the name that Mermaid and DOT texts give it."""
    if sketch.graph is None:
        return {}
    numbers = sketch.numbers()
    names = {each.name: f"n{index}" for index, each in enumerate(vertices(sketch.graph))}
    return {names[name]: in_words(numbers[name]) for name in names if name in numbers}


def _comments(sketch: Sketch) -> list[str]:
    """Write each problem as a line that ends nothing around it."""
    said = [f"{each.number}. {one_line(str(each.problem))}" for each in sketch.findings]
    # a fence of a Markdown file, and a backslash before the end of a line
    return [line.replace("`", "'").rstrip("\\") for line in said]


def sketch_data(sketch: Sketch) -> dict[str, Any]:
    """Return a sketch as plain data: what could be read, and the problems with what they concern.

    Returns:
        `problems` and, as far as there are any, `nodes` and `edges`; JSON can hold it.
    """
    graph, numbers = sketch.graph, sketch.numbers()
    found = vertices(graph) if graph is not None else iter(())
    return {
        "blueprint": sketch.name,
        "about": blueprint_of(graph).about if graph is not None else "",
        "complete": False,
        "problems": [_problem(each) for each in sketch.findings],
        "nodes": [
            {
                "name": each.name,
                "kind": each.kind,
                "component": name_of(each.component),
                "flow": each.flow,
                "problems": list(numbers.get(each.name, ())),
            }
            for each in found
        ],
        "edges": [
            {"source": source, "target": name, "kind": edge.kind, "tap": edge.tap}
            for name in (graph or ())
            for source, edge in (edges_into(graph, name) if graph is not None else ())
        ],
    }


def _problem(finding: Finding) -> dict[str, Any]:
    place = finding.problem.place
    return {
        "number": finding.number,
        "message": finding.problem.message,
        "file": place.file if place else None,
        "line": place.line if place and place.line else None,
        "column": place.column if place and place.line else None,
        "nodes": list(finding.vertices),
    }
