"""What an SVG drawing holds, read back from its XML."""

import xml.etree.ElementTree as ET

import pytest

from graphkd.blueprint.model import Phase
from graphkd.compile import compile_blueprint
from graphkd.inspect import svg
from graphkd.inspect.text import text_width

SIZES = {"name": 17.0, "title": 12.5}


def read(graph):
    """Parse the drawing; element names without their namespace."""
    root = ET.fromstring(svg(graph))
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
        "student line · 275 parameters",
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


def test_the_same_graph_gives_the_same_text(large, inferred):
    assert svg(inferred(large)) == svg(inferred(large))


def test_graphs_between_passes_can_be_drawn(large):
    large.phases.insert(0, Phase("first", train=("assistant",)))
    for graph in compile_blueprint(large, keep_stages=True).stages.values():
        ET.fromstring(svg(graph))
