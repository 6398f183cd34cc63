"""The graph as DOT text, for Graphviz."""

from __future__ import annotations

from graphkd.graph import Graph
from graphkd.inspect.picture import picture

_SHAPES = {
    "data": "cylinder",
    "model": "box",
    "projector": "parallelogram",
    "transform": "parallelogram",
    "convert": "parallelogram",
    "probe": "hexagon",
    "loss": "oval",
}
_STYLES = {
    "signal": 'color="#868e96"',
    "knowledge": 'color="#4263eb", style=dashed',
    "gradient": 'color="#e8590c", penwidth=2',
    "weights": 'color="#868e96", style=dotted, dir=none',
}


def dot(graph: Graph) -> str:
    """Draw a graph in the DOT language, from left to right.

    Dashed blue arrows bring knowledge (the gradient stops there), thick orange ones gradient, grey
    ones inputs; dotted lines join nodes that share weights.
    """
    boxes, arrows = picture(graph)
    names = {box.name: f"n{index}" for index, box in enumerate(boxes)}
    lines = [
        "digraph blueprint {",
        "  rankdir=LR; splines=true;",
        '  node [fontname="Helvetica", fontsize=11]; edge [fontname="Helvetica", fontsize=9];',
    ]
    for box in boxes:
        text = "\\n".join(map(_escaped, box.lines))
        lines.append(f'  {names[box.name]} [label="{text}", shape={_SHAPES[box.kind]}];')
    for arrow in arrows:
        label = f'label="{_escaped(arrow.text)}", ' if arrow.text else ""
        ends = f"{names[arrow.source]} -> {names[arrow.target]}"
        lines.append(f"  {ends} [{label}{_STYLES[arrow.kind]}];")
    return "\n".join([*lines, "}"])


def _escaped(text: str) -> str:
    """Write a name so that neither DOT nor its HTML entities change it."""
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
