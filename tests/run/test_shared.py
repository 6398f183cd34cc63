"""Nodes that share modules or parameters: freezing, one optimizer state, the best weights."""

from typing import ClassVar

import attrs
import pytest
import torch
from torch import nn

from graphkd.compile.instructions import Advance
from graphkd.component import Port, component
from graphkd.inspect import explain
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.optim import parameter_groups
from tests.run.small import HEAD, NODES, batch_of, begin, small, stepper


class Twin(nn.Module):
    """Another network with the same parameters, and a scale of its own."""

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.scale = nn.Parameter(torch.ones(()))
        self.calls = []
        self.image = network.image

    def taps(self):
        return ("logits",)

    def layout(self, tap):
        return "b c" if tap == "logits" else None

    def reader(self, taps, *, stop=False):
        return lambda image: (self.network(image) * self.scale,)

    def passport(self):
        return {}

    def deliverable(self):
        return self

    def advance(self, step, steps):
        self.calls.append((step, steps))


@component("model", "twin")
@attrs.frozen
class TwinNode:
    """The same parameters as another node's model."""

    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
    advances: ClassVar[bool] = True
    of: str = attrs.field(metadata={"reference": "node"})

    def build(self, site):
        return Twin(site.modules["of"])


TWIN = "  twin: {type: twin, of: student}\n"
FLOWS = """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: twin.logits, loss: cross_entropy}
"""
SHARED = HEAD + NODES.replace("  teacher: {type: teacher, model: tiny, args: {width: 6}}\n", "")
SHARED += TWIN + FLOWS


def test_a_shared_parameter_has_one_optimizer_state():
    session = begin(SHARED)
    step = stepper(session)
    groups = parameter_groups(step.plan, session.parts)
    held = [parameter for group in groups for parameter in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == set(session.parts["twin"].parameters())


def test_gradients_of_both_add_up():
    session = begin(SHARED)
    step = stepper(session)
    outcome = step.module(batch_of(8), weights=[1.0, 1.0])
    weight = next(session.parts["student"].parameters())
    parts = [torch.autograd.grad(loss, weight, retain_graph=True)[0] for loss in outcome.losses]
    torch.autograd.backward(outcome.losses, [torch.ones(()), torch.ones(())])
    assert all(part.abs().sum() > 0 for part in parts)
    torch.testing.assert_close(weight.grad, parts[0] + parts[1])


def test_a_parameter_learns_where_one_of_its_nodes_does():
    phases = "phases: [{name: both}, {name: one, train: [twin]}]\n"
    session = begin(SHARED + phases)
    step = stepper(session, 1)
    assert "student" not in step.plan.trained
    before = {n: p.detach().clone() for n, p in session.parts["student"].named_parameters()}
    step.run([batch_of(8)])
    after = dict(session.parts["student"].named_parameters())
    assert all(not torch.equal(before[name], after[name]) for name in before)


def test_a_node_that_only_lends_stays_in_evaluation_mode():
    text = HEAD + NODES.replace("type: teacher,", "type: assistant,")
    text += TWIN.replace("student", "teacher")
    text += FLOWS.replace("twin.logits", "teacher.logits, phases: [teach]")
    text += "  - {from: data.label, to: twin.logits, loss: cross_entropy, phases: [learn]}\n"
    text += "phases: [{name: teach, train: [teacher]}, {name: learn, train: [twin, student]}]\n"
    session = begin(text)
    step = stepper(session, 1)
    teacher = session.parts["teacher"]
    assert "teacher" in step.module.nodes and not teacher.training
    # what the twin shares with it learns with the twin, which is trained
    assert next(teacher.parameters()).requires_grad


def test_a_node_is_told_how_far_the_phase_has_come(tmp_path):
    blueprint = small(tmp_path, "train.epochs=2", text=SHARED)
    found = train(blueprint, out=tmp_path / "run")
    plan = found.schedule.phases[0]
    assert Advance("twin") in plan.instructions
    assert "Advance" in explain(found.schedule)
    session = begin(SHARED)
    step = stepper(session)
    step.run([batch_of(8)])
    step.run([batch_of(8)])
    assert session.parts["twin"].calls == [(1, 0), (2, 0)]


def test_the_best_weights_come_with_those_of_what_shares_modules(tmp_path):
    train(small(tmp_path, "train.epochs=3", text=SHARED), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    best = session.best["student"]
    assert set(best.weights) == {"student", "twin"}
    for name, weights in best.weights.items():
        now = session.parts[name].state_dict()
        assert all(torch.equal(now[key], value) for key, value in weights.items())


def test_paths_of_parametrized_weights_are_plain_for_the_decay():
    from graphkd.run.optim import _plain_path

    assert _plain_path("model.parametrizations.pos_embed.original") == "model.pos_embed"
    assert _plain_path("model.pos_embed") == "model.pos_embed"


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
