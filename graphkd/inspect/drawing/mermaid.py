"""The graph as Mermaid text, for README files and issue threads."""

from __future__ import annotations

import re

from graphkd.graph import Graph
from graphkd.inspect.picture import Box, picture

_SHAPES = {
    "data": ("[(", ")]"),
    "model": ("[", "]"),
    "projector": ("[/", "/]"),
    "transform": ("[/", "/]"),
    "convert": ("[/", "/]"),
    "probe": ("{{", "}}"),
    "loss": ("([", "])"),
}
_LINES = {
    "signal": "-->",
    "knowledge": "-.->",
    "gradient": "==>",
    "weights": "---",
}
_STYLES = {
    "loss": "fill:#fff4e6,stroke:#e8590c,color:#212529",
    "model": "fill:#edf2ff,stroke:#4263eb,color:#212529",
}


def mermaid(graph: Graph) -> str:
    """Draw a graph as a Mermaid flowchart, from left to right.

    Dotted arrows bring knowledge (the gradient stops there), thick ones gradient, thin ones inputs;
    a line without a head joins nodes that share weights.
    """
    boxes, arrows = picture(graph)
    names = {box.name: f"n{index}" for index, box in enumerate(boxes)}
    lines = ["flowchart LR"]
    lines += [f"  {names[box.name]}{_box(box)}" for box in boxes]
    for arrow in arrows:
        text = f'|"{_escaped(arrow.text)}"|' if arrow.text else ""
        lines.append(f"  {names[arrow.source]} {_LINES[arrow.kind]}{text} {names[arrow.target]}")
    for kind, style in _STYLES.items():
        members = [names[box.name] for box in boxes if box.kind == kind]
        if members:
            lines.append(f"  classDef {kind} {style}")
            lines.append(f"  class {','.join(members)} {kind}")
    return "\n".join(lines)


def _box(box: Box) -> str:
    left, right = _SHAPES[box.kind]
    return f'{left}"{"<br/>".join(map(_escaped, box.lines))}"{right}'


def _escaped(text: str) -> str:
    """Write a name so that neither Mermaid, nor Markdown in it, nor HTML sees marks of its own.

    Letters, digits and `()/,=.` stay, and `-` and `_` between two of the letters.
    """
    marks = r"[^\w ()/,=.-]|(?<![^\W_])[-_]|[-_](?![^\W_])|^\d+(?=[.)]\s)"
    return re.sub(marks, lambda mark: "".join(f"#{ord(each)};" for each in mark[0]), text)
