"""The picture of who teaches whom: nothing in it lies on anything else, whatever its size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphkd.compile.resolve import resolve
from graphkd.graph import Graph
from graphkd.inspect.page.grid import grid
from graphkd.inspect.page.links import Figure, Link, figure
from graphkd.inspect.page.places import places
from graphkd.inspect.page.stairs import stairs
from graphkd.inspect.picture import Box
from tests.inspect.many import many
from tests.inspect.shipped import NAMES, shipped
from tests.inspect.test_layout import chance


@st.composite
def figures(draw):
    """Draw up to twelve boxes with arrows between any two of them and from the data."""
    boxes = [
        Box(name, "model", "w" * draw(st.integers(1, 20)), "", ("x" * draw(st.integers(0, 60)),))
        for name in "abcdefghijkl"[: draw(st.integers(1, 12))]
    ]
    known = st.sampled_from([box.name for box in boxes])
    more = "0.73" if draw(st.booleans()) else ""
    links = []
    for number in range(draw(st.integers(0, 20))):
        source, target = draw(known), draw(known)
        note = "m" * draw(st.integers(0, 30))
        origin = "label" if source == target else ""
        start = "" if origin else source
        kind = draw(st.sampled_from(["knowledge", "signal", "weights"]))
        links.append(Link(kind, start, target, f"flow{number}", "kl", note, origin, more))
    return Figure(tuple(boxes), tuple(links))


def strips(way):
    """Return the straight pieces of an arrow as rectangles without an area."""
    for (x0, y0), (x1, y1) in pairwise(way.points):
        assert x0 == x1 or y0 == y1
        yield min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def along(one, other):
    """Say whether two strips run on one line, over more than a point."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide >= 0 and high >= 0 and wide + high > 0.5


def words_of(way):
    x, y = way.label
    yield x, y - 16, x + way.room, y - 2
    if way.link.more:
        yield x, y + 3, x + way.room, y + 15


def assert_apart(found):
    # a pixel less, since an arrow ends at the edge of a box
    boxes = [(r.x + 1, r.y + 1, r.right - 1, r.bottom - 1) for r in found.boxes.values()]
    words = [each for way in found.ways for each in words_of(way)]
    lines = [list(strips(way)) for way in found.ways]
    for number, mine in enumerate(lines):
        for strip in mine:
            assert not any(meet(strip, each) for each in (*boxes, *words))
            assert not any(along(strip, other) for one in lines[:number] for other in one)
    areas = [*boxes, *words]
    for number, one in enumerate(areas):
        assert not any(meet(one, other) for other in areas[:number])
        assert one[0] >= 0 and one[1] >= 0
        assert one[2] <= found.width and one[3] <= found.height


def assert_joined(drawn, found):
    """Say that every arrow goes from its source to its target."""
    for link, way in zip(drawn.links, found.ways, strict=True):
        assert way.link is link
        for name, (x, y) in ((link.source, way.points[0]), (link.target, way.points[-1])):
            if name:
                rect = found.boxes[name]
                assert rect.x <= x <= rect.right and rect.y <= y <= rect.bottom


@pytest.mark.parametrize("place", [stairs, grid, places])
@given(drawn=figures())
def test_nothing_lies_on_anything_else(place, drawn):
    found = place(drawn, top=20.0)
    assert_apart(found)
    assert_joined(drawn, found)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_blueprints_are_drawn_clearly(name):
    graph = shipped(name)
    for more in ({}, dict.fromkeys(graph, "0.7321, before 0.8012")):
        assert_apart(places(figure(graph, more=more), top=20.0))


@pytest.mark.parametrize("seed", range(30))
def test_random_topologies_are_drawn_clearly(seed):
    drawn = figure(chance(seed, 2 + seed))
    found = places(drawn, top=20.0)
    assert_apart(found)
    assert_joined(drawn, found)


@pytest.mark.parametrize(("count", "width", "height"), [(30, 3600, 1900), (100, 7000, 5000)])
def test_many_networks_stay_compact(count, width, height):
    drawn = figure(resolve(Graph(blueprint=many(count), problems=())))
    found = places(drawn, top=20.0)
    assert_apart(found)
    # on a diagonal, 30 networks take 9000 pixels and 100 take 30000
    assert found.width < width and found.height < height


def test_what_does_not_hang_together_stands_apart():
    drawn = figure(resolve(Graph(blueprint=many(60, pairs=True), problems=())))
    found = places(drawn, top=20.0)
    assert_apart(found)
    assert 0.5 < found.width / found.height < 4


def test_who_teaches_stands_left_of_who_learns_in_a_large_picture():
    drawn = figure(resolve(Graph(blueprint=many(30), problems=())))
    boxes = grid(drawn, top=20.0).boxes
    for link in drawn.links:
        if link.source:
            assert boxes[link.source].right < boxes[link.target].x
