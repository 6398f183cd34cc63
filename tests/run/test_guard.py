"""Losses that are no numbers, or explode: named, before they reach a weight."""

import json
import math
from typing import ClassVar

import attrs
import pytest
import torch

from graphkd.component import Port, component
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, resume, train
from graphkd.run.again import open_run
from graphkd.run.checkpoint import listed
from graphkd.run.guard import EXPLODED, IN_A_ROW, Broken, Guard, Memory
from graphkd.run.record import read_metrics
from tests.run.small import HEAD, SMALL, begin, small, stepper
from tests.run.test_resume import StopAt

CALLS: list[int] = []


@component("loss", "breaks_for_tests")
@attrs.frozen
class Breaks:
    """Mean of the squared logits, times a factor in some calls.

    Attributes:
        first: number of the first such call.
        last: number of the last.
        factor: what the loss is multiplied with then; 0 is NaN.
    """

    ports: ClassVar = (Port("student", "b c"), Port("label", "b", index="c"))
    first: int = 3
    last: int = 3
    factor: float = 0.0

    def __call__(self, student, label):
        """Count the calls."""
        if student.device.type != "meta":
            CALLS.append(0)
        now = self.first <= len(CALLS) <= self.last
        return student.square().mean() * ((self.factor or math.nan) if now else 1.0)


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


def blueprint(folder, settings="", recipe=""):
    text = (
        HEAD.replace("log_every: 2", f"log_every: 1{recipe}")
        + "nodes: {student: {type: student, model: tiny}}\n"
        + "flows:\n  - {from: data.label, to: student.logits, loss: cross_entropy}\n"
        + "  - {from: data.label, to: student.logits, name: bad, "
        + f"loss: breaks_for_tests{settings}}}\n"
    )
    return small(folder, text=text)


def test_a_loss_that_is_no_number_stops_the_run_and_is_named(tmp_path):
    with pytest.raises(BlueprintError) as error:
        train(blueprint(tmp_path), out=tmp_path / "run")
    said = str(error.value)
    assert "phase 'train', epoch 1, step 2: loss of bad is nan" in said
    assert "train.lr" in said and "train.nonfinite: skip" in said
    found = json.loads((tmp_path / "run" / "failure.json").read_text())
    assert found["broken"] == ["bad"] and found["step"] == 2
    assert found["losses"]["bad"] == "nan" and found["losses"].keys() > {"bad"}
    # the samples of the last, smaller batch of the epoch
    assert len(found["samples"]) == 1 and len(set(found["samples"][0])) == 8
    assert "nan" not in (tmp_path / "run" / "metrics.jsonl").read_text().lower()


def test_no_weight_is_touched_by_a_step_that_stops():
    session = begin(STEP)
    step = stepper(session)
    batch = {"image": torch.rand(4, 3, 8, 8), "label": torch.arange(4), "index": torch.arange(4)}
    step.run([batch])
    before = [each.clone() for each in session.parts["student"].parameters()]
    with pytest.raises(Broken):
        step.run([batch])
    now = session.parts["student"].parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, now, strict=True))


STEP = (
    HEAD
    + "nodes: {student: {type: student, model: tiny}}\n"
    + "flows: [{from: data.label, to: student.logits, "
    + "loss: breaks_for_tests, first: 2, last: 2}]\n"
)


def test_a_step_can_be_left_out(tmp_path):
    skipping = blueprint(tmp_path, recipe=", nonfinite: skip")
    folder = train(skipping, out=tmp_path / "run").folder
    records = read_metrics(folder)
    losses = [float(each["loss/bad"]) for each in records if "loss/bad" in each]
    assert [math.isfinite(each) for each in losses] == [True, True, False, True, True, True]
    weights = open_run(folder).parts["student"].state_dict().values()
    assert all(each.isfinite().all() for each in weights)


def test_a_step_that_is_left_out_leaves_running_statistics_as_they_were():
    session = begin(STEP.replace("log_every: 2", "log_every: 2, nonfinite: skip"))
    step = stepper(session)
    batch = {"image": torch.rand(4, 3, 8, 8), "label": torch.arange(4), "index": torch.arange(4)}
    step.run([batch])
    before = {key: each.clone() for key, each in session.parts["student"].state_dict().items()}
    step.run([{**batch, "image": batch["image"] * math.nan}])
    now = session.parts["student"].state_dict()
    assert any("running_mean" in key for key in now)
    assert all(torch.equal(now[key], each) for key, each in before.items())


def test_not_every_step_can_be_left_out(tmp_path):
    always = blueprint(tmp_path, ", first: 1, last: 99", ", nonfinite: skip")
    always = attrs.evolve(always, train=attrs.evolve(always.train, epochs=9))
    with pytest.raises(BlueprintError, match=f"in {IN_A_ROW + 1} steps one after the other"):
        train(always, out=tmp_path / "run")


def test_it_can_be_switched_off(tmp_path):
    folder = train(blueprint(tmp_path, recipe=", nonfinite: ignore"), out=tmp_path / "run").folder
    assert "nan" in (folder / "metrics.jsonl").read_text().lower()


def test_a_loss_that_explodes_stops_the_run(tmp_path):
    with pytest.raises(BlueprintError, match=r"loss of bad is [\d.e+]+, and was"):
        train(blueprint(tmp_path, f", factor: {1e9}"), out=tmp_path / "run")


def test_what_starts_low_or_grows_slowly_is_no_explosion():
    guard = Guard(["a"], policy="stop", device=torch.device("cpu"))
    for value in (1e-9, 0.5, EXPLODED * 0.9, math.inf, 1.0):
        guard.check({"a": value})
    with pytest.raises(Broken):
        guard.check({"a": EXPLODED * 1.1})


def test_a_gpu_is_asked_when_losses_are_recorded():
    guard = Guard(["a", "b"], policy="stop", device=torch.device("cpu"))
    # as on a device where looking makes the host wait
    guard.waits = True
    guard.look([torch.tensor(1.0), torch.tensor(math.inf)])
    guard.look([torch.tensor(1.0), None])
    assert guard.passes()
    with pytest.raises(Broken, match="loss of b is not finite"):
        guard.check({"a": 1.0})


def test_weights_that_broke_are_in_no_checkpoint(tmp_path, monkeypatch):
    real = Guard.__init__

    def waiting(guard, *given, **settings):
        real(guard, *given, **settings)
        # as on a GPU, which is asked when losses are recorded: here after step 3
        guard.waits = True

    monkeypatch.setattr(Guard, "__init__", waiting)
    broken = blueprint(tmp_path, ", first: 2, last: 2")
    recipe = attrs.evolve(broken.train, log_every=9, checkpoint_every=2)
    with pytest.raises(BlueprintError, match="step 2: loss of bad is not finite"):
        train(attrs.evolve(broken, train=recipe), out=tmp_path / "run")
    assert not listed(tmp_path / "run" / "checkpoints")


@pytest.mark.parametrize("values", [(1.0, math.nan), (math.nan, 1.0), (math.nan, math.nan)])
def test_batches_that_make_one_step_are_left_out_as_one(values):
    guard = Guard(["a"], policy="skip", device=torch.device("cpu"))

    def step():
        guard.begin()
        for value in values:
            guard.look([torch.tensor(value)])
        return guard.passes()

    assert not any(step() for _ in range(IN_A_ROW))
    assert guard.memory.skipped == IN_A_ROW
    with pytest.raises(Broken, match=f"in {IN_A_ROW + 1} steps"):
        step()


def failure_of(folder):
    found = json.loads((folder / "failure.json").read_text())
    return {key: found[key] for key in ("step", "epoch", "broken", "losses", "samples")}


def fails_alike(folder, monkeypatch, settings, recipe, *, at):
    """Fail undisturbed, and after a stop at a step; each starts to count calls anew."""
    failing = blueprint(folder, settings, recipe)
    failing = attrs.evolve(failing, train=attrs.evolve(failing.train, epochs=9))
    with pytest.raises(BlueprintError):
        train(failing, out=folder / "whole")
    CALLS.clear()
    StopAt(monkeypatch, at)
    with pytest.raises(Stopped):
        train(failing, out=folder / "run")
    with pytest.raises(BlueprintError) as error:
        resume(folder / "run")
    assert failure_of(folder / "run") == failure_of(folder / "whole")
    return str(error.value)


def test_steps_in_a_row_are_counted_on_by_a_resumed_run(tmp_path, monkeypatch):
    settings = ", first: 3, last: 99"
    said = fails_alike(tmp_path, monkeypatch, settings, ", nonfinite: skip", at=6)
    assert f"in {IN_A_ROW + 1} steps one after the other" in said


def test_a_loss_that_explodes_after_a_resume_is_found(tmp_path, monkeypatch):
    settings = f", first: 6, last: 99, factor: {1e9}"
    assert "and was" in fails_alike(tmp_path, monkeypatch, settings, "", at=5)


def test_an_older_checkpoint_tells_nothing_of_the_losses():
    session = begin(STEP)
    session.guard.lowest["bad"], session.guard.in_a_row = 0.5, 3
    state = session.state_dict()
    again = begin(STEP)
    again.load_weights(state)
    assert again.guard == session.guard
    # as checkpoints were written before
    del state["guard"]
    again.load_weights(state)
    assert again.guard == Memory()


@pytest.mark.parametrize("recipe", [", checkpoint_every: 1", ", steps: 1"])
def test_weights_that_overflow_stop_the_run_before_they_are_kept(tmp_path, recipe):
    text = SMALL.replace("epochs: 2, ", "").replace("lr: 3e-3", f"lr: 1e38, optimizer: sgd{recipe}")
    with pytest.raises(BlueprintError, match="step 1: weights of 'teacher' are not finite"):
        train(small(tmp_path, text=text), out=tmp_path / "run")
    assert not listed(tmp_path / "run" / "checkpoints")
