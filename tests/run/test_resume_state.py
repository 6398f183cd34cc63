"""Everything that moves is in a checkpoint, whatever part of a run it belongs to."""

import json
import random
from typing import ClassVar

import attrs
import pytest
import torch
from torch import nn

from graphkd.component import Port, component
from graphkd.run import Stopped, checkpoint, resume, train
from tests.run.small import SMALL, begin, small
from tests.run.test_resume import StopAt, disturb, outcome


@component("loss", "queue_for_tests")
@attrs.frozen
class QueueLoss:
    """A loss with a queue, and a number beside it, and nothing that learns."""

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))

    def build(self, site):
        """Build it."""
        return Queue()


class Queue(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("rows", torch.zeros(8, 4))
        self.calls = 0

    def forward(self, student, teacher):
        loss = (student.mean(0) - self.rows.mean(0)).square().sum() * (1 + self.calls % 3)
        with torch.no_grad():
            self.rows = torch.cat([teacher.detach(), self.rows])[:8]
        self.calls += 1
        return loss

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]


@component("transform", "drifting_for_tests")
@attrs.frozen
class Drifting:
    """A transform that changes with each batch, between models that do not."""

    ports: ClassVar = (Port("input", "b c"),)

    def build(self, site):
        """Build it."""
        return Drift()


class Drift(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, value):
        self.mean = 0.9 * self.mean + 0.1 * value.detach().mean()
        return value - self.mean


STATEFUL = (
    SMALL.replace("loss: kl, temperature: 2, weight: 0.9", "loss: queue_for_tests")
    .replace("from: teacher.logits", "from: drift")
    .replace("\nflows:", "\n  drift: {type: drifting_for_tests, input: teacher.logits}\nflows:")
)


def ends_the_same(folder, monkeypatch, steps, *words, text, between=None):
    """Stop a run at steps, resume it each time, and compare it with one that was not stopped."""
    train(small(folder, *words, text=text), out=folder / "whole")
    StopAt(monkeypatch, *steps)
    with pytest.raises(Stopped):
        train(small(folder, *words, text=text), out=folder / "run")
    for number in range(len(steps)):
        disturb()
        random.seed(number)
        if between:
            between(folder / "run", number)
        try:
            resume(folder / "run")
        except Stopped:
            continue
    return outcome(folder / "run") == outcome(folder / "whole")


def test_queues_of_losses_and_what_drifts_go_on(tmp_path, monkeypatch):
    assert ends_the_same(tmp_path, monkeypatch, [7, 8, 11], text=STATEFUL)
    state = checkpoint.load_latest(tmp_path / "run" / "checkpoints")
    modules = state["modules"]
    assert {"student", "teacher", "drift"} < modules.keys()
    (queue,) = modules.keys() - {"student", "teacher", "drift"}
    assert modules[queue]["_extra_state"] == {"calls": 6}
    assert modules[queue]["rows"].any()


def test_other_workers_read_the_same(tmp_path, monkeypatch):
    """Augmented and mixed; the number of workers changes at each stop."""
    text = SMALL.replace("classes: 4", "classes: 4, mixup: 1, augment: [random_flip]")

    def change(folder, number):
        file = folder / "blueprint.yaml"
        words = file.read_text().replace("workers: 2, ", "")
        if number == 0:
            words = words.replace("mixup: 1", "workers: 2, mixup: 1")
        file.write_text(words)

    assert ends_the_same(tmp_path, monkeypatch, [1, 6], text=text, between=change)
    notes = json.loads((tmp_path / "run" / "run.json").read_text())["notes"]
    said = [each["text"].rpartition("began: ")[2] for each in notes]
    assert said == ["+ data.workers: 2", "- data.workers: 2"]


def test_an_optimizer_with_counters_of_its_own_goes_on(tmp_path, monkeypatch):
    words = ("train.optimizer=lamb", "train.schedule=step", "train.decay_epochs=1")
    assert ends_the_same(tmp_path, monkeypatch, [2, 9], *words, text=SMALL)


def test_records_that_were_lost_are_told(tmp_path, monkeypatch, capsys):
    StopAt(monkeypatch, 8)
    with pytest.raises(Stopped):
        train(small(tmp_path), out=tmp_path / "run")
    file = tmp_path / "run" / "metrics.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:2]))
    resume(tmp_path / "run")
    said = (
        f"{file}: {len(lines) - 2} of {len(lines)} records are gone; those that follow are written"
    )
    assert said in capsys.readouterr().err
    steps = [line.partition(",")[0] for line in file.read_text().splitlines()]
    assert [*steps[:2], steps[-1]] == ['{"step": 2', '{"step": 3', '{"step": 12']
    state = checkpoint.load_latest(tmp_path / "run" / "checkpoints")
    # all but the test's
    assert state["position"]["records"] == len(steps) - 1


def bias_of(network):
    return next(each for name, each in network.named_parameters() if name.endswith("fc.bias"))


def test_an_average_that_is_new_begins_at_the_weights_of_now():
    before, after = begin(), begin(SMALL.replace("model: tiny}", "model: tiny, ema: 0.9}"), seed=3)
    with torch.no_grad():
        bias_of(before.parts["student"]).fill_(7)
    after.load_weights(before.state_dict(), allowed=["nodes.student.ema"])
    for network in (after.parts["student"], after.averages["student"].module):
        assert bias_of(network).tolist() == [7.0] * 4
