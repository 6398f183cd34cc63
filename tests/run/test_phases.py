from typing import ClassVar

import attrs
import pytest
import torch
from torch import nn

from graphkd.compile.plan import loss_names
from graphkd.component import Port, component, register_model
from graphkd.errors import BlueprintError
from graphkd.run import loop as loop_module
from graphkd.run import train
from graphkd.run.again import open_run
from graphkd.run.budget import Budget
from graphkd.run.record import read_metrics
from tests.run.small import FLOWS, HEAD, NODES, SMALL, begin, small, stepper


def losses_of(records):
    """Say for each phase at which steps which losses were written."""
    found = {}
    for record in records:
        names = [key.removeprefix("loss/") for key in record if key.startswith("loss/")]
        if names:
            found.setdefault(record["phase"], []).append((record["step"], names))
    return found


def test_each_phase_has_its_own_recipe_and_flows(tmp_path, monkeypatch):
    made = []
    real = loop_module.make_optimizer

    def spy(plan, parts):
        made.append((plan.name, real(plan, parts)))
        return made[-1][1]

    monkeypatch.setattr(loop_module, "make_optimizer", spy)
    text = (
        HEAD
        + NODES
        + FLOWS
        + """\
phases:
  - {name: teach, train: [teacher], epochs: 1, optimizer: sgd, lr: 0.5, schedule: constant}
  - {name: distil, train: [student], steps: 4, data: {batch_size: 8}}
"""
    )
    train(small(tmp_path, text=text), out=tmp_path / "run")
    assert [(name, type(each).__name__) for name, each in made] == [
        ("teach", "SGD"),
        ("distil", "AdamW"),
    ]
    records = read_metrics(tmp_path / "run")
    teacher = ["data.label->teacher.logits/cross_entropy"]
    student = ["data.label->student.logits/cross_entropy", "teacher.logits->student.logits/kl"]
    # every second step, and at the end of a phase; 3 batches of 16, then 5 of 8 in an epoch
    assert losses_of(records) == {
        "teach": [(2, teacher), (3, teacher)],
        "distil": [(5, student), (7, student)],
    }
    rates = {record["step"]: record["lr"] for record in records if "lr" in record}
    # a cosine over 4 steps: its second and fourth
    assert rates == pytest.approx(
        {2: 0.5, 3: 0.5, 5: 3e-3 * (1 + 0.5**0.5) / 2, 7: 3e-3 * (1 - 0.5**0.5) / 2}
    )


def test_a_node_that_differs_has_its_own_rate_in_the_record(tmp_path):
    text = SMALL.replace("model: tiny}", "model: tiny, lr: 1e-4}").replace(
        "{name: distil, train: [student]}", "{name: both, train: [teacher, student]}"
    )
    text = text.replace(", phases: [teach]", "")
    train(small(tmp_path, "train.schedule=constant", text=text), out=tmp_path / "run")
    rates = [
        {key: value for key, value in record.items() if key.startswith("lr")}
        for record in read_metrics(tmp_path / "run")
        if record["phase"] == "both"
    ]
    assert rates[0] == {"lr/teacher": 3e-3, "lr/student": 1e-4}


@register_model("partly_frozen")
class PartlyFrozen(nn.Module):
    """Its first layer is fixed by its maker."""

    def __init__(self, num_classes, in_chans):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, 4, 3).requires_grad_(False)
        self.fc = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.fc(self.stem(x).relu().mean((2, 3)))


def test_what_a_model_keeps_fixed_stays_fixed(tmp_path):
    text = SMALL.replace("model: tiny, args: {width: 6}", "model: partly_frozen")
    text = text.replace("model: tiny", "model: partly_frozen")
    session = begin(text)
    before = {
        name: {key: value.clone() for key, value in session.parts[name].state_dict().items()}
        for name in ("teacher", "student")
    }
    train(small(tmp_path, text=text), out=tmp_path / "run")
    after = open_run(tmp_path / "run")
    for name in ("teacher", "student"):
        state = after.parts[name].state_dict()
        for key, value in before[name].items():
            assert torch.equal(value, state[key]) == key.startswith("model.stem"), key


@component("transform", "centre_for_tests")
@attrs.frozen
class Centre:
    """Take the mean over the training samples off."""

    ports: ClassVar = (Port("input", "b d"),)
    fits: ClassVar[bool] = True

    def build(self, site):
        """Build it for the width of its input."""
        return Centring(site.source.channels)


class Centring(nn.Module):
    log: ClassVar[list[object]] = []

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("count", torch.zeros(()))

    def begin(self):
        Centring.log.clear()
        Centring.log.append("begin")
        self.mean.zero_()
        self.count.zero_()

    def update(self, value):
        assert not torch.is_grad_enabled()
        Centring.log.append((len(value), self.training, value.requires_grad))
        self.mean += value.sum(0)
        self.count += len(value)

    def finish(self):
        Centring.log.append("finish")
        self.mean /= self.count

    def forward(self, value):
        return value - self.mean


SURVEY = HEAD.replace("classes: 4", "classes: 4, labels_per_class: 2, augment: [gaussian_noise]")
SURVEY += """\
nodes:
  teacher: {type: teacher, model: tiny, args: {dropout: 0.5}}
  student: {type: student, model: tiny}
  centre: {type: centre_for_tests, input: teacher.embedding}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: centre, to: student.embedding, loss: mse}
phases:
  - {name: teach, train: [teacher], steps: 3}
  - {name: survey, fit: [centre]}
  - {name: distil, train: [student], steps: 2}
"""


def embeddings(session, name, images):
    network = session.parts[name].eval()
    spec = session.schedule.graph.graph["data_spec"].image
    mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in (spec.mean, spec.std))
    (found,) = network.reader(("embedding",))((images - mean) / std)
    return found.detach()


def test_a_fit_sees_each_training_sample_once_as_it_is(tmp_path):
    blueprint = small(tmp_path, text=SURVEY)
    train(blueprint, out=tmp_path / "run")
    # 40 samples in batches of 16, whether labelled or not
    assert Centring.log == [
        "begin",
        (16, False, False),
        (16, False, False),
        (8, False, False),
        "finish",
    ]
    session = open_run(tmp_path / "run")
    samples = blueprint.data.dataset.splits(tmp_path).train
    images = torch.stack([samples[index] for index in range(len(samples))])
    expected = embeddings(session, "teacher", images).mean(0)
    assert expected.abs().max() > 0.01
    torch.testing.assert_close(session.parts["centre"].mean, expected)


def test_a_fit_leaves_out_what_its_phase_leaves_out(tmp_path):
    train(small(tmp_path, "data.labelled_only=true", text=SURVEY), out=tmp_path / "run")
    # two labelled samples of each of four classes
    assert Centring.log == ["begin", (8, False, False), "finish"]


def test_a_phase_does_not_both_fit_and_train():
    text = SURVEY.replace("fit: [centre]}", "fit: [centre], train: [student]}")
    line = next(i for i, each in enumerate(text.splitlines(), 1) if "fit: " in each)
    with pytest.raises(BlueprintError) as caught:
        begin(text)
    assert str(caught.value) == (
        f"blueprint:{line}:25: phase 'survey': it cannot both fit and train; write two phases"
    )


def test_a_fit_runs_models_in_evaluation_mode(tmp_path):
    """Also one that learns later."""
    text = SURVEY.replace("input: teacher.embedding", "input: student.embedding")
    text = text.replace("model: tiny}", "model: tiny, args: {dropout: 0.5}}")
    text = "\n".join(line for line in text.splitlines() if "teach" not in line) + "\n"
    blueprint = small(tmp_path, text=text)
    session = begin(text)
    train(blueprint, out=tmp_path / "run")
    samples = blueprint.data.dataset.splits(tmp_path).train
    images = torch.stack([samples[index] for index in range(len(samples))])
    expected = embeddings(session, "student", images).mean(0)
    torch.testing.assert_close(open_run(tmp_path / "run").parts["centre"].mean, expected)


def test_what_was_fitted_is_used_in_the_next_phase(tmp_path, monkeypatch):
    seen = []
    real = Centring.forward
    monkeypatch.setattr(
        Centring, "forward", lambda self, value: seen.append(self.mean.clone()) or real(self, value)
    )
    train(small(tmp_path, text=SURVEY), out=tmp_path / "run")
    fitted = open_run(tmp_path / "run").parts["centre"].mean
    # once on the meta device; while it is fitted nobody reads it
    used = [mean for mean in seen if not mean.is_meta]
    assert used
    assert all(torch.equal(mean, fitted) for mean in used)


TAPS = (
    HEAD
    + NODES
    + """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - from: data.label
    to: student.logits
    loss: cross_entropy
    weight: {start: 1, end: 0.1, epochs: 2}
  - {from: teacher.stage2, to: student.stage2, loss: mse, via: conv1x1, every: 2, name: hint}
phases:
  - {name: teach, train: [teacher]}
  - {name: distil, train: [student]}
  - {name: more, train: [student]}
"""
)


def test_compiled_phases_compute_the_same(tmp_path, monkeypatch):
    """With Dynamo alone, since compiling for the CPU takes a minute: taps, ramps, asleep flows."""
    from torch._dynamo.utils import counters

    real = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: real(self, backend="eager"))
    files = []
    for words in ((), ("train.compile=true",)):
        counters.clear()
        train(small(tmp_path, "train.log_every=1", *words, text=TAPS), out=tmp_path / str(words))
        files.append((tmp_path / str(words) / "metrics.jsonl").read_text())
    assert '"loss/hint"' in files[0]
    assert files[0] == files[1]
    # it was compiled, and nothing fell back to Python
    assert counters["stats"]["unique_graphs"] > 2
    assert not counters["graph_break"]


@pytest.mark.slow
def test_compiled_for_the_cpu(tmp_path):
    result = []
    for words in ((), ("train.compile=true",)):
        out = tmp_path / str(len(words))
        train(small(tmp_path, "train.log_every=1", *words, text=TAPS), out=out)
        result.append(read_metrics(out))
    for one, other in zip(*result, strict=True):
        losses = [key for key in one if key.startswith("loss/")]
        # fused operations round in another order, and each step starts from the one before
        assert [one[key] for key in losses] == pytest.approx(
            [other[key] for key in losses], rel=2e-2
        )


def test_channels_last(tmp_path, monkeypatch):
    seen = []
    real = loop_module.PhaseStep.run

    def spy(self, batches, portions):
        seen.extend(
            each["image"].is_contiguous(memory_format=torch.channels_last) for each in batches
        )
        return real(self, batches, portions)

    monkeypatch.setattr(loop_module.PhaseStep, "run", spy)
    plain = train(small(tmp_path), out=tmp_path / "plain")
    assert not any(seen)
    seen.clear()
    last = train(small(tmp_path, "train.channels_last=true"), out=tmp_path / "last")
    assert all(seen)
    weight = open_run(tmp_path / "last").parts["student"].model.stage1[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    one, other = (each.evaluations[0].models["student"]["nll"] for each in (plain, last))
    # another order of sums
    assert one == pytest.approx(other, rel=1e-3)


@pytest.mark.parametrize(
    ("recipe", "batches", "expected", "validated"),
    [
        # a few epochs: each
        ("epochs: 3", 4, Budget(12, 3, 4, 1), [0, 1, 2]),
        # steps end in the middle of an epoch
        ("steps: 7", 3, Budget(7, 3, 3, 1), [0, 1, 2]),
        # 300 epochs of one step: ten times
        ("steps: 300", 1, Budget(300, 300, 1, 30), list(range(29, 300, 30))),
        # long epochs: each, however many
        ("epochs: 90", 600, Budget(54000, 90, 600, 1), list(range(90))),
        # 5 batches, 2 a step
        ("epochs: 25, accumulate: 2", 5, Budget(75, 25, 3, 3), [*range(2, 25, 3), 24]),
    ],
)
def test_budgets(recipe, batches, expected, validated):
    plan = begin(SMALL.replace("epochs: 2", recipe)).schedule.phases[1]
    budget = Budget.of(plan, batches)
    assert budget == expected
    assert [epoch for epoch in range(budget.epochs) if budget.validates(epoch)] == validated


def test_flows_of_the_same_name_are_told_apart_in_the_record(tmp_path):
    flow = "{from: teacher.logits, to: student.logits, loss: kl, temperature: 2, weight: 0.9}"
    text = SMALL.replace(f"  - {flow}\n", f"  - {flow}\n  - {flow}\n")
    train(small(tmp_path, text=text), out=tmp_path / "run")
    written = {key for record in read_metrics(tmp_path / "run") for key in record}
    name = "loss/teacher.logits->student.logits/kl"
    assert {name, f"{name}#2"} <= written


def test_flows_of_the_same_name_are_numbered():
    alone = "nodes: {student: {type: student, model: tiny}}\n"
    flow = "  - {from: data.label, to: student.logits, loss: cross_entropy}\n"
    plan = begin(HEAD + alone + "flows:\n" + 3 * flow).schedule.phases[0]
    name = "data.label->student.logits/cross_entropy"
    assert loss_names(plan) == [name, f"{name}#2", f"{name}#3"]


def test_a_frozen_teacher_is_not_averaged_or_optimized():
    session = begin(SMALL)
    stepper(session, phase=1)
    nodes = {group["node"] for group in session.optimizer.param_groups}
    assert nodes == {"student"}
