"""With launches of fused losses a run trains as without: interpreted kernels on the CPU."""

from typing import ClassVar

import attrs
import pytest
import torch
import torch.nn.functional as F

import graphkd.component.registry as registry
from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import Port, component, names
from graphkd.kernels.launch import interpreted
from graphkd.run.evaluate import evaluate
from graphkd.run.session import start_session
from tests.run.small import batch_of, begin, stepper
from tests.run.test_step import recipe, split

SGD = "optimizer: sgd, momentum: 0, weight_decay: 0, schedule: constant, lr: 0.1"
HEAD = """\
blueprint: fused
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
train: {}
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  assistant: {type: assistant, model: tiny, args: {width: 5}}
  student: {type: student, model: tiny}
"""
TAIL = "phases: [{name: teach, train: [teacher]}, {name: distil, train: [assistant, student]}]\n"
TAUGHT = "  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}\n"
FLOWS = """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: data.label, to: assistant.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, weight: RAMP}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, weight: 0.5}
  - {from: assistant.logits, to: student.logits, loss: dkd, weight: 0.2}
  - {from: teacher.logits, to: assistant.logits, loss: kl, temperature: 4, every: 2}
"""
# 10 steps in an epoch: the ramp takes two
RAMP = "{start: 0.2, end: 0.9, epochs: 0.2}"
WHOLE = HEAD + FLOWS.replace("RAMP", RAMP) + TAUGHT + TAIL
INTO = (
    HEAD
    + """\
  mean: {type: ensemble, of: logits, input: [assistant.logits, student.logits]}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 2}
  - {from: data.label, to: mean, loss: cross_entropy, into: [assistant]}
  - {from: teacher.logits, to: student.logits, loss: kl}
  - {from: teacher.logits, to: mean, loss: kl, into: [assistant], weight: 0.3}
"""
    + TAUGHT
    + TAIL
)


def trained(text, settings=SGD, *, fused, steps=3, sizes=(6,)):
    """Take some steps of the last phase; return its step, the losses of each, and the weights."""
    blueprint = loads(recipe(settings, text))
    schedule = compile_blueprint(blueprint, without=() if fused else ("fuse",))
    session = start_session(schedule, seed=0, device=torch.device("cpu"))
    losses = []
    with interpreted():
        step = stepper(session)
        for number in range(steps):
            step.run(split(batch_of(sum(sizes), seed=number), list(sizes)))
            losses.append([None if each is None else each.clone() for each in step.losses])
    nodes = ("assistant", "student")
    return step, losses, {name: session.parts[name].state_dict() for name in nodes}


def assert_close(text, settings=SGD, *, rtol=1e-5, atol=1e-6, **run):
    """Compare a run with launches to one without.

    Kernels take exponentials to the base 2 and add in another order; 1e-5 is a hundred roundings.
    """
    step, losses, weights = trained(text, settings, fused=True, **run)
    plain, expected, others = trained(text, settings, fused=False, **run)
    assert step.names == plain.names
    assert step.module.launches and not plain.module.launches
    for got, want in zip(losses, expected, strict=True):
        assert [each is None for each in got] == [each is None for each in want]
        for one, other in zip(got, want, strict=True):
            if one is not None:
                torch.testing.assert_close(one.float(), other.float(), rtol=rtol, atol=atol)
    for name, state in weights.items():
        for key, value in state.items():
            torch.testing.assert_close(value, others[name][key], rtol=rtol, atol=atol)
    return step


def test_two_learners_a_ramp_and_what_is_not_fused():
    step = assert_close(WHOLE)
    # those of the student first; the features and the seldom flow are computed by themselves
    assert step.module.launches == [[0, 2, 4, 1]]
    assert step.module.groups == [([3, 5], [0])]


def test_the_ramp_is_followed():
    step, _, _ = trained(WHOLE, fused=True, steps=1)
    weight = step._factors.launches[0]
    torch.testing.assert_close(weight, torch.tensor([0.1, 0.2, 0.2, 1.0]))
    with interpreted():
        step.run([batch_of(6)])
    torch.testing.assert_close(weight, torch.tensor([0.1, 0.55, 0.2, 1.0]))


def test_families_side_by_side():
    flows = """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.embedding, to: student.embedding, loss: infonce, via: linear}
  - {from: data.label, to: assistant.logits, loss: cross_entropy}
  - {from: teacher.embedding, to: assistant.embedding, loss: infonce, via: linear, weight: 0.5}
"""
    # products of float32 vectors are exact to about 21 bits, and temperatures divide by 0.07
    step = assert_close(HEAD + flows + TAUGHT + TAIL, rtol=1e-4, atol=1e-4)
    assert step.module.launches == [[0, 2], [1, 3]]
    assert step.module.groups == [([], [0, 1])]


def test_accumulated_batches_of_different_sizes():
    assert_close(WHOLE, sizes=(5, 5, 2))


def test_each_backward_has_its_launch():
    step = assert_close(INTO)
    assert step.module.launches == [[0, 2], [1, 3]]
    assert step.module.groups == [([], [0]), ([], [1])]


@pytest.mark.parametrize("sizes", [(6,), (4, 2)])
def test_scaled_float16(sizes):
    # logits of float16 hold 11 bits, and are rounded by what makes them, the same both times; the
    # gradient is rounded once, after the scale, instead of with each loss
    settings = f"{SGD}, precision: float16"
    assert_close(WHOLE, settings, sizes=sizes, rtol=2e-3, atol=2e-4)


def test_clipping():
    assert_close(WHOLE, f"{SGD}, clip_grad: 0.1")


def test_totals_of_an_outcome():
    step, _, _ = trained(INTO, fused=True, steps=1)
    plain, _, _ = trained(INTO, fused=False, steps=1)
    weights = [2.0, 1.0, 1.0, 0.3]
    with interpreted():
        found = step.module(batch_of(6), weights).totals
    expected = plain.module(batch_of(6), weights).totals
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))
    torch.autograd.backward(found)


def test_a_batch_is_measured_without_its_losses():
    session = begin(recipe(SGD, WHOLE))
    with interpreted():
        step = stepper(session)
        assert step.module.values(batch_of(6), []) == {}

        class Once:
            def epoch(self, number):
                yield batch_of(6)

        found = evaluate(session.schedule, session.parts, Once(), device=torch.device("cpu"))
    assert found.models.keys() == {"teacher", "assistant", "student"}


def test_on_a_cpu_each_loss_is_computed_by_itself():
    session = begin(recipe(SGD, WHOLE))
    step = stepper(session)
    assert step.module.launches == []
    assert step.module.groups == [([0, 1, 2, 3, 4, 5], [])]


def test_a_failure_in_a_launch_names_the_flows():
    session = begin(recipe(SGD, WHOLE))
    with interpreted():
        step = stepper(session)
        batch = batch_of(6)
        with pytest.raises(ValueError) as raised:
            step.run([{**batch, "label": batch["label"][:5]}])
    assert raised.value.__notes__ == [
        "while running flow 1 and flow 3 and flow 5 and flow 2 on student.logits (6, 4), "
        "data.label (5,), teacher.logits (6, 4), assistant.logits (6, 4)"
    ]


@pytest.fixture
def own_family(monkeypatch):
    """Register a loss and its fusion, as a third party would; return what its launches are told."""
    names("loss")
    monkeypatch.setattr(registry, "_components", dict(registry._components))
    told = []

    @component("loss", "distance")
    @attrs.frozen
    class Distance:
        """Mean squared distance."""

        ports: ClassVar = (Port("student", "..."), Port("teacher", "..."))
        fusion: ClassVar = "distances"

        def __call__(self, student, teacher):
            return F.mse_loss(student, teacher)

    @component("fusion", "distances")
    @attrs.frozen
    class Distances:
        """Mean squared distances."""

        def refusal(self, loss, inputs):
            return ""

        def build(self, members, device):
            told.append([dict(each.reads) for each in members])

            def launch(arguments, weights, scale):
                told.append((weights, scale))
                losses = [each.part(*given) for each, given in zip(members, arguments, strict=True)]
                total = (weights * torch.stack(losses)).sum()
                return [each.detach() for each in losses], total

            return launch

    return told


DISTANCES = """\
flows:
  - {from: teacher.logits, to: student.logits, loss: distance, weight: 3}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.stage2, to: student.stage2, loss: distance, via: conv1x1}
  - {from: teacher.logits, to: assistant.logits, loss: distance, weight: 2}
"""


def test_a_fusion_from_elsewhere(own_family):
    assert_close(HEAD + DISTANCES + TAUGHT + TAIL, steps=1, sizes=(4, 2))
    reads, (weights, scale), (_, second) = own_family
    assert reads == [
        {"student": "student.logits", "teacher": "teacher.logits"},
        {"student": "flow3_conv1x1", "teacher": "teacher.stage2"},
        {"student": "assistant.logits", "teacher": "teacher.logits"},
    ]
    assert weights.tolist() == [3, 1, 2]
    # each batch counts by its samples
    assert (scale.item(), second.item()) == pytest.approx((4 / 6, 2 / 6))


@pytest.mark.parametrize("flows", [DISTANCES, FLOWS.replace("RAMP", RAMP)])
def test_a_compiled_phase_launches(own_family, flows):
    """With Dynamo alone: compiling for the CPU takes a minute."""
    text = recipe(SGD, HEAD + flows.replace(", every: 2", "") + TAUGHT + TAIL)
    found = []
    with interpreted():
        for compiled in (False, True):
            settings = f"device: cpu, compile: {compiled}".lower()
            step = stepper(begin(text.replace("device: cpu", settings)))
            assert step.module.launches
            if compiled:
                step.module.compile(backend="eager", fullgraph=True)
            for number in range(3):
                step.run([batch_of(6, seed=number)])
            found.append(torch.stack(step.losses))
    assert torch.equal(*found)
