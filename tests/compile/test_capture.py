"""Whose step is captured, what is refused and why, and how people are told."""

from typing import ClassVar

import attrs
import pytest

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import Port, component
from graphkd.errors import BlueprintError
from graphkd.inspect import explain

pytestmark = pytest.mark.usefixtures("weights")

TEXT = """\
blueprint: test
data: {dataset: fake, size: 8}
nodes:
  teacher: {type: teacher, model: tiny, weights: W3.safetensors}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
train: {capture: true}
"""
PHASES = "phases: [{name: first, train: [student]}, {name: second, train: [student]}]\n"


@component("loss", "host_loss_for_tests")
@attrs.frozen
class HostLoss:
    """Looks at its values.

    Attributes:
        scale: factor.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))
    capturable: ClassVar[bool] = False

    scale: float = 1.0

    def __call__(self, student, teacher):
        return self.scale * (student - teacher).mean() if teacher.max().item() else student.sum()


def captured(text, **options):
    return [each.captured for each in compile_blueprint(loads(text), **options).phases]


def at(node, key):
    return TEXT.replace(f"type: {node},", f"type: {node}, {key},")


def test_a_step_that_is_always_the_same_is_captured_unless_it_is_switched_off():
    assert captured(TEXT) == [True]
    assert captured(TEXT, without=["place"]) == [False]
    assert captured(TEXT.replace("capture: true", "capture: false")) == [False]
    assert not compile_blueprint(loads(TEXT)).evaluation.captured


REFUSED = {
    at("teacher", "cache: true"): "node 'teacher' is read from a cache",
    at("teacher", "device: cpu"): "node 'teacher' is on a device of its own",
    at("teacher", "shard: true"): "the weights of node 'teacher' are divided",
    at("student", "checkpoint: true"): "node 'student' is computed again",
    TEXT.replace("loss: kl", "loss: host_loss_for_tests"): "flow 2 needs the host in each step",
}


@pytest.mark.parametrize("text", REFUSED)
def test_where_no_phase_can_be_captured_the_reason_is_told(text):
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text))
    (problem,) = caught.value.problems
    assert "train.capture: no phase can be captured: " + REFUSED[text] in str(problem)
    assert str(problem).startswith("blueprint:9:18:")
    assert str(problem).endswith("drop capture")


def test_a_phase_that_cannot_be_captured_is_not_and_says_why():
    phases = PHASES.replace("first, ", "first, data: {augment: [random_flip]}, ")
    text = at("teacher", "cache: true") + phases
    schedule = compile_blueprint(loads(text))
    assert [each.captured for each in schedule.phases] == [True, False]
    told = explain(schedule)
    assert "captured: forwards and backwards are one CUDA graph on a GPU; none on a cpu" in told
    assert "not captured: node 'teacher' is read from a cache" in told


def test_a_phase_that_asks_for_it_by_itself_is_refused():
    text = TEXT.replace("capture: true", "epochs: 2") + PHASES.replace(
        "name: second,", "name: second, capture: true,"
    )
    assert captured(text) == [False, True]
    text = text.replace("type: student,", "type: student, checkpoint: true,")
    with pytest.raises(BlueprintError, match="phase 'second': it cannot be captured: node 'stud"):
        compile_blueprint(loads(text))
