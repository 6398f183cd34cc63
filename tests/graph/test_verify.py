import pytest

from graphkd.graph import Edge, Vertex, verify
from tests.graph.drawn import change, drawn

FINE = """
data data: image
student model: logits
again model (same as student)
both transform: -
data.image -> student.input
data.image -> again.input
student.logits -> both.input
student.logits -> both.input#1
student -- again.of
"""


def test_a_sound_graph():
    verify(drawn(FINE))


@pytest.mark.parametrize(
    ("edge", "said"),
    [
        (Edge("signal", "stage1", "guide"), "no such tap"),
        (Edge("signal", "logits", "mask"), "no such port"),
        (Edge("signal", "logits", "input"), "two edges into one place of again"),
        (Edge("signal", "logits", "guide", 1), "several taps for one"),
    ],
)
def test_an_edge_that_leads_nowhere(edge, said):
    graph = drawn(FINE)
    graph.add_edge("student", "again", edge=edge)
    with pytest.raises(AssertionError, match=said):
        verify(graph)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "other"}, "misnamed other"),
        ({"same_as": "nobody"}, "which is gone"),
        ({"same_as": "again"}, "merged twice"),
        ({"taps": {"logits": None}}, "still read"),
    ],
)
def test_a_vertex_that_is_inconsistent(changes, said):
    graph = drawn(FINE)
    change(graph, "again", **changes)
    with pytest.raises(AssertionError, match=said):
        verify(graph)


def test_a_name_without_dots():
    graph = drawn(FINE)
    graph.add_node("a.b", vertex=Vertex("a.b", "projector"))
    with pytest.raises(AssertionError, match="a dot"):
        verify(graph)
