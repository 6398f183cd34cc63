"""How problems are marked in drawings: a red outline, a sign and the numbers of the problems."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from graphkd.graph import vertex
from graphkd.inspect.drawing.arrangement import Spot, Wire
from graphkd.inspect.drawing.lanes import OBJECTIVES
from graphkd.inspect.drawing.svg import Mark, drawing
from graphkd.inspect.page.knowledge import knowledge_drawing
from graphkd.inspect.sketch.make import Sketch
from graphkd.inspect.sketch.placeholder import UNKNOWN
from graphkd.inspect.text import NOTE, text_width

SIGN = "!"
# of the marks, and of what is written on them
_LIGHT, _DARK = ("#c92a2a", "#fff"), ("#ff8787", "#14171a")


def numbered(numbers: Iterable[int]) -> str:
    """Say which problems something has, as it is written beside it: `! 1, 3`."""
    return f"{SIGN} {', '.join(map(str, numbers))}"


def knowledge_marked(sketch: Sketch) -> str:
    """Draw who teaches whom; boxes and arrows with problems are marked."""
    assert sketch.graph is not None
    # arrows come in from above and at the sides, but not at a corner
    mark = _marking(sketch, lambda x, _, width: max(x + 12 - width, 2))
    return knowledge_drawing(sketch.graph, mark=mark, more=_more(sketch))


def dataflow_marked(sketch: Sketch) -> str:
    """Draw what is computed from what; boxes and arrows with problems are marked."""
    assert sketch.graph is not None
    # arrows pass at the left, and go on from the title's row at the right
    mark = _marking(sketch, lambda x, right, width: min(x + 12, right - 6 - width))
    return drawing(sketch.graph, style="", mark=mark, more=_more(sketch))


def picture_sheet() -> str:
    """Write the rules for marks in a picture, light or dark as its reader's scheme is."""
    light, dark = (_rules(*colours) for colours in (_LIGHT, _DARK))
    return f"{light}@media (prefers-color-scheme:dark){{{dark}}}"


def page_sheet() -> str:
    """Write the rules for marks in a page whose reader chooses; `var(--fault)` is their colour."""
    light, dark = (f"--fault:{red};--on-fault:{on};" for red, on in (_LIGHT, _DARK))
    return (
        f":root{{{light}}}:root[data-theme=dark]{{{dark}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        + _rules("var(--fault)", "var(--on-fault)")
    )


def _rules(red: str, on_red: str) -> str:
    return (
        f".graphkd .faulty>.frame,.graphkd .faulty>.box{{stroke:{red};stroke-width:2.5;"
        "stroke-opacity:1}"
        f".graphkd .arrow.faulty>path{{stroke:{red};stroke-width:2.5}}"
        f".graphkd .arrow.faulty>polygon,.graphkd .faulty>.more,.graphkd .badge rect{{fill:{red}}}"
        ".graphkd .faulty>.more{font-weight:700}"
        ".graphkd .missing>.frame{stroke-dasharray:5 4;stroke-opacity:1}"
        f".graphkd .badge text{{fill:{on_red};font-weight:700;text-anchor:middle}}"
    )


def _more(sketch: Sketch) -> dict[str, str]:
    """Say the problems of flows below their arrows and in the boxes of their losses."""
    graph = sketch.graph
    assert graph is not None
    numbers = sketch.numbers()
    return {
        name: f"{SIGN} {in_words(numbers[name])}"
        for name in numbers
        if vertex(graph, name).kind in OBJECTIVES
    }


def in_words(numbers: tuple[int, ...]) -> str:
    """Say which problems something has: `problems 1, 3`."""
    return f"problem{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _marking(sketch: Sketch, at: Callable[[float, float, float], float]) -> Mark:
    """Mark what has problems, and say to the script of a page what each box and arrow is.

    Args:
        sketch: what is drawn.
        at: says where at the upper side of a box, from x to x, a badge of a width begins.
    """
    graph = sketch.graph
    assert graph is not None
    numbers = sketch.numbers()
    done: set[str] = set()

    def mark(thing: Spot | Wire, lines: list[str]) -> Iterable[str]:
        if isinstance(thing, Wire):
            # of a flow's arrow the flow alone is wrong, not the nodes at its ends
            parts = [name for name, _ in thing.ends if vertex(graph, name).flow is not None]
            return _group(lines, "arrow", [n for name in parts for n in numbers.get(name, ())])
        name, tap = thing
        # the single output of a node is drawn in the node, behind it
        faulty = [] if tap or name in done else list(numbers.get(name, ()))
        done.add(name)
        looks = "part missing" if name.endswith(UNKNOWN) and not tap else "part"
        # what is said of losses and probes stands in their boxes
        bare = faulty and vertex(graph, name).kind not in OBJECTIVES
        sign = _badge(lines, faulty, at) if bare else []
        return _group([*lines, *sign], looks, faulty)

    return mark


def _group(lines: list[str], looks: str, faulty: Iterable[int]) -> Iterable[str]:
    """Put the lines of a thing together; what has a problem can be chosen in a page."""
    said = " ".join(map(str, dict.fromkeys(faulty)))
    if not said:
        return [f'<g class="{looks}">', *lines, "</g>"]
    opened = f'<g class="{looks} faulty" data-problems="{said}" tabindex="0" role="button">'
    return [opened, *lines, "</g>"]


def _badge(
    lines: Iterable[str], numbers: Iterable[int], at: Callable[[float, float, float], float]
) -> list[str]:
    """Draw the sign across the upper side of a box, which is the first shape of its drawing."""
    found = re.search(r'<rect [^>]*x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)"', "".join(lines))
    assert found is not None
    x, top, width = map(float, found.groups())
    said = numbered(numbers)
    # most of it above the box, whose title begins at once
    return badge(said, at(x, x + width, badge_width(said)), top - 4)


def badge_width(said: str) -> float:
    """Say how wide a sign with its numbers is."""
    return text_width(said, NOTE) + 14


def badge(said: str, left: float, middle: float) -> list[str]:
    """Draw a sign with its numbers.

    Args:
        said: what stands in it.
        left: its left end.
        middle: height of its middle.
    """
    width, y = badge_width(said), middle - 9
    return [
        '<g class="badge">',
        f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="18" rx="9"/>',
        f'<text x="{left + width / 2:.1f}" y="{y + 13:.1f}">{said}</text></g>',
    ]
