"""Two graphs as one Mermaid text: signs in the boxes and on the arrows, and colours."""

from __future__ import annotations

import attrs

from graphkd.inspect.changes.compare import Sign
from graphkd.inspect.changes.marks import LOOKS
from graphkd.inspect.changes.union import Union, more_words
from graphkd.inspect.drawing.mermaid import mermaid
from graphkd.inspect.picture import Arrow, Box, picture
from graphkd.inspect.text import one_line

_STYLES: dict[Sign, tuple[str, str]] = {
    "+": ("fill:#ebfbee,stroke:#2b8a3e,stroke-width:2px,color:#212529", "stroke:#2b8a3e"),
    "-": (
        "fill:#fff5f5,stroke:#c92a2a,stroke-width:2px,stroke-dasharray:6 4,color:#212529",
        "stroke:#c92a2a,stroke-dasharray:2 4",
    ),
    "~": ("fill:#fff9db,stroke:#c2500a,stroke-width:2px,color:#212529", "stroke:#c2500a"),
}


def changed_mermaid(made: Union) -> str:
    """Draw both graphs as a Mermaid flowchart, from left to right."""
    boxes, arrows = picture(made.graph)
    words = more_words(made)
    signed = made.graph.copy()
    signed.graph["picture"] = (
        [_box(box, made.boxes.get(box.name), words.get(box.name, "")) for box in boxes],
        [_arrow(arrow, made.arrows.get(arrow)) for arrow in arrows],
    )
    lines = [mermaid(signed)]
    for sign, (box_style, arrow_style) in _STYLES.items():
        members = [f"n{at}" for at, box in enumerate(boxes) if made.boxes.get(box.name) == sign]
        if members:
            lines.append(f"  classDef {LOOKS[sign]} {box_style}")
            lines.append(f"  class {','.join(members)} {LOOKS[sign]}")
        links = [str(at) for at, arrow in enumerate(arrows) if made.arrows.get(arrow) == sign]
        if links:
            lines.append(f"  linkStyle {','.join(links)} {arrow_style}")
    return "\n".join(lines)


def _box(box: Box, sign: Sign | None, more: str) -> Box:
    if sign is None:
        return box
    # elsewhere what changed of a loss has a line of its own
    said = (one_line(more),) if box.kind in ("loss", "probe") and more else ()
    return attrs.evolve(box, title=f"{sign} {box.title}", notes=(*said, *box.notes))


def _arrow(arrow: Arrow, sign: Sign | None) -> Arrow:
    return arrow if sign is None else attrs.evolve(arrow, text=f"{sign} {arrow.text}".rstrip())
