"""Two graphs in one drawing: added green, removed red, changed orange, the rest quiet."""

from __future__ import annotations

from collections.abc import Iterator

from graphkd.graph import blueprint_of
from graphkd.inspect.changes.look import change_sheet
from graphkd.inspect.changes.marks import (
    LOOKS,
    apart,
    badge,
    dataflow_signs,
    knowledge_signs,
    marking,
)
from graphkd.inspect.changes.union import Union, more_words
from graphkd.inspect.drawing.layout import MARGIN
from graphkd.inspect.drawing.svg import drawing
from graphkd.inspect.look import style_sheet
from graphkd.inspect.page.knowledge import knowledge_drawing
from graphkd.inspect.shapes import text
from graphkd.inspect.text import NOTE, text_width


def changed_svg(made: Union) -> str:
    """Draw what is computed from what in both graphs, as a picture that stands alone."""
    drawn = changed_dataflow(made, style=style_sheet() + change_sheet())
    # below the title and, where there is one, the sentence about it
    y = 74 if blueprint_of(made.graph).about else 58
    return drawn.removesuffix("</svg>") + "\n".join((*_legend(y), "</svg>"))


def changed_dataflow(made: Union, *, style: str = "") -> str:
    """Draw what is computed from what in both graphs.

    Args:
        made: the graphs.
        style: style sheet inside the picture; empty where the page around it has one.
    """
    mark = marking(made, dataflow_signs(made), signed=apart(made))
    more = more_words(made)
    return _marked(drawing(made.graph, style=style, mark=mark, more=more))


def changed_knowledge(made: Union) -> str:
    """Draw who teaches whom in both graphs, for a page that has the style sheet."""
    mark = marking(made, knowledge_signs(made))
    return _marked(knowledge_drawing(made.graph, mark=mark, more=more_words(made)))


def _marked(drawn: str) -> str:
    return drawn.replace('class="graphkd"', 'class="graphkd changes"', 1)


def _legend(y: float) -> Iterator[str]:
    """Say what the signs mean, in a line of a picture."""
    x = float(MARGIN) + 6
    for sign, look in LOOKS.items():
        yield f'<g class="{look}">{badge(sign, x, y)}</g>'
        yield text(x + 12, y + 4, look, NOTE, 100)
        x += 34 + text_width(look, NOTE)
