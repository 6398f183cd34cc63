"""The picture of who teaches whom: its order, and that nothing in it lies on anything else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from graphkd.inspect.page.links import Figure, Link, figure
from graphkd.inspect.page.stairs import stairs
from graphkd.inspect.picture import Box


def test_who_teaches_stands_before_who_learns(large, inferred):
    found = figure(inferred(large))
    order = [box.name for box in found.boxes]
    assert order.index("council") < order.index("assistant") < order.index("student")
    notes = {link.of: (link.source, link.target, link.title, link.note) for link in found.links}
    assert ("first", "student", "mse", "early · via linear") in notes.values()
    assert ("assistant", "student", "kl", "x 0 to 1 in 2 epochs · logits · every 2 steps") in (
        notes.values()
    )
    kinds = [(link.kind, link.source, link.target) for link in found.links]
    assert ("weights", "student", "again") in kinds
    assert ("signal", "first", "council") in kinds
    # two ways of teaching are two arrows
    assert {("knowledge", "student", "peer"), ("knowledge", "peer", "student")} <= set(kinds)


@st.composite
def figures(draw):
    """Draw up to seven boxes with arrows between any two of them and from the data."""
    boxes = [
        Box(name, "model", "w" * draw(st.integers(1, 20)), "", ("x" * draw(st.integers(0, 60)),))
        for name in "abcdefg"[: draw(st.integers(1, 7))]
    ]
    known = st.sampled_from([box.name for box in boxes])
    links = []
    for number in range(draw(st.integers(0, 14))):
        source, target = draw(known), draw(known)
        note = "m" * draw(st.integers(0, 30))
        origin = "label" if source == target else ""
        start = "" if origin else source
        links.append(Link("knowledge", start, target, f"flow{number}", "kl", note, origin))
    return Figure(tuple(boxes), tuple(links))


def strips(way):
    """Return the straight pieces of an arrow as rectangles without an area."""
    for (x0, y0), (x1, y1) in pairwise(way.points):
        yield min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


def meet(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@given(figures())
def test_no_arrow_passes_a_box_and_no_word_is_crossed(figure):
    found = stairs(figure, top=20.0)
    # a pixel less, since an arrow ends at the edge of a box
    boxes = [(r.x + 1, r.y + 1, r.right - 1, r.bottom - 1) for r in found.boxes.values()]
    words = [(w.label[0], w.label[1] - 16, w.label[0] + w.room, w.label[1] - 2) for w in found.ways]
    for way in found.ways:
        for strip in strips(way):
            assert not any(meet(strip, box) for box in boxes)
            assert not any(meet(strip, each) for each in words)
    for number, one in enumerate(words):
        assert not any(meet(one, box) for box in boxes)
        assert not any(meet(one, other) for other in words[:number])
    for each in (*boxes, *words):
        assert each[0] >= 0 and each[2] <= found.width
        assert each[1] >= 0 and each[3] <= found.height
