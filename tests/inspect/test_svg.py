"""What an SVG drawing holds, read back from its XML."""

import xml.etree.ElementTree as ET

import pytest

from graphkd.blueprint.model import Phase
from graphkd.compile import compile_blueprint
from graphkd.graph import vertices
from graphkd.inspect import svg
from graphkd.inspect.drawing.svg import drawing
from graphkd.inspect.text import text_width
from tests.inspect.shipped import NAMES, shipped
from tests.inspect.test_layout import chance

SIZES = {"name": 17.0, "title": 12.5}


def read(graph):
    """Parse the drawing; element names without their namespace."""
    return parsed(svg(graph))


def parsed(text):
    root = ET.fromstring(text)
    for each in root.iter():
        each.tag = each.tag.partition("}")[2]
    return root


def numbers(each, *names):
    return [float(each.get(name, 0)) for name in names]


def span(text):
    """Say where a text starts and ends, by the estimate that is wide for every font."""
    look = text.get("class", "")
    width = text_width(text.text, SIZES.get(look, 10.5))
    (x,) = numbers(text, "x")
    return (x - width, x) if look == "aside" else (x, x + width)


@pytest.fixture(params=["small", "large"])
def drawn(request, inferred):
    return read(inferred(request.getfixturevalue(request.param)))


def test_texts_stay_in_the_picture_and_apart(drawn):
    assert_words_apart(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_words_of_shipped_blueprints_are_whole_and_apart(name):
    root = read(shipped(name))
    assert_words_apart(root)
    assert not [each.text for each in root.iter("text") if each.text.endswith("…")]


@pytest.mark.parametrize("seed", range(6))
def test_words_of_many_nodes_keep_apart(seed):
    assert_words_apart(read(chance(seed, 25)))


def test_what_more_is_said_has_a_line_of_its_own(large, inferred):
    graph = inferred(large)
    more = {each.name: f"{each.name} 0.73" for each in vertices(graph, "loss")}
    root = parsed(drawing(graph, style="", more=more))
    assert_words_apart(root)
    said = [each.text for each in root.iter("text") if each.get("class") == "more"]
    assert sorted(said) == sorted(more.values())


def assert_words_apart(drawn):
    _, _, width, height = map(float, drawn.get("viewBox").split())
    texts = [(*span(each), float(each.get("y"))) for each in drawn.iter("text")]
    for left, right, y in texts:
        assert 0 <= left < right <= width + 0.5 and 0 < y < height
    for index, (left, right, y) in enumerate(texts):
        for other in texts[:index]:
            assert abs(other[2] - y) >= 10 or other[1] <= left + 0.5 or right <= other[0] + 0.5


def test_boxes_do_not_overlap(drawn):
    rects = [
        numbers(each, "x", "y", "width", "height")
        for each in drawn.iter("rect")
        if each.get("class") == "box"
    ]
    assert rects
    for index, (x, y, width, height) in enumerate(rects):
        for a, b, c, d in rects[:index]:
            assert x + width <= a or a + c <= x or y + height <= b or b + d <= y


def test_small_says_who_learns_when(small, inferred):
    root = read(inferred(small))
    texts = [each.text for each in root.iter("text")]
    for said in (
        "small",
        "Soft targets",
        "teacher",
        "trained in teach",
        "trained in distil, delivered",
        "line · 275 parameters",
        "data.label → teacher.logits",
        "in teach",
        "x 0.9",
        "temperature 2 · in distil",
        "b, 3 classes",
    ):
        assert said in texts
    assert [each.get("class") for each in root.iter("rect") if "lane" in each.get("class")] == [
        "frame lane trained",
        "frame lane delivered",
    ]


def test_arrows_of_small(small, inferred):
    kinds = [each.get("class") for each in read(inferred(small)).iter("polygon")]
    # two images, two labels and the legend; three losses that teach; one that is taught from
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "signal": 5,
        "gradient": 4,
        "knowledge": 2,
    }


def test_a_frozen_teacher_is_marked(large, inferred):
    root = read(inferred(large))
    looks = [each.get("class") for each in root.iter("rect") if "lane" in each.get("class")]
    assert looks.count("frame lane frozen") == 2
    assert looks.count("frame lane delivered") == 1
    assert looks.count("frame lane other") == 1


def test_marks_say_without_colour_what_happens_to_a_node(large, inferred):
    looks = [each.get("class") for each in read(inferred(large)).iter("path")]
    marks = {name: looks.count(f"glyph {name}") for name in ("frozen", "trained", "shared")}
    # once in the legend; two teachers; three learners and a call; who lends to the call, and it
    assert marks == {"frozen": 1 + 2, "trained": 1 + 4, "shared": 1 + 2}


def test_weights_stand_on_the_arrows_into_learners(large, inferred):
    root = read(inferred(large))
    plates = [each for each in root.iter("rect") if each.get("class") == "plate"]
    said = [each.text for each in root.iter("text") if each.get("class") == "weight"]
    assert sorted(said) == ["x 0 → 1", "x 0.5", "x n"]
    boxes = [numbers(e, "x", "y", "width", "height") for e in root.iter("rect") if is_box(e)]
    for each in plates:
        x, y, width, height = numbers(each, "x", "y", "width", "height")
        assert not [
            b
            for b in boxes
            if b[0] < x + width and x < b[0] + b[2] and b[1] < y + height and y < b[1] + b[3]
        ]
    texts = [each.text for each in root.iter("text")]
    assert "x 0 → 1 in 2 epochs, cosine" in texts


def is_box(each):
    return each.get("class") == "box"


def test_the_same_graph_gives_the_same_text(large, inferred):
    assert svg(inferred(large)) == svg(inferred(large))


def test_graphs_between_passes_can_be_drawn(large):
    large.phases.insert(0, Phase("first", train=("assistant",)))
    for graph in compile_blueprint(large, keep_stages=True).stages.values():
        ET.fromstring(svg(graph))
