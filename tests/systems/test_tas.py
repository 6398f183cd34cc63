"""TAS as blueprints: stages run once, the teacher stays as it is, no untaught assistant."""

import pytest
import torch

from graphkd.blueprint import load, loads, shipped
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Forward
from graphkd.errors import BlueprintError
from graphkd.graph import vertex
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.session import start_session
from tests.run.small import stepper
from tests.systems.short import short


def begun(name):
    return start_session(compile_blueprint(load(name)), seed=0, device=torch.device("cpu"))


def batch(count=16):
    torch.manual_seed(0)
    label = torch.arange(count) % 10
    return {"image": torch.rand(count, 1, 32, 32), "label": label, "index": torch.arange(count)}


@pytest.mark.parametrize(
    ("name", "early"), [("tas", "student.stage3"), ("tas_cnn_teacher", "teacher.stage3")]
)
def test_no_stage_of_a_donor_runs_twice(name, early):
    plan = compile_blueprint(load(name)).phases[1]
    forwards = [each for each in plan.instructions if isinstance(each, Forward)]
    assert [each.node for each in forwards if "linear" not in each.node] == [
        "teacher",
        "student",
        "assistant",
    ]
    by_name = {each.node: each for each in forwards}
    # the assistant goes on from what the donor's own forward gave
    assert [read.value for read in by_name["assistant"].reads] == [early]
    assert not by_name["teacher"].gradient


@pytest.mark.parametrize("name", ["tas", "tas_cnn_teacher"])
def test_2_teacher_without_gradient_projector_and_student_with(name):
    session = begun(name)
    step = stepper(session, 1)
    outcome = step.module(batch(), weights=[1.0] * len(step.names))
    torch.autograd.backward(outcome.losses, [torch.ones(())] * len(outcome.losses))
    parts = session.parts
    assert all(each.grad is None for each in parts["teacher"].parameters())
    assert all(each.grad is not None for each in parts["assistant"].parameters())
    stages = [p for n, p in parts["student"].named_parameters() if "head" not in n]
    assert all(each.grad is not None for each in stages)


def test_1_the_assistant_adds_its_projector_alone():
    schedule = compile_blueprint(load("tas"))
    session = begun("tas")
    own = sum(each.numel() for each in session.parts["assistant"].projector.parameters())
    assert vertex(schedule.graph, "assistant").cost.parameters == own
    assert sum(each.numel() for each in session.parts["assistant"].parameters()) == own


def test_an_assistant_that_teaches_untaught_is_refused():
    text = "\n".join(
        line for line in shipped()["tas"].read_text().splitlines() if "to: assistant." not in line
    )
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text, name="t.yaml"))
    assert (
        "nobody teaches hybrid_assistant 'assistant'; add a flow with to: assistant.logits"
        in str(caught.value)
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("early: student.embedding, late: teacher.stage4", "read another tap"),
        ("early: student.stage3, late: teacher.logits", "late"),
        ("early: student.stage3, late: teacher", "late"),
        ("early: student.stage3, late: techer.stage4", "no node 'techer'; did you mean 'teacher'?"),
    ],
)
def test_donors_that_cannot_meet_are_refused_with_a_remedy(fields, said):
    text = shipped()["tas"].read_text()
    text = text.replace("early: student.stage3, late: teacher.stage4", fields)
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text, name="t.yaml"))
    (first, *_) = caught.value.problems
    assert str(first).startswith("t.yaml:") and "node 'assistant'" in str(first)
    assert said in str(first)


def test_the_student_alone_is_handed_back(tmp_path):
    from safetensors.torch import load_file

    train(short("tas"), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    plain = session.parts["student"].deliverable().state_dict()
    assert set(load_file(tmp_path / "run" / "student.safetensors")) == set(plain)


def test_an_assistant_cannot_be_handed_back():
    text = shipped()["tas"].read_text() + "deliver: assistant\n"
    with pytest.raises(BlueprintError) as caught:
        compile_blueprint(loads(text, name="t.yaml"))
    line = text.count("\n")
    assert str(caught.value) == (
        f"t.yaml:{line}:10: deliver: 'assistant' is a hybrid_assistant, made of other nodes' "
        "stages, and cannot be handed back (has teacher, student)"
    )
