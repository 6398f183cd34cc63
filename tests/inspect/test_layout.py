"""Boxes keep apart, and arrows keep out of boxes that they do not belong to."""

import random

import attrs
import pytest

from graphkd.blueprint.model import Blueprint, Data, Ref, Via
from graphkd.compile.resolve import resolve
from graphkd.component import Port
from graphkd.components.datasets import Digits
from graphkd.components.losses import KL, MSE
from graphkd.components.projectors import Linear
from graphkd.components.transforms import Ensemble
from graphkd.graph import Graph
from graphkd.inspect.drawing.lanes import arrange
from graphkd.inspect.drawing.layout import Rect, lay_out
from graphkd.inspect.drawing.routes import routes
from graphkd.inspect.text import clip, packed, text_width
from tests.inspect.shipped import NAMES, shipped

TAPS = ("stage1", "stage2", "embedding", "logits")


@attrs.frozen
class Model:
    component_kind = "model"
    component_name = "student"
    ports = (Port("input", "b c h w"),)
    learns = True
    delivered = True
    of: str = attrs.field(default="", metadata={"reference": "node"})


@attrs.frozen
class Teacher(Model):
    component_name = "teacher"
    of: str = ""


def chance(seed, size):
    """Make a graph of `size` nodes that is wired by chance, without shapes."""
    dice = random.Random(seed)
    made = Blueprint("chance", Data(Digits()))
    models: list[str] = []
    outputs: list[Ref] = []
    for number in range(size):
        kind = dice.choice(["teacher", "teacher", "borrower", "reader", "transform", "projector"])
        name = f"node{number}"
        tap = dice.choice([*outputs, Ref("data", "image")])
        if kind == "teacher" or len(models) < 2:
            made.node(name, Teacher())
        elif kind == "borrower":
            made.node(name, Model(of=dice.choice(models)), input=(made.batch.image,))
        elif kind == "reader":
            made.node(name, Teacher(), input=tap)
        elif kind == "transform":
            made.node(name, Ensemble(), input=tuple(dice.sample(outputs, 2)))
        else:
            made.node(name, Linear(2), input=tap)
        if kind in ("transform", "projector") and len(models) >= 2:
            outputs.append(Ref(name))
        else:
            models.append(name)
            outputs += [Ref(name, each) for each in TAPS]
    for _ in range(size):
        via = [
            Via(Linear(), on=dice.choice(["to", "from"])) for _ in range(dice.choice([0, 0, 1, 2]))
        ]
        source = dice.choice([*outputs, made.batch.label, made.batch.image])
        made.flow(source, dice.choice(outputs), dice.choice([KL(), MSE()]), via=via)
    return resolve(Graph(blueprint=made, problems=()))


def boxes_of(layout):
    return {**layout.chips, **layout.data, **layout.objectives}


def overlap(one, other):
    wide = min(one.right, other.right) - max(one.x, other.x)
    high = min(one.bottom, other.bottom) - max(one.y, other.y)
    return wide > 0 and high > 0


def sampled(route):
    """Go along a line, a cubic curve and a line."""
    start, a, b, c, d, end = route.points
    steps = [index / 40 for index in range(41)]
    yield from ((start[0] + t * (a[0] - start[0]), start[1] + t * (a[1] - start[1])) for t in steps)
    for t in steps:
        parts = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        yield tuple(
            sum(p * point[i] for p, point in zip(parts, (a, b, c, d), strict=True)) for i in (0, 1)
        )
    yield from ((d[0] + t * (end[0] - d[0]), d[1] + t * (end[1] - d[1])) for t in steps)


def inside(rect, x, y):
    return rect.x + 0.01 < x < rect.right - 0.01 and rect.y + 0.01 < y < rect.bottom - 0.01


@pytest.mark.parametrize("seed", range(30))
def test_boxes_and_arrows_keep_apart(seed):
    assert_apart(chance(seed, 2 + seed))


@pytest.mark.parametrize("name", NAMES)
def test_boxes_and_arrows_of_shipped_blueprints_keep_apart(name):
    assert_apart(shipped(name))


def assert_apart(graph):
    plan = arrange(graph)
    layout = lay_out(plan)
    boxes = list(boxes_of(layout).values())
    lanes = list(layout.lanes.values())
    outer = [*lanes, *layout.groups.values(), *layout.data.values()]
    for group in (boxes, outer):
        assert not [(a, b) for i, a in enumerate(group) for b in group[:i] if overlap(a, b)]
    for rect in (*boxes, *outer):
        assert rect.x >= 0 and rect.y >= 0
        assert rect.right <= layout.width and rect.bottom <= layout.height
    found = routes(plan, layout)
    assert len(found) >= len(plan.wires)
    for route in found:
        ends = {route.points[0], route.points[-1]}
        for x, y in sampled(route):
            assert not [rect for rect in boxes if inside(rect, x, y)], route
            for lane in lanes:
                if inside(lane, x, y):
                    assert any(
                        lane.x <= a <= lane.right and lane.y <= b <= lane.bottom for a, b in ends
                    ), route


def test_every_wire_is_drawn_between_its_boxes():
    plan = arrange(chance(3, 20))
    layout = lay_out(plan)
    drawn = [route for route in routes(plan, layout) if route.kind != "depth"]
    boxes = {**layout.lanes, **boxes_of(layout)}
    for wire, route in zip(plan.wires, drawn, strict=True):
        for spot, (x, y) in zip((wire.source, wire.target), route.points[::5], strict=True):
            mine = [boxes[key] for key in (spot, spot[0]) if key in boxes]
            assert any(b.x <= x <= b.right and b.y <= y <= b.bottom for b in mine), (wire, route)


def test_a_lane_stands_right_of_what_it_reads():
    plan = arrange(chance(5, 30))
    columns = {lane.box.name: lane.column for lane in plan.lanes}
    for wire in plan.wires:
        source, target = (name for name, _ in wire.ends)
        if wire.kind != "weights" and source != target and {source, target} <= set(columns):
            assert columns[source] < columns[target]


def test_who_teaches_stands_above_who_learns():
    made = Blueprint("order", Data(Digits()))
    for name in ("student", "assistant", "teacher"):
        made.node(name, Teacher())
    made.flow(Ref("teacher", "logits"), Ref("assistant", "logits"), KL())
    made.flow(Ref("assistant", "logits"), Ref("student", "logits"), KL())
    plan = arrange(resolve(Graph(blueprint=made, problems=())))
    assert [lane.box.name for lane in plan.lanes] == ["teacher", "assistant", "student"]


def test_taps_stand_in_order_of_depth():
    made = Blueprint("depth", Data(Digits()))
    made.node("model", Teacher())
    for tap in ("logits", "stage10", "embedding", "stage2"):
        made.flow(made.batch.label, Ref("model", tap), MSE())
    (lane,) = arrange(resolve(Graph(blueprint=made, problems=()))).lanes
    assert [chip.title for chip in lane.chips] == ["stage2", "stage10", "embedding", "logits"]
    assert [chip.step for chip in lane.chips] == [0, 1, 2, 3]


def test_a_projector_stands_beside_its_tap_or_below_if_the_tap_is_read_elsewhere():
    made = Blueprint("rows", Data(Digits()))
    made.node("model", Teacher())
    made.flow(made.batch.label, Ref("model", "stage1"), MSE(), via=[Via(Linear()), Via(Linear())])
    made.flow(made.batch.label, Ref("model", "stage2"), MSE(), via=Via(Linear()))
    made.flow(made.batch.label, Ref("model", "stage2"), MSE())
    (lane,) = arrange(resolve(Graph(blueprint=made, problems=()))).lanes
    assert [(chip.title, chip.depth, chip.row) for chip in lane.chips] == [
        ("stage1", 0, 0),
        ("linear", 1, 0),
        ("linear", 2, 0),
        ("stage2", 0, 1),
        ("linear", 1, 2),
    ]


def test_long_texts_are_cut():
    assert clip("logits", 10.0, 100.0) == "logits"
    cut = clip("a" * 50, 10.0, 100.0)
    assert cut.endswith("…") and text_width(cut, 10.0) <= 100.0 < text_width("a" + cut, 10.0)
    assert clip("", 10.0, -5.0) == ""
    # letters of East Asia take about their height
    assert text_width("学生", 10.0) == 20.0


def test_notes_are_packed_into_lines():
    assert packed(["aa", "", "bb", "c" * 20, "d"], 10.0, 60.0) == ["aa · bb", "c" * 20, "d"]


def test_sides_of_a_rectangle():
    rect = Rect(1.0, 2.0, 10.0, 20.0)
    assert (rect.right, rect.bottom, rect.middle) == (11.0, 22.0, 12.0)
