"""GPD as blueprints: shared weights through a whole run, and a plain student in the end."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from graphkd.blueprint import load
from graphkd.compile import compile_blueprint
from graphkd.compile.instructions import Forward
from graphkd.errors import BlueprintError
from graphkd.graph import vertex
from graphkd.run import Stopped, resume, train
from graphkd.run.again import open_run
from graphkd.run.deliver import PASSPORT, make_again
from graphkd.run.optim import parameter_groups
from graphkd.run.session import start_session
from tests.run.small import stepper
from tests.run.test_resume import StopAt, disturb, outcome
from tests.systems.short import short

SYSTEMS = ["gpd", "gpd_scratch", "gpd_finetune"]


def begun(name):
    return start_session(compile_blueprint(load(name)), seed=0, device=torch.device("cpu"))


def batch(count=16):
    torch.manual_seed(0)
    label = torch.arange(count) % 10
    return {"image": torch.rand(count, 1, 32, 32), "label": label, "index": torch.arange(count)}


def test_each_network_runs_once_a_step():
    schedule = compile_blueprint(load("gpd"))
    forwards = [each for each in schedule.phases[1].instructions if isinstance(each, Forward)]
    assert [each.node for each in forwards] == ["teacher", "student", "dynamic"]
    assert not forwards[0].gradient
    # the wide model's own parameters are those that the student has not
    wide, own = (vertex(schedule.graph, name).cost.parameters for name in ("dynamic", "student"))
    assert wide > 2 * own


def test_one_optimizer_state_for_both():
    session = begun("gpd")
    step = stepper(session, 1)
    groups = parameter_groups(step.plan, session.parts)
    held = [each for group in groups for each in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {*session.parts["student"].parameters()} | {
        *session.parts["dynamic"].parameters()
    }


def test_6_the_frozen_teacher_gets_no_gradient():
    session = begun("gpd")
    step = stepper(session, 1)
    outcome = step.module(batch(), weights=[1.0] * len(step.names))
    torch.autograd.backward(outcome.losses, [torch.ones(())] * len(outcome.losses))
    assert all(each.grad is None for each in session.parts["teacher"].parameters())
    assert all(each.grad is not None for each in session.parts["dynamic"].parameters())


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_student_is_handed_back_in_its_own_size(name, tmp_path):
    train(short(name), out=tmp_path / "run")
    file = tmp_path / "run" / "student.safetensors"
    with safe_open(file, "pt") as opened:
        model = make_again(json.loads(opened.metadata()[PASSPORT]))
    model.load_state_dict(load_file(file), strict=True)
    session = open_run(tmp_path / "run")
    image = torch.rand(4, 1, 32, 32)
    (logits,) = session.parts["student"].eval().reader(["logits"])(image)
    # invariant 4: extracting changes nothing
    assert torch.equal(model.eval()(image), logits)
    (wide,) = session.parts["dynamic"].eval().reader(["logits"])(image)
    assert not torch.allclose(wide, logits)


def test_fine_tuning_begins_at_the_students_function():
    session = begun("gpd_finetune")
    learn = stepper(session, 0)
    for _ in range(3):
        learn.run([batch()])
    student, dynamic = session.parts["student"].eval(), session.parts["dynamic"].eval()
    image = torch.rand(4, 1, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(dynamic(image), student(image), rtol=1e-2)
        stepper(session, 1).begin()
        student.eval(), dynamic.eval()
        torch.testing.assert_close(dynamic(image), student(image), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_run_ends_as_an_undisturbed_one(stop, tmp_path, monkeypatch):
    blueprint = short("gpd_finetune", "nodes.student.ema=0.9", "nodes.dynamic.ema=0.9")
    train(blueprint, out=tmp_path / "whole")
    StopAt(monkeypatch, stop)
    with pytest.raises(Stopped):
        train(blueprint, out=tmp_path / "run")
    disturb()
    resume(tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nodes.dynamic.expand=1", "expand"),
        ("nodes.dynamic.branches=7", "branches"),
        ("nodes.dynamic.of=studnt", "no node 'studnt'; did you mean 'student'?"),
        ("nodes.student.model=timm/densenet121", "denseblock1"),
        ("nodes.student.model=timm/resmlp_12_224", "blocks.0.norm1"),
    ],
)
def test_what_cannot_be_widened_is_refused_with_its_layer(override, said):
    words = [override] if "model=" not in override else [override, "nodes.student.args={}"]
    with pytest.raises(BlueprintError) as caught:
        blueprint = load("gpd_scratch", words)
        if "model=" in override:
            blueprint.nodes["student"].component.args.clear()
        compile_blueprint(blueprint)
    (first, *_) = map(str, caught.value.problems)
    assert said in first and ";" in first
