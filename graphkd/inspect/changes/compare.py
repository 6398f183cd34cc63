"""What differs between two graphs, as data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

import attrs

from graphkd.blueprint.model import flow_name
from graphkd.graph import Edge, Graph, blueprint_of, vertex, vertices
from graphkd.inspect.changes.words import Place, edge_words, title_of, vertex_words
from graphkd.inspect.course import course_of
from graphkd.inspect.text import one_line

Sign = Literal["+", "-", "~"]


@attrs.frozen
class Change:
    """A vertex or an edge that only one of two graphs has, or that differs.

    Attributes:
        sign: `+` where only the second graph has it, `-` where only the first, `~` where both.
        name: of the vertex, in the graph that has it, or in the second; for an edge of the vertex
            that it leads to.
        title: how people see it.
        words: what changed, in words; what it is, for an edge that is new or gone.
    """

    sign: Sign
    name: str
    title: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Write `~ kl teacher.logits->student.logits: temperature 4 → 2` on one line."""
        said = f": {', '.join(self.words)}" if self.words else ""
        return one_line(f"{self.sign} {self.title}{said}")


@attrs.frozen
class Changes:
    """What differs between two graphs.

    Attributes:
        vertices: those of the second graph in its order, then those that only the first has.
        edges: likewise.
        pairs: vertices of the first graph, and what they are called in the second.
    """

    vertices: tuple[Change, ...]
    edges: tuple[Change, ...]
    pairs: Mapping[str, str]

    def __bool__(self) -> bool:
        """Say whether anything differs."""
        return bool(self.vertices or self.edges)


def compare(one: Graph, other: Graph) -> Changes:
    """Find what differs between two graphs.

    Nodes are the same when they have the same name, parts of flows when their flows have the same
    name: one more flow shifts no other.

    Args:
        one: before.
        other: after.
    """
    pairs = _pairs(one, other)
    return Changes(
        vertices=tuple(_vertices(one, other, pairs=pairs)),
        edges=tuple(_edges(one, other, pairs=pairs)),
        pairs=pairs,
    )


def _pairs(one: Graph, other: Graph) -> dict[str, str]:
    if blueprint_of(one) is blueprint_of(other):
        return {name: name for name in one if name in other}
    keys = {key: name for name, key in _keys(other).items()}
    return {name: keys[key] for name, key in _keys(one).items() if key in keys}


def _keys(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Say by what each vertex is recognized in another graph."""
    named: dict[str, list[int]] = defaultdict(list)
    for number, flow in enumerate(blueprint_of(graph).flows):
        named[flow_name(flow)].append(number)
    flows = {
        number: (name, str(place))
        for name, numbers in named.items()
        for place, number in enumerate(numbers)
    }
    taken: dict[tuple[str, ...], int] = defaultdict(int)
    keys: dict[str, tuple[str, ...]] = {}
    for each in vertices(graph):
        if each.flow is None:
            keys[each.name] = ("node", each.name)
            continue
        part = (*flows[each.flow], each.kind)
        # the projectors of a flow by their place in it
        keys[each.name] = ("part", *part, str(taken[part]))
        taken[part] += 1
    return keys


def _vertices(one: Graph, other: Graph, *, pairs: Mapping[str, str]) -> Iterator[Change]:
    before = {after: name for name, after in pairs.items()}
    courses = course_of(one), course_of(other)
    for each in vertices(other):
        title = title_of(other, each)
        if each.name not in before:
            yield Change("+", each.name, title)
            continue
        place = Place(one, vertex(one, before[each.name]), courses[0])
        words = tuple(vertex_words(place, Place(other, each, courses[1])))
        if words:
            yield Change("~", each.name, title, words)
    for each in vertices(one):
        if each.name not in pairs:
            yield Change("-", each.name, title_of(one, each))


Way = tuple[str, str, str, str, int, bool]


def _edges(one: Graph, other: Graph, *, pairs: Mapping[str, str]) -> Iterator[Change]:
    # a vertex that only the first graph has may be called like another one of the second
    names = {name: pairs.get(name, f"{name} ") for name in one}
    before = {_way(names[a], names[b], edge): (a, b, edge) for a, b, edge in _all(one)}
    after = {_way(a, b, edge): (a, b, edge) for a, b, edge in _all(other)}
    for way, (source, target, edge) in after.items():
        title = _title(other, source, target)
        if way not in before:
            yield Change("+", target, title, (edge_words(edge),))
        elif before[way][2].kind != edge.kind:
            words = f"{edge_words(before[way][2])} → {edge_words(edge)}"
            yield Change("~", target, title, (words,))
    for way, (source, target, edge) in before.items():
        if way not in after:
            yield Change("-", target, _title(one, source, target), (edge_words(edge),))


def _all(graph: Graph) -> Iterator[tuple[str, str, Edge]]:
    for source, target, data in graph.edges(data=True):
        yield source, target, data["edge"]


def _way(source: str, target: str, edge: Edge) -> Way:
    """Say by what an edge is recognized: by all but its kind and its place in a file."""
    return source, target, edge.tap, edge.port, edge.position, edge.kind == "weights"


def _title(graph: Graph, source: str, target: str) -> str:
    ends = (title_of(graph, vertex(graph, name)) for name in (source, target))
    return " ⇢ ".join(ends)
