import attrs
import pytest

import graphkd.component.registry as registry
from graphkd.blueprint import Flow, Phase, Ramp, Ref
from graphkd.compile.fuse import fuse
from graphkd.compile.instructions import Backward, Forward, Fused, Loss, Read
from graphkd.compile.schedule import schedule
from graphkd.component import component, names
from graphkd.graph import verify, vertex
from tests.graph.drawn import LOGITS, Part, change, drawn, plain, written


@pytest.fixture(autouse=True)
def family(monkeypatch):
    """Register two fusions for a test: the core knows none by name."""
    names("loss")
    monkeypatch.setattr(registry, "_components", dict(registry._components))

    @component("fusion", "near")
    @attrs.frozen
    class Near:
        """Takes all but what has more than 99 classes."""

        def refusal(self, loss, inputs):
            large = [port for port, socket in inputs.items() if socket.shape[-1] > 99]
            return f"{large[0]} has {inputs[large[0]].shape[-1]} classes" if large else ""

    @component("fusion", "far")
    @attrs.frozen
    class Far:
        """Takes everything."""

        def refusal(self, loss, inputs):
            return ""


def flow(**settings):
    return Flow(Ref("teacher"), Ref("student"), Part("loss"), **settings)


def reasons(graph):
    return {name: vertex(graph, name).unfused for name in graph if vertex(graph, name).unfused}


TWO_LEARNERS = """
data data: label
student model (learns, gradient): logits
helper model (learns, gradient): logits
flow1 loss (gradient)
flow2 loss (gradient)
flow3 loss (gradient)
student.logits => flow1.student
data.label ~> flow1.label
helper.logits => flow2.student
student.logits => flow3.student
helper.logits ~> flow3.teacher
"""
NEAR = {"flow1": "near", "flow2": "near", "flow3": "near"}


def test_flows_of_all_learners_go_to_one_launch():
    assert written(fuse(drawn(TWO_LEARNERS, fusions=NEAR))) == plain("""
    data data: label
    student model (learns, gradient): logits
    helper model (learns, gradient): logits
    flow1 loss (gradient, fused with flow1)
    flow2 loss (gradient, fused with flow1)
    flow3 loss (gradient, fused with flow1)
    student.logits => flow1.student
    data.label ~> flow1.label
    helper.logits => flow2.student
    student.logits => flow3.student
    helper.logits ~> flow3.teacher
    """)


def test_each_family_has_its_launch():
    made = fuse(drawn(TWO_LEARNERS, fusions={**NEAR, "flow2": "far"}))
    groups = [vertex(made, name).fused_with for name in ("flow1", "flow2", "flow3")]
    assert groups == ["flow1", "flow2", "flow1"]


def test_each_backward_has_its_launch():
    into = [("student",), (), ("student",)]
    graph = drawn(TWO_LEARNERS, fusions=NEAR, flows=[flow(into=each) for each in into])
    made = fuse(graph)
    groups = [vertex(made, name).fused_with for name in ("flow1", "flow2", "flow3")]
    assert groups == ["flow1", "flow2", "flow1"]


def test_what_is_not_fused_says_why():
    graph = drawn(
        TWO_LEARNERS,
        fusions={"flow1": "near", "flow3": "near"},
        flows=[flow(every=3), flow(), flow()],
    )
    change(graph, "helper", taps={"logits": attrs.evolve(LOGITS, shape=(2, 1000))})
    made = fuse(graph)
    assert reasons(made) == {
        "flow1": "it runs in every 3rd step only",
        "flow2": "part has no fused form",
        "flow3": "teacher has 1000 classes",
    }
    assert not any(vertex(made, name).fused_with for name in made)


@pytest.mark.parametrize(
    ("every", "word"),
    [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (13, "13th"), (21, "21st"), (112, "112th")],
)
def test_how_often_it_runs(every, word):
    graph = drawn(TWO_LEARNERS, fusions=NEAR, flows=[flow(every=every), flow(), flow()])
    assert reasons(fuse(graph)) == {"flow1": f"it runs in every {word} step only"}


def test_a_ramp_is_no_obstacle():
    ramp = Ramp(0.0, 1.0, epochs=2.0)
    graph = drawn(TWO_LEARNERS, fusions=NEAR, flows=[flow(weight=ramp), flow(), flow()])
    assert reasons(fuse(graph)) == {}


def test_a_phase_without_losses_stays_as_it_is():
    text = """
    data data: image
    student model: logits
    data.image -> student.input
    """
    assert written(fuse(drawn(text, phase=Phase("evaluate")))) == plain(text)


def test_an_unknown_fusion_has_the_nearest():
    with pytest.raises(KeyError) as raised:
        fuse(drawn(TWO_LEARNERS, fusions={"flow1": "nera"}))
    assert raised.value.args == ("no fusion 'nera'; did you mean 'near'?",)


def test_a_group_is_computed_behind_its_last_member_those_of_a_learner_together():
    graph = drawn(
        """
        student model (learns, gradient): logits
        helper model (learns, gradient): logits
        flow1 loss (gradient)
        flow2 loss (gradient)
        flow3 loss (gradient)
        flow4 loss (gradient)
        flow5 loss (gradient)
        student.logits => flow1.student
        helper.logits => flow2.student
        student.logits => flow3.student
        student.logits => flow4.student
        student.logits => flow5.student
        """,
        fusions={"flow1": "near", "flow2": "near", "flow4": "near"},
    )
    body = schedule(fuse(graph)).instructions[2:-3]
    assert [type(each).__name__ for each in body] == [*["Loss"] * 4, "Fused", "Loss"]
    assert [each.node for each in body[4].members] == ["flow1", "flow4", "flow2"]
    assert body[4].frees == ("helper.logits",)
    assert body[5].frees == ("student.logits",)


def test_the_schedule_of_two_learners():
    plan = schedule(fuse(drawn(TWO_LEARNERS, fusions=NEAR)))
    student, helper = Read("student.logits"), Read("helper.logits")
    losses = [
        Loss("flow1", "flow1", (student, Read("data.label")), 1.0),
        Loss("flow2", "flow2", (helper,), 1.0),
        Loss("flow3", "flow3", (student, Read("helper.logits", detach=True)), 1.0),
    ]
    assert plan.instructions[:-2] == (
        Forward("student", "student", (), ("logits",), ("student.logits",), gradient=True),
        Forward("helper", "helper", (), ("logits",), ("helper.logits",), gradient=True),
        *losses,
        # values are read until the launch is over
        Fused(
            "near",
            (losses[0], losses[2], losses[1]),
            frees=("student.logits", "helper.logits"),
        ),
        Backward(("flow1", "flow2", "flow3")),
    )


def test_a_broken_group_is_found():
    graph = fuse(drawn(TWO_LEARNERS, fusions=NEAR))
    verify(graph)
    change(graph, "flow2", fused_with="flow3")
    with pytest.raises(AssertionError, match="flow2 is fused with a follower"):
        verify(graph)
    change(graph, "flow2", fused_with="flow9")
    with pytest.raises(AssertionError, match="flow2 is fused with flow9, which is gone"):
        verify(graph)
    change(graph, "flow2", fused_with="flow1", component=Part("loss", fusion="far"))
    with pytest.raises(AssertionError, match="flow2 is fused with another family"):
        verify(graph)
