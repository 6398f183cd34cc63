"""Nodes that share modules or parameters: freezing, one optimizer state, the best weights."""

from typing import ClassVar

import attrs
import pytest
import torch
from torch import nn

from graphkd.compile.instructions import Advance
from graphkd.component import Port, component
from graphkd.component.lent import Lent
from graphkd.inspect import explain
from graphkd.run import Stopped, resume, train
from graphkd.run.again import open_run
from graphkd.run.changed import differences
from graphkd.run.loop import Loop
from graphkd.run.optim import parameter_groups
from graphkd.run.validate import _keep_best
from tests.run.small import HEAD, NODES, batch_of, begin, small, stepper
from tests.run.test_resume import disturb, outcome


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
    """The same parameters as another node's model.

    Attributes:
        of: the node.
    """

    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar[bool] = True
    delivered: ClassVar[bool] = False
    advances: ClassVar[bool] = True
    of: str = attrs.field(metadata={"reference": "node"})

    def build(self, site):
        return Twin(site.modules["of"])


class Moved(Twin):
    """Begins a phase by moving its scale, and draws random numbers for it."""

    def advance(self, step, steps):
        if step == 0:
            self.scale.data.fill_(7.0)
            torch.rand(5)


@component("model", "moved_twin")
@attrs.frozen
class MovedNode(TwinNode):
    """A twin that begins elsewhere."""

    def build(self, site):
        return Moved(site.modules["of"])


class ScaledCopy(Twin):
    """Only the scale is its own to learn: the network is lent."""

    def __init__(self, network):
        super().__init__(network)
        del self.network
        self.lent = Lent(network)

    def reader(self, taps, *, stop=False):
        return lambda image: (self.lent.module(image) * self.scale,)


@component("model", "scaled_copy")
@attrs.frozen
class ScaledCopyNode(TwinNode):
    """The logits of another node, scaled."""

    def build(self, site):
        return ScaledCopy(site.modules["of"])


@component("model", "head_for_tests")
@attrs.frozen
class HeadNode(TwinNode):
    """What is handed back instead of the student that it borrows."""

    delivered: ClassVar[bool] = True

    def build(self, site):
        return ScaledCopy(site.modules["of"])


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


def test_the_best_weights_of_a_student_outlive_what_shared_modules_with_it():
    """A node that was left out of the blueprint since, as was allowed."""
    before = begin(SHARED)
    _keep_best(before, {"student": 0.9}, {})
    assert set(before.best["student"].weights) == {"student", "twin"}
    now = begin(SHARED.replace(TWIN, "").replace(FLOWS.splitlines(keepends=True)[2], ""))
    changes = differences(before.made, now.made)
    now.load_weights(before.state_dict(), allowed=[each.key for each in changes])
    now.take_best()
    for key, value in now.parts["student"].state_dict().items():
        assert torch.equal(value, before.best["student"].weights["student"][key])


def test_the_best_average_of_a_student_is_not_undone_by_what_shares_its_parameters():
    session = begin(SHARED.replace("model: tiny}", "model: tiny, ema: 0.9}"))
    for parameter in session.averages["student"].module.parameters():
        parameter.data.fill_(0.125)
    _keep_best(session, {"student": 0.1}, {"student": 0.9})
    session.take_best()
    assert all((each == 0.125).all() for each in session.parts["student"].parameters())


def test_a_phase_that_changes_a_student_through_another_node_forgets_its_best(tmp_path):
    text = SHARED + "phases: [{name: both}, {name: one, train: [twin]}]\n"
    train(small(tmp_path, "train.epochs=1", text=text), out=tmp_path / "run")
    assert "student" not in open_run(tmp_path / "run").best


def test_what_a_later_phase_trains_alone_is_not_put_back_with_the_student(tmp_path):
    twin = TWIN.replace("type: twin", "type: scaled_copy")
    text = SHARED.replace(TWIN, twin) + "phases: [{name: both}, {name: one, train: [twin]}]\n"
    train(small(tmp_path, "train.epochs=1", text=text), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    assert set(session.best["student"].weights) == {"student"}


def test_a_student_that_lends_is_kept_as_it_was_when_its_borrower_did_best():
    text = SHARED.replace("type: twin", "type: head_for_tests") + "deliver: twin\n"
    session = begin(text)
    for step, (student, head) in enumerate([(0.9, 0.5), (0.8, 0.6), (0.7, 0.4)]):
        for name in ("student", "twin"):
            for buffer in session.parts[name].buffers():
                buffer.fill_(step)
        _keep_best(session, {"student": student, "twin": head}, {})
    session.take_best()
    for name in ("student", "twin"):
        assert all((each == 1).all() for each in session.parts[name].buffers())


def test_an_average_begins_where_its_node_begins_to_learn(tmp_path):
    text = SHARED.replace("type: twin", "type: moved_twin").replace(
        "of: student", "of: student, ema: 0.5"
    )
    session = begin(text)
    step = stepper(session)
    step.begin()
    assert float(session.parts["twin"].scale.detach()) == 7.0
    assert float(session.averages["twin"].module.scale.detach()) == 7.0


def test_random_numbers_of_a_beginning_are_drawn_again_by_a_resumed_run(tmp_path, monkeypatch):
    text = SHARED.replace("type: twin", "type: moved_twin")
    text = text.replace("model: tiny", "model: tiny, args: {dropout: 0.5}")
    text += "phases: [{name: alone, train: [student]}, {name: both}]\n"
    train(small(tmp_path, text=text), out=tmp_path / "run")
    real = Loop._next_phase

    def stopping(loop):
        loop.stop = True
        real(loop)

    with monkeypatch.context() as patched, pytest.raises(Stopped):
        patched.setattr(Loop, "_next_phase", stopping)
        train(small(tmp_path, text=text), out=tmp_path / "stopped")
    disturb()
    resume(tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "run")


def test_paths_of_parametrized_weights_are_plain_for_the_decay():
    from graphkd.run.optim import _plain_path

    assert _plain_path("model.parametrizations.pos_embed.original") == "model.pos_embed"
    assert _plain_path("model.pos_embed") == "model.pos_embed"


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
