import math

import pytest
import torch
from torch import nn

from graphkd.blueprint import Ramp, Train
from graphkd.component import register_model
from graphkd.errors import BlueprintError
from graphkd.run.optim import loss_weights, make_optimizer, make_scheduler, ramp_value
from graphkd.run.optim import parameter_groups as groups_of
from tests.run.small import HEAD, NODES, begin

ALONE = "flows: [{from: data.label, to: student.logits, loss: cross_entropy}]\n"
STUDENT = "nodes: {student: {type: student, model: %s}}\n"


@register_model("exempting")
class Exempting(nn.Module):
    """Names a weight that gets no decay, and holds one that it never changes."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.token = nn.Parameter(torch.ones(1, 1, 4))
        self.ruler = nn.Parameter(torch.ones(2, 4), requires_grad=False)
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, num_classes)

    def no_weight_decay(self):
        return {"token"}

    def forward(self, x):
        x = x.mean((2, 3))[:, :1] + self.token[0] + self.ruler.mean(0)
        return self.fc(self.norm(x))


def named(session, groups):
    """Say of each group: node, learning rate, decay and the names of its parameters."""
    names = {
        id(parameter): f"{name}.{path}".replace(".model.", ".")
        for name, part in session.parts.items()
        if isinstance(part, nn.Module)
        for path, parameter in part.named_parameters()
    }
    return [
        (each["node"], each["lr"], each["weight_decay"], [names[id(p)] for p in each["params"]])
        for each in groups
    ]


def test_groups_by_hand():
    text = HEAD.replace("lr: 3e-3", "lr: 3e-3, weight_decay: 0.2")
    session = begin(text + STUDENT % "exempting" + ALONE)
    (plan,) = session.schedule.phases
    assert named(session, groups_of(plan, session.parts)) == [
        (
            "student",
            3e-3,
            0.0,
            ["student.token", "student.norm.weight", "student.norm.bias", "student.fc.bias"],
        ),
        ("student", 3e-3, 0.2, ["student.fc.weight"]),
    ]


def test_nodes_have_their_own_rate_and_decay():
    session = begin(
        HEAD
        + """\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}, lr: 1e-4, weight_decay: 0}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1}
phases: [{name: all, train: [teacher, student]}]
"""
    )
    (plan,) = session.schedule.phases
    found = {
        (each["node"], each["lr"], each["weight_decay"]) for each in groups_of(plan, session.parts)
    }
    assert found == {
        ("teacher", 1e-4, 0.0),
        ("student", 3e-3, 0.0),
        ("student", 3e-3, 0.05),
        # the projector's bias and its weight
        ("flow2_conv1x1", 3e-3, 0.0),
        ("flow2_conv1x1", 3e-3, 0.05),
    }


def test_a_call_shares_parameters_that_are_updated_once():
    session = begin(
        HEAD
        + """\
nodes:
  student: {type: student, model: tiny}
  again: {type: call, of: student}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: again.logits, loss: cross_entropy}
"""
    )
    (plan,) = session.schedule.phases
    parameters = [p for each in groups_of(plan, session.parts) for p in each["params"]]
    assert len(parameters) == len({id(each) for each in parameters})
    own = list(session.parts["student"].parameters())
    assert {id(each) for each in parameters} == {id(each) for each in own}


def test_what_two_nodes_share_is_in_one_group():
    session = begin(
        HEAD
        + """\
nodes:
  one: {type: student, model: tiny}
  two: {type: student, model: tiny}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: data.label, to: two.logits, loss: cross_entropy}
deliver: one
"""
    )
    (plan,) = session.schedule.phases
    shared = {**session.parts, "two": session.parts["one"]}
    assert {each["node"] for each in groups_of(plan, session.parts)} == {"one", "two"}
    assert {each["node"] for each in groups_of(plan, shared)} == {"one"}


def optimizer_error(name):
    session = begin(
        HEAD.replace("lr: 3e-3", f"lr: 3e-3, optimizer: {name}") + STUDENT % "tiny" + ALONE
    )
    with pytest.raises(BlueprintError) as caught:
        make_optimizer(session.schedule.phases[0], session.parts)
    return str(caught.value)


def test_optimizer_errors_in_full():
    # the third line of the blueprint, behind `train: {epochs: 2, log_every: 2, lr: 3e-3, `
    assert optimizer_error("adamq") == (
        "blueprint:3:55: train: no optimizer 'adamq'; did you mean 'adam'?"
    )
    assert optimizer_error("adahessian") == (
        "blueprint:3:55: train: optimizer 'adahessian' needs second derivatives, "
        "which no phase computes; write adamw"
    )
    assert optimizer_error("fusedadam").startswith(
        "blueprint:3:55: train: optimizer 'fusedadam' cannot be made here: "
    )


def course(rates=(1.0,), *, steps=10, per_epoch=2, **recipe):
    """Return the learning rates of each group before each step."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    made = make_scheduler(
        optimizer, Train(lr=1.0, **recipe), total_steps=steps, steps_per_epoch=per_epoch
    )
    found = []
    for step in range(steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        if made is not None:
            made.step_update(step + 1)
    return [each[0] for each in found] if len(rates) == 1 else found


def test_cosine_by_hand():
    expected = [0.1 + 0.9 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)]
    assert course(schedule="cosine", min_lr=0.1) == pytest.approx(expected)


def test_constant_by_hand():
    assert course(schedule="constant") == [1.0] * 10


def test_steps_by_hand():
    # a drop every 1.5 epochs of 2 steps
    found = course(schedule="step", decay_epochs=1.5, decay_rate=0.5)
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_a_drop_comes_after_one_step_at_the_earliest():
    found = course(schedule="step", decay_epochs=0.1, decay_rate=0.5, steps=3)
    assert found == [1, 0.5, 0.25]


def test_milestones_by_hand():
    found = course(schedule="multistep", milestones=(1, 4), decay_rate=0.1)
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_poly_goes_down_in_a_straight_line():
    assert course(schedule="poly", decay_rate=0.1) == pytest.approx(
        [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    )


def test_tanh_goes_down():
    found = course(schedule="tanh", min_lr=0.1)
    assert found[0] == pytest.approx(1.0, abs=1e-3)
    assert found == sorted(found, reverse=True)
    # at t of 10 steps it is 0.1 + 0.45 (1 - tanh(-7 (1 - t / 10) + 3 t / 10)), with t = 9
    assert found[9] == pytest.approx(0.1 + 0.45 * (1 - math.tanh(2.0)))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warmup_rises_from_near_zero_for_each_node(schedule):
    # 2 epochs of 2 steps, from a hundredth of the lowest rate
    found = course((1.0, 0.01), schedule=schedule, warmup_epochs=2, min_lr=0)
    for step in range(4):
        assert found[step][0] == pytest.approx(1e-4 + (1 - 1e-4) * step / 4)
        assert found[step][1] == pytest.approx(1e-4 + (0.01 - 1e-4) * step / 4)
    after = [1.0, 0.01] if schedule == "constant" else [found[4][0], found[4][0] * 0.01]
    assert found[4] == pytest.approx(after)


def test_ramps_by_hand():
    linear = Ramp(start=1.0, end=3.0, epochs=4)
    assert [ramp_value(linear, t) for t in (0, 1, 4, 9)] == [1.0, 1.5, 3.0, 3.0]
    cosine = Ramp(start=0.0, end=2.0, epochs=3, shape="cosine")
    # (1 - cos 60) / 2 = 1/4
    found = [ramp_value(cosine, t) for t in (0, 1, 1.5, 3, 5)]
    assert found == pytest.approx([0, 0.5, 1, 2, 2])
    growing = Ramp(start=0.0, end=1.0, epochs=2, shape="exp")
    # exp(-5), exp(-5/4), exp(0)
    found = [ramp_value(growing, t) for t in (0, 1, 2, 3)]
    assert found == pytest.approx([0.006737947, 0.286504797, 1, 1])
    falling = Ramp(start=2.0, end=0.0, epochs=2)
    assert ramp_value(falling, 0.5) == 1.5


def test_weights_count_epochs_from_the_start_of_the_phase():
    blueprint = (
        HEAD
        + NODES
        + """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - from: teacher.logits
    to: student.logits
    loss: kl
    weight: {start: 0, end: 1, epochs: 2}
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.5}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
"""
    )
    session = begin(blueprint)
    ramp, fixed = loss_weights(session.schedule.phases[1], steps_per_epoch=5)
    assert [ramp(step) for step in (0, 5, 10, 15)] == [0, 0.5, 1, 1]
    assert [fixed(step) for step in (0, 5)] == [0.5, 0.5]
