"""Each kind of difference, by hand."""

import json

import attrs
import pytest

from graphkd.blueprint.diff import Change, diff
from graphkd.blueprint.model import Blueprint, Data, Phase, Train
from graphkd.components.datasets import Digits
from graphkd.components.losses import KL, MSE, CrossEntropy
from graphkd.components.models import Student, Teacher


def blueprint():
    made = Blueprint("one", Data(Digits()))
    teacher = made.node("teacher", Teacher("timm/big"))
    student = made.node("student", Student("timm/small", args={"depth": 2}))
    made.flow(made.batch.label, student.logits, CrossEntropy(), weight=0.1)
    made.flow(teacher.logits, student.logits, KL())
    made.phases = [Phase("warm", recipe={"lr": 0.1}), Phase("learn")]
    return made


@pytest.fixture
def one():
    return blueprint()


@pytest.fixture
def other():
    return blueprint()


def said(one, other):
    return [str(each) for each in diff(one, other)]


def test_equal_blueprints_do_not_differ(one, other):
    assert diff(one, other) == []


def test_a_changed_value(one, other):
    other.nodes["student"] = attrs.evolve(
        other.nodes["student"], component=Student("timm/tiny", args={"depth": 3})
    )
    assert diff(one, other) == [
        Change("nodes.student.model", "~", "timm/small", "timm/tiny"),
        Change("nodes.student.args.depth", "~", 2, 3),
    ]
    assert said(one, other) == [
        "~ nodes.student.model: timm/small -> timm/tiny",
        "~ nodes.student.args.depth: 2 -> 3",
    ]


def test_a_value_and_a_default(one, other):
    other.data = Data(Digits(), labels_per_class=5)
    other.train = Train(lr=0.01)
    assert diff(one, other) == [
        Change("data.labels_per_class", "+", None, 5),
        Change("train", "+", None, {"lr": 0.01}),
    ]
    assert said(other, one) == ["- data.labels_per_class: 5", '- train: {"lr": 0.01}']


def test_a_written_null_is_no_absence(one, other):
    other.phases[1] = Phase("learn", data={"labels_per_class": None})
    assert said(one, other) == ['+ phases.learn.data: {"labels_per_class": null}']
    one.phases[1] = Phase("learn", data={"mixup": 0.2})
    assert said(one, other) == [
        "- phases.learn.data.mixup: 0.2",
        "+ phases.learn.data.labels_per_class: null",
    ]


def test_true_is_not_one(one, other):
    for made, value in ((one, 1), (other, True)):
        made.nodes["student"] = attrs.evolve(
            made.nodes["student"], component=Student("x", args={"flag": value})
        )
    assert said(one, other) == ["~ nodes.student.args.flag: 1 -> true"]


def test_nodes_that_came_and_went(one, other):
    other.nodes["helper"] = other.nodes.pop("teacher")
    assert diff(one, other) == [
        Change("nodes.teacher", "-", {"type": "teacher", "model": "timm/big"}, None),
        Change("nodes.helper", "+", None, {"type": "teacher", "model": "timm/big"}),
    ]


def test_flows_are_compared_by_name(one, other):
    other.flows.insert(0, attrs.evolve(other.flows[0], loss=MSE()))
    other.flows[2] = attrs.evolve(other.flows[2], loss=KL(temperature=2.0), every=3)
    assert said(one, other) == [
        "+ flows.teacher.logits->student.logits/kl.temperature: 2.0",
        "+ flows.teacher.logits->student.logits/kl.every: 3",
        "+ flows.data.label->student.logits/mse: "
        '{"from": "data.label", "to": "student.logits", "loss": "mse", "weight": 0.1}',
    ]


def test_flows_called_alike_are_counted(one, other):
    for made in (one, other):
        made.flows = [
            attrs.evolve(made.flows[0], name=name, weight=weight)
            for name, weight in (("x#2", 1.0), ("x", 2.0), ("x", 3.0))
        ]
    other.flows[2] = attrs.evolve(other.flows[2], weight=4.0)
    assert said(one, other) == ["~ flows.x#3.weight: 3.0 -> 4.0"]


def test_phases_are_compared_by_name(one, other):
    other.phases = [Phase("warm", recipe={"lr": 0.2}), Phase("more"), Phase("learn")]
    assert said(one, other) == [
        "~ phases.warm.lr: 0.1 -> 0.2",
        '+ phases.more: {"name": "more"}',
    ]


def test_another_order_of_phases_and_flows_is_told(one, other):
    other.phases.reverse()
    other.flows.reverse()
    assert said(one, other) == [
        '~ flows: ["data.label->student.logits/cross_entropy", '
        '"teacher.logits->student.logits/kl"] -> ["teacher.logits->student.logits/kl", '
        '"data.label->student.logits/cross_entropy"]',
        '~ phases: ["warm", "learn"] -> ["learn", "warm"]',
    ]


def test_phases_against_none(one, other):
    other.phases = []
    assert said(one, other) == [
        '- phases.warm: {"name": "warm", "lr": 0.1}',
        '- phases.learn: {"name": "learn"}',
    ]


def test_lines_stay_lines(one, other):
    other.about = "two\nlines"
    assert said(one, other) == ['+ about: "two\\nlines"']


def test_changes_can_be_written_as_json(one, other):
    other.nodes.pop("teacher")
    json.dumps([attrs.asdict(each) for each in diff(one, other)])
