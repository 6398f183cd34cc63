"""Two graphs as one that can be drawn, and which part of it comes from where."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs

from graphkd.graph import Graph
from graphkd.inspect.changes.compare import Changes, Sign, compare
from graphkd.inspect.changes.merge import Merger
from graphkd.inspect.drawing.lanes import OBJECTIVES
from graphkd.inspect.picture import Arrow, Box, picture
from graphkd.inspect.text import one_line

LINES = 3
"""Most changes that a box says."""


@attrs.frozen
class Union:
    """Two graphs as one.

    Attributes:
        graph: with the vertices of both; its `picture` has all boxes and arrows.
        changes: what differs; boxes are called as in `graph`.
        boxes: signs of the boxes that differ.
        arrows: signs of the arrows that only one of the graphs has.
        hidden: arrows of the first graph that are not drawn, as they would close a circle.
    """

    graph: Graph
    changes: Changes
    boxes: Mapping[str, Sign]
    arrows: Mapping[Arrow, Sign]
    hidden: int = 0


def union(one: Graph, other: Graph) -> Union:
    """Put two graphs into one, so that one picture shows both.

    Args:
        one: before.
        other: after.
    """
    changes = compare(one, other)
    names = _names(one, other, pairs=changes.pairs)
    signs = _signs(changes, names)
    merged = Merger(one, other, names=names)
    graph, hidden = merged.graph()
    before, after = merged.arrows()
    drawn = [arrow for arrow in (*after, *before) if (arrow.source, arrow.target) not in hidden]
    boxes = _with_words(merged.boxes(), changes)
    graph.graph["picture"] = boxes, list(dict.fromkeys(drawn))
    return Union(graph, changes, signs, _differing(before, after), hidden=len(hidden))


def halves(one: Graph, other: Graph) -> tuple[Union, Union]:
    """Mark what differs in two states of one graph, each for a picture of its own.

    Args:
        one: before; what changed is marked in it, and not said.
        other: after, of the same blueprint.
    """
    changes = compare(one, other)
    (before, old), (after, new) = picture(one), picture(other)
    arrows = _differing(old, new)
    silent = attrs.evolve(
        changes, vertices=tuple(attrs.evolve(each, words=()) for each in changes.vertices)
    )

    def half(graph: Graph, said: Changes, boxes: list[Box], drawn: list[Arrow]) -> Union:
        marked = graph.copy()
        marked.graph["picture"] = _with_words(boxes, said), drawn
        signs: dict[str, Sign] = {
            each.name: each.sign for each in said.vertices if each.name in graph
        }
        return Union(marked, said, signs, {each: arrows[each] for each in drawn if each in arrows})

    return half(one, silent, before, old), half(other, changes, after, new)


def _differing(before: Collection[Arrow], after: Collection[Arrow]) -> dict[Arrow, Sign]:
    """Give a sign to the arrows that only one of two graphs has."""
    fresh: dict[Arrow, Sign] = {arrow: "+" for arrow in after if arrow not in before}
    gone: dict[Arrow, Sign] = {arrow: "-" for arrow in before if arrow not in after}
    return fresh | gone


def _names(one: Graph, other: Graph, *, pairs: Mapping[str, str]) -> dict[str, str]:
    """Name the vertices of the first graph in the union."""
    names: dict[str, str] = {}
    for name in one:
        free = pairs.get(name, name)
        while name not in pairs and (free in other or free in names.values()):
            free += "_"
        names[name] = free
    return names


def _signs(changes: Changes, names: Mapping[str, str]) -> dict[str, Sign]:
    return {
        names[each.name] if each.sign == "-" else each.name: each.sign for each in changes.vertices
    }


def more_words(made: Union) -> dict[str, str]:
    """Say on one line for each loss and probe what changed of it."""
    return {each.name: " · ".join(each.words) for each in made.changes.vertices if each.words}


def _with_words(boxes: Iterable[Box], changes: Changes) -> list[Box]:
    """Let boxes say first what changed of them."""
    words = {each.name: each.words for each in changes.vertices if each.words}
    # a word such as `merged into teacher_input` needs a box of that name
    boxes = [
        attrs.evolve(box, title=one_line(box.name), notes=(box.title, *box.notes))
        if box.kind == "convert"
        else box
        for box in boxes
    ]
    # what changed of a loss stands on a line of its own, also where the loss is an arrow
    return [
        box
        if box.kind in OBJECTIVES
        else attrs.evolve(box, notes=(*_lines(words, box), *box.notes))
        for box in boxes
    ]


def _lines(words: Mapping[str, tuple[str, ...]], box: Box) -> list[str]:
    said = [one_line(each) for each in words.get(box.name, ())]
    # a line that says that there is one more could say it
    if len(said) <= LINES + 1:
        return said
    return [*said[:LINES], f"… {len(said) - LINES} more changes"]
