"""What a run writes down beside its metrics: speed, classes, the page."""

import json

import pytest
import torch

from graphkd.run import Stopped, resume, train
from graphkd.run.loop import Loop
from graphkd.run.speed import SPEED, Speed
from tests.run.small import small


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_tells_its_speed_its_memory_and_its_classes(tmp_path):
    folder = train(small(tmp_path), out=tmp_path / "run").folder
    written = lines(folder / SPEED)
    assert [each["seconds"] for each in written] == sorted(each["seconds"] for each in written)
    assert all(each["samples_per_second"] > 0 for each in written)
    # a process with torch in it
    assert all(each["memory_bytes"] > 50e6 for each in written)
    found = json.loads((folder / "classes.json").read_text())
    results = json.loads((folder / "results.json").read_text())
    assert found["split"] == "test"
    for name, accuracies in found["models"].items():
        right = sum(share * n for share, n in zip(accuracies, found["counts"], strict=True) if n)
        top1 = results["models"][name]["top1"]
        assert right / sum(found["counts"]) == pytest.approx(top1)


def test_metrics_hold_nothing_that_depends_on_the_clock(tmp_path):
    one, other = (train(small(tmp_path), out=tmp_path / name).folder for name in "ab")
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()


def test_a_resumed_run_tells_each_step_once_and_its_clock_goes_on(tmp_path, monkeypatch):
    blueprint = small(tmp_path, "train.epochs=3", "train.log_every=1")
    record = Loop._record

    def stopping(loop, step, rates):
        record(loop, step, rates)
        loop.stop = loop.session.step == 3

    monkeypatch.setattr(Loop, "_record", stopping)
    with pytest.raises(Stopped):
        train(blueprint, out=tmp_path / "run")
    monkeypatch.undo()
    before = lines(tmp_path / "run" / SPEED)
    resume(tmp_path / "run")
    after = lines(tmp_path / "run" / SPEED)
    steps = [each["step"] for each in after]
    assert steps == sorted(set(steps))
    assert after[: len(before)] == before
    assert after[len(before)]["seconds"] > before[-1]["seconds"]


def test_a_line_that_a_kill_has_cut_is_dropped(tmp_path):
    (tmp_path / SPEED).write_bytes(b'{"step": 1, "seconds": 2.0}\n{"step": 2, "sec\xff')
    Speed(tmp_path, torch.device("cpu"), step=5).write(3, "a")
    assert [each["step"] for each in lines(tmp_path / SPEED)] == [1, 3]
