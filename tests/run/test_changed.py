"""A run goes on only from what it began with, unless a change is allowed by its name."""

import importlib
import json
import os
import shlex
import shutil
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import torch
from safetensors.torch import load_file, save_file

from graphkd.cli import main
from graphkd.component import component
from graphkd.errors import BlueprintError
from graphkd.run import Stopped, changed, checkpoint, resume, train
from tests.run.counted import NumberedData, written
from tests.run.small import SMALL, small
from tests.run.test_resume import StopAt, outcome

MADE = {"blueprint": json.dumps({"blueprint": "a", "data": {"dataset": "digits"}})}


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Stop a run in its second phase of two."""

    def stop(*words, text=SMALL, step=8):
        StopAt(monkeypatch, step)
        with pytest.raises(Stopped):
            train(small(tmp_path, *words, text=text), out=tmp_path / "run")
        return tmp_path / "run"

    return stop


def refused(folder, *allowed):
    with pytest.raises(BlueprintError) as caught:
        resume(folder, allow_changed=allowed)
    return str(caught.value)


def refusal(folder, lines, keys):
    words = " ".join(f"--allow-changed {shlex.quote(key)}" for key in keys)
    return "\n".join(
        [
            f"{folder}: changed since the run began:",
            *(f"  {line}" for line in lines),
            "undo that, or train into a new folder; "
            "to go on all the same, though no longer exactly:",
            f"  graphkd resume {folder} {words}",
        ]
    )


def edit(folder, before, after):
    file = folder / "blueprint.yaml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def settings_of(folder):
    return json.loads((folder / "run.json").read_text())


def resumed(folder):
    """What `run.json` says of how often the run went on, without the time."""
    found = settings_of(folder)["resumed"]
    for each in found:
        then = datetime.fromisoformat(each.pop("time"))
        assert abs(datetime.now(UTC) - then) < timedelta(minutes=5)
    return found


def test_every_change_of_the_blueprint_is_listed_by_its_key(stopped):
    run = stopped()
    text = (run / "blueprint.yaml").read_text()
    edit(run, "lr: 0.003", "lr: 0.004, weight_decay: 0.1")
    edit(run, "weight: 0.9", "weight: 0.8")
    key = "flows.teacher.logits->student.logits/kl.weight"
    lines = [f"~ {key}: 0.9 -> 0.8", "~ train.lr: 0.003 -> 0.004", "+ train.weight_decay: 0.1"]
    keys = [key, "train.lr", "train.weight_decay"]
    assert refused(run) == refusal(run, lines, keys)
    assert f"--allow-changed '{key}'" in refused(run)
    # what is allowed is not listed, but stays in the command
    assert refused(run, "train.lr", key) == refusal(run, lines[2:], ["train.lr", key, keys[2]])
    # no key stands for others, and what is the key of nothing is named and left out
    wrong = [
        "--allow-changed train: nothing of that name changed; did you mean 'train.lr'?",
        "--allow-changed lr: nothing of that name changed; did you mean 'train.lr'?",
    ]
    assert refused(run, "train", "lr", key) == refusal(run, [*lines[1:], *wrong], [key, *keys[1:]])
    # a comment is no change
    (run / "blueprint.yaml").write_text(f"# mine\n{text}")
    resume(run)
    assert "notes" not in settings_of(run)
    assert resumed(run) == [{"seed": 0, "step": 8, "exact": True}]


def test_a_longer_training_goes_on_where_it_was_allowed(stopped, tmp_path):
    run = stopped()
    edit(run, "epochs: 2", "epochs: 4")
    resume(run, allow_changed=["train.epochs"])
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # the phase that was over is not trained again: 2 epochs of 3 steps, then 4 of them
    assert [each["epoch"] for each in steps if each["phase"] == "teach"][-1] == 1
    last = [each for each in steps if each["phase"] == "distil"][-1]
    assert (last["step"], last["epoch"]) == (18, 3)
    settings = settings_of(run)
    assert settings["exact"] is False
    assert settings["notes"] == [
        {"seed": 0, "step": 8, "text": "changed since the run began: ~ train.epochs: 2 -> 4"}
    ]
    assert resumed(run) == [
        {"seed": 0, "step": 8, "exact": False, "because": ["~ train.epochs: 2 -> 4"]}
    ]
    # what it is described as
    assert "epochs: 4" in (run / "blueprint.yaml").read_text()
    assert "4 epochs" in (run / "schedule.txt").read_text()


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_an_allowed_rate_is_the_one_that_is_taken(stopped, schedule):
    run = stopped(f"train.schedule={schedule}", "train.log_every=1")
    edit(run, "lr: 0.003", "lr: 0.5")
    resume(run, allow_changed=["train.lr"])
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rates = {each["step"]: each["lr"] for each in records if "lr" in each}
    assert rates[8] <= 0.003
    # half a cosine of 6 steps, of which 2 are done
    assert rates[9] == pytest.approx(0.5 if schedule == "constant" else 0.375)


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("train.optimizer=sgd",), ["train.optimizer"]),
        (("train.epochs=1", "data.batch_size=40"), ["data.batch_size", "train.epochs"]),
        (("nodes.student.ema=0.5",), ["nodes.student.ema"]),
    ],
)
def test_other_allowed_changes_train_to_the_end(stopped, tmp_path, words, keys):
    run = stopped("train.checkpoint_every=1")
    from graphkd.blueprint import load, save

    save(load(run / "blueprint.yaml", words), run / "blueprint.yaml")
    assert refused(run).endswith(" ".join(f"--allow-changed {key}" for key in keys))
    resume(run, allow_changed=keys)
    assert (run / "results.json").exists()


def test_another_batch_size_goes_on_with_the_samples_that_are_left(stopped, capsys):
    run = stopped("data.batch_size=16")
    edit(run, "batch_size: 16", "batch_size: 8")
    resume(run, allow_changed=["data.batch_size", "batch"])
    said = "--allow-changed batch: nothing of that name changed"
    assert f"graphkd: {run}: {said}" in capsys.readouterr().err
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    # 2 of an epoch's 3 steps were done, which are 4 of 5; another epoch follows
    assert steps[-1] == 8 + 1 + 5


def test_a_change_that_the_weights_do_not_fit_is_told(stopped):
    run = stopped()
    edit(run, "{type: student, model: tiny}", "{type: student, model: tiny, args: {width: 5}}")
    text = refused(run, "nodes.student.args", "nodes.student.args.width")
    assert text.startswith("the weights of 'student' in the checkpoint do not fit: ")
    assert "size mismatch" in text and "\n" not in text


def test_harmless_changes_are_said_and_the_run_stays_exact(stopped, tmp_path, capsys):
    train(small(tmp_path), out=tmp_path / "whole")
    run = stopped()
    edit(run, "blueprint: small", "blueprint: small\nabout: more words")
    edit(run, "log_every: 2", "log_every: 2, keep: 1, checkpoint_every: 2")
    capsys.readouterr()
    resume(run)
    lines = ["+ about: more words", "+ train.keep: 1", "+ train.checkpoint_every: 2"]
    said = [f"changed since the run began: {line}" for line in lines]
    assert sorted(capsys.readouterr().err.splitlines()) == sorted(f"graphkd: {x}" for x in said)
    assert sorted(each["text"] for each in settings_of(run)["notes"]) == sorted(said)
    assert settings_of(run)["exact"] is True
    assert outcome(run) == outcome(tmp_path / "whole")
    assert len(checkpoint.listed(run / "checkpoints")) == 1
    assert resumed(run) == [{"seed": 0, "step": 8, "exact": True}]
    # what describes the run, as its page does
    assert "more words" in (run / "live.json").read_text()


def test_another_number_of_threads_or_another_processor_is_not_exact(stopped, monkeypatch, capsys):
    """Sums are divided otherwise: the last bits change."""
    run = stopped()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "ABACUS")
    resume(run)
    because = resumed(run)[0]["because"]
    assert [each.partition(":")[0] for each in because] == ["~ threads", "~ processor"]
    assert because[0].endswith(" -> 77") and because[1].endswith(", ABACUS")
    assert settings_of(run)["exact"] is False
    said = capsys.readouterr().err
    assert all(f"graphkd: changed since the run began: {each}\n" in said for each in because)


def test_a_run_without_a_checkpoint_begins_again_as_its_blueprint_says(stopped, capsys):
    run = stopped()
    shutil.rmtree(run / "checkpoints")
    edit(run, "epochs: 2", "epochs: 1")
    resume(run)
    text = f"{run}: no checkpoint is there; the run begins again"
    assert f"graphkd: {text}\n" in capsys.readouterr().err
    assert settings_of(run)["notes"] == [{"seed": 0, "step": 0, "text": text}]
    assert resumed(run) == [{"seed": 0, "step": 0, "exact": True}]
    assert "1 epoch " in (run / "schedule.txt").read_text()


@pytest.mark.parametrize("name", ["checkpoints", "state.pt", "run", "metrics.jsonl"])
def test_what_may_not_be_read_or_written_is_not_taken_for_damaged(stopped, monkeypatch, name):
    run = stopped()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    real = os.access
    # whoever is root may do everything
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != name and real(path, mode))
    text = refused(run)
    verb = "read" if name == "state.pt" else "read and written"
    assert f"{name}: may not be {verb}; allow it, then go on with: graphkd resume {run}" in text
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("name", "harmless"), [("torch", False), ("numpy", True)])
def test_other_software_is_refused_where_it_computes(stopped, monkeypatch, capsys, name, harmless):
    run = stopped()
    module = importlib.import_module("graphkd.run.ready")
    now = module.versions()
    monkeypatch.setattr(module, "versions", lambda: now | {name: "9.9"})
    key = f"versions.{name}"
    line = f"~ {key}: {now[name]} -> 9.9"
    if not harmless:
        assert refused(run) == refusal(run, [line], [key])
    resume(run, allow_changed=[] if harmless else [key])
    assert line in capsys.readouterr().err
    assert settings_of(run)["exact"] is False


SHIFT = {"count": 16, "base": 0, "labels": 0}


@component("dataset", "shifted_for_tests")
@attrs.frozen
class Shifted:
    """Data whose files change behind a run's back."""

    def spec(self, folder):
        return NumberedData().spec(folder)

    def splits(self, folder):
        splits = NumberedData(count=SHIFT["count"], base=SHIFT["base"]).splits(folder)
        splits.train.labels[0] += SHIFT["labels"]
        return splits


@pytest.mark.parametrize("change", [{"count": 17}, {"base": 1}, {"labels": 1}])
def test_other_data_is_refused(stopped, monkeypatch, change):
    text = written(dataset="shifted_for_tests").replace("{device: cpu}", "{device: cpu, epochs: 4}")
    run = stopped(text=text, step=5)
    for key, value in change.items():
        monkeypatch.setitem(SHIFT, key, value)
    text = refused(run)
    assert "\n  ~ data: train: 16 images, labels " in text
    assert text.endswith(f"graphkd resume {run} --allow-changed data")
    resume(run, allow_changed=["data"])
    assert settings_of(run)["exact"] is False


def test_other_weights_of_a_frozen_teacher_are_refused(stopped, tmp_path):
    train(small(tmp_path), out=tmp_path / "early")
    text = SMALL.replace("args: {width: 6}", "weights: run:early")
    text = "\n".join(
        line for line in text.splitlines() if "to: teacher" not in line and "phases:" not in line
    )
    run = stopped("train.epochs=4", text=text + "\n")
    file = tmp_path / "early" / "student.safetensors"
    weights, content = load_file(file), file.read_bytes()
    weights["fc.bias"] += 1
    save_file(weights, file)
    text = refused(run)
    assert "\n  ~ weights.teacher: " in text
    assert text.endswith(f"graphkd resume {run} --allow-changed weights.teacher")
    file.write_bytes(content)
    resume(run)
    # frozen weights are in no checkpoint
    state = checkpoint.load_latest(run / "checkpoints")
    assert list(state["modules"]) == ["student"]


def test_a_finished_run_is_not_told_as_that_of_another_blueprint(tmp_path):
    run = tmp_path / "run"
    train(small(tmp_path, "train.seeds=[1,2]", "train.epochs=1"), out=run)
    edit(run, "epochs: 1", "epochs: 2")
    line = "~ train.epochs: 1 -> 2"
    assert refused(run) == refusal(run, [line], ["train.epochs"])
    for _ in range(2):
        resume(run, allow_changed=["train.epochs"])
    # once
    notes = settings_of(run)["notes"]
    text = "finished, and stays as it was trained"
    assert [each["text"] for each in notes] == [
        f"{run / f'seed-{n}'}: {text}: {line}" for n in "12"
    ]
    assert settings_of(run)["exact"] is False


def test_the_command_takes_keys_one_by_one(stopped, capsys):
    run = stopped()
    edit(run, "lr: 0.003", "lr: 0.004")
    edit(run, "epochs: 2", "epochs: 3")
    with pytest.raises(SystemExit) as left:
        main(["resume", str(run), "--allow-changed", "train.lr"])
    assert left.value.code == 1
    line = "~ train.epochs: 2 -> 3"
    assert capsys.readouterr().err == (
        f"graphkd: {refusal(run, [line], ['train.lr', 'train.epochs'])}\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["resume", str(run), "--allow-changed", "train.lr", "--allow-changed", "train.epochs"])
    assert left.value.code == 0
    assert (run / "results.json").exists()


def test_names_of_a_stranger_stay_on_one_line():
    evil = {"blueprint": "a", "data": {"dataset": "digits"}, "about": "two\nlines"}
    lines = changed.differences(MADE, {"blueprint": json.dumps(evil)})
    assert [each.line for each in lines] == ['+ about: "two\\nlines"']


def test_a_checkpoint_of_an_earlier_version_lacks_what_is_not_compared():
    now = {**MADE, "versions": {"torch": "3"}, "data": {"train": "x"}, "still": {}, "device": "d"}
    assert changed.differences(MADE, now) == []
