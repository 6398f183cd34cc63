import importlib
import json
import math

import attrs
import pytest
import torch
from safetensors.torch import load_file

from graphkd.component import Splits, component
from graphkd.components.datasets import Fake
from graphkd.errors import BlueprintError
from graphkd.run import loop as loop_module
from graphkd.run import train
from graphkd.run import validate as validate_module
from graphkd.run.again import evaluate_run, open_run
from graphkd.run.evaluate import Evaluation
from graphkd.run.fingerprint import FEW
from graphkd.run.record import read_metrics, read_results
from graphkd.run.train import pick_device
from tests.run.small import HEAD, SMALL, small

READS: list[str] = []


@attrs.frozen(eq=False)
class Watched:
    """Writes down that an image of a split was read."""

    samples: object
    split: str

    @property
    def labels(self):
        return self.samples.labels

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        READS.append(self.split)
        return self.samples[index]


@component("dataset", "watched_for_tests")
@attrs.frozen
class WatchedData(Fake):
    """Made-up images whose reading is watched."""

    def splits(self, folder):
        READS.append("opened")
        plain = super().splits(folder)
        names = ("train", "validation", "test")
        return Splits(*(Watched(getattr(plain, name), name) for name in names))


def turns(reads):
    """Leave out what repeats."""
    return [each for index, each in enumerate(reads) if reads[index - 1 : index] != [each]]


def test_the_test_split_is_read_only_at_the_end(tmp_path):
    READS.clear()
    text = SMALL.replace("dataset: fake", "dataset: watched_for_tests")
    train(small(tmp_path, text=text), out=tmp_path / "run")
    # opened once; two epochs in each of two phases
    assert turns(READS) == ["opened", *["train", "validation"] * 4, "test"]
    # and a few images that tell one data set from another
    assert READS.count("train") == 4 * 40 + FEW
    assert READS.count("test") == 8


def test_the_data_set_is_opened_once_for_all_seeds(tmp_path):
    READS.clear()
    text = SMALL.replace("dataset: fake", "dataset: watched_for_tests")
    blueprint = small(tmp_path, "train.seeds=[0,1]", "train.epochs=1", text=text)
    result = train(blueprint, out=tmp_path / "run")
    assert READS.count("opened") == 1
    assert READS.count("test") == 2 * 8
    assert list(result.evaluations) == [0, 1]
    assert result.evaluations[0] != result.evaluations[1]


def delivered(folder, name="student"):
    return load_file(folder / f"{name}.safetensors")


def assert_same(state, expected):
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(state[key], value), key


class Script:
    """Takes the place of validation's `evaluate`: scores are given, weights are kept."""

    def __init__(self, monkeypatch, scores, averages=()):
        self.scores, self.averages = iter(scores), iter(averages)
        self.weights, self.average_weights = [], []
        monkeypatch.setattr(validate_module, "evaluate", self)

    def __call__(self, schedule, parts, batches, *, device, only=None, world=None):
        state = {name: self.copy(parts[name]) for name in parts if name in ("student", "alone")}
        (self.weights if only is None else self.average_weights).append(state)
        score = next(self.scores if only is None else self.averages)
        scores = score if isinstance(score, dict) else {"student": score}
        return Evaluation({name: {"top1": value} for name, value in scores.items()}, {})

    def copy(self, part):
        return {key: value.clone() for key, value in part.model.state_dict().items()}


ONE = (
    HEAD.replace("epochs: 2", "epochs: 4")
    + """\
nodes: {student: {type: student, model: tiny}}
flows: [{from: data.label, to: student.logits, loss: cross_entropy}]
"""
)


def test_the_best_weights_by_validation_are_handed_back(tmp_path, monkeypatch):
    script = Script(monkeypatch, [0.3, 0.9, 0.9, 0.5])
    result = train(small(tmp_path, text=ONE), out=tmp_path / "run")
    # of equal ones the first
    assert_same(delivered(tmp_path / "run"), script.weights[1]["student"])
    best = open_run(tmp_path / "run").best["student"]
    assert (best.score, best.step) == (0.9, 6)
    monkeypatch.undo()
    assert evaluate_run(tmp_path / "run", split="test").evaluations == result.evaluations
    assert evaluate_run(tmp_path / "run", split="validation").evaluations != result.evaluations


def test_the_average_is_handed_back_where_it_is_better(tmp_path, monkeypatch):
    script = Script(monkeypatch, [0.3, 0.5, 0.7, 0.6], [0.2, 0.8, 0.7, 0.6])
    text = ONE.replace("model: tiny", "model: tiny, ema: 0.5")
    result = train(small(tmp_path, text=text), out=tmp_path / "run")
    assert_same(delivered(tmp_path / "run"), script.average_weights[1]["student"])
    with pytest.raises(AssertionError):
        assert_same(delivered(tmp_path / "run"), script.weights[1]["student"])
    # and it is what was tested
    monkeypatch.undo()
    assert evaluate_run(tmp_path / "run", split="test").evaluations == result.evaluations


def test_the_average_is_left_where_it_is_worse(tmp_path, monkeypatch):
    script = Script(monkeypatch, [0.3, 0.9, 0.4, 0.6], [0.2, 0.8, 0.7, 0.6])
    text = ONE.replace("model: tiny", "model: tiny, ema: 0.5")
    train(small(tmp_path, text=text), out=tmp_path / "run")
    assert_same(delivered(tmp_path / "run"), script.weights[1]["student"])


def test_each_student_is_tested_with_its_own_best(tmp_path, monkeypatch):
    """The one that is there for comparison gets the same chance as the one handed back."""
    text = (
        HEAD.replace("epochs: 2", "epochs: 3")
        + """\
nodes:
  student: {type: student, model: tiny}
  alone: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: alone.logits, loss: cross_entropy}
deliver: student
"""
    )
    scores = [
        {"student": 0.3, "alone": 0.9},
        {"student": 0.7, "alone": 0.2},
        {"student": 0.1, "alone": 0.1},
    ]
    script = Script(monkeypatch, scores)
    train(small(tmp_path, text=text), out=tmp_path / "run")
    session = open_run(tmp_path / "run")
    assert_same(session.parts["student"].model.state_dict(), script.weights[1]["student"])
    assert_same(session.parts["alone"].model.state_dict(), script.weights[0]["alone"])


def test_a_later_phase_starts_its_own_search_for_the_best(tmp_path, monkeypatch):
    text = ONE.replace("epochs: 4", "epochs: 2")
    text += "phases: [{name: one, train: [student]}, {name: two, train: [student]}]\n"
    script = Script(monkeypatch, [0.9, 0.8, 0.1, 0.2])
    train(small(tmp_path, text=text), out=tmp_path / "run")
    assert_same(delivered(tmp_path / "run"), script.weights[3]["student"])


def test_a_teacher_keeps_its_last_weights(tmp_path, monkeypatch):
    """It is tested with the weights that it taught with."""
    scores = [{"teacher": 0.9}, {"teacher": 0.1}, 0.5, 0.5]
    script = Script(monkeypatch, scores)
    train(small(tmp_path), out=tmp_path / "run")
    assert list(open_run(tmp_path / "run").best) == ["student"]
    assert len(script.weights) == 4


def test_equal_runs_write_equal_files(tmp_path):
    text = SMALL.replace("model: tiny}", "model: tiny, args: {dropout: 0.3}, ema: 0.9}")
    text = text.replace("classes: 4", "classes: 4, augment: [gaussian_noise], mixup: 0.4")
    found = []
    for name, words in (("one", ()), ("two", ()), ("seed", ("train.seed=1",))):
        torch.manual_seed(len(found))
        train(small(tmp_path, *words, text=text), out=tmp_path / name)
        files = ("metrics.jsonl", "student.safetensors", "results.json")
        found.append([(tmp_path / name / file).read_bytes() for file in files])
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[0], found[2], strict=True))


def test_workers_make_no_difference(tmp_path):
    text = SMALL.replace("classes: 4", "classes: 4, augment: [gaussian_noise]")
    found = []
    for workers in (0, 2):
        folder = tmp_path / str(workers)
        train(small(tmp_path, f"data.workers={workers}", text=text), out=folder)
        found.append((folder / "metrics.jsonl").read_bytes())
    assert found[0] == found[1]


def test_what_a_run_folder_holds(tmp_path):
    train(small(tmp_path), out=tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names >= {
        "blueprint.yaml",
        "checkpoints",
        "graph.dot",
        "graph.mmd",
        "metrics.jsonl",
        "results.json",
        "run.json",
        "schedule.txt",
        "student.safetensors",
        "tensorboard",
    }
    assert not [path for path in (tmp_path / "run").rglob("*.tmp")]
    settings = json.loads((tmp_path / "run" / "run.json").read_text())
    assert settings["folder"] == str(tmp_path.resolve())
    assert checkpoints(tmp_path / "run") == [9, 12]


def checkpoints(folder):
    return sorted(int(path.stem[5:]) for path in (folder / "checkpoints").iterdir())


def test_when_checkpoints_are_written(tmp_path):
    # after each validation, and at the end of a phase
    train(small(tmp_path, "train.keep=100"), out=tmp_path / "epochs")
    assert checkpoints(tmp_path / "epochs") == [3, 6, 9, 12]
    # every so many steps, and at the end of a phase
    words = ("train.keep=100", "train.checkpoint_every=4")
    train(small(tmp_path, *words), out=tmp_path / "steps")
    assert checkpoints(tmp_path / "steps") == [4, 6, 8, 12]


def test_records_by_hand(tmp_path):
    train(small(tmp_path), out=tmp_path / "run")
    records = read_metrics(tmp_path / "run")
    steps = [(each["step"], each["phase"], each.get("epoch"), "lr" in each) for each in records]
    # 3 steps an epoch: losses every second step and where it is validated
    assert steps == [
        (2, "teach", 0, True),
        (3, "teach", 0, True),
        (3, "teach", 0, False),
        (4, "teach", 1, True),
        (6, "teach", 1, True),
        (6, "teach", 1, False),
        (8, "distil", 0, True),
        (9, "distil", 0, True),
        (9, "distil", 0, False),
        (10, "distil", 1, True),
        (12, "distil", 1, True),
        (12, "distil", 1, False),
        (12, "test", None, False),
    ]
    assert set(records[8]) == {
        "step",
        "phase",
        "epoch",
        *(f"validation/student/{each}" for each in ("top1", "top5", "nll", "ece")),
        "validation/student/agreement/teacher",
        "validation/student/predictive_kl/teacher",
        "validation/student/gap/teacher",
    }
    assert {key.split("/")[1] for key in records[-1] if "/" in key} == {"teacher", "student"}
    assert (
        read_results(tmp_path / "run").models["student"]["nll"] == records[-1]["test/student/nll"]
    )


def test_tensorboard_holds_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(small(tmp_path), out=tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    expected = {}
    for record in read_metrics(tmp_path / "run"):
        for key, value in record.items():
            if isinstance(value, float):
                expected.setdefault(key, []).append((record["step"], value))
    assert set(events.Tags()["scalars"]) == set(expected)
    for tag, values in expected.items():
        found = [(each.step, each.value) for each in events.Scalars(tag)]
        assert [step for step, _ in found] == [step for step, _ in values]
        # events are float32
        assert [v for _, v in found] == pytest.approx([v for _, v in values], rel=1e-6)


def test_losses_are_read_only_where_they_are_written(tmp_path, monkeypatch):
    reads, steps = [], []
    stack, run = torch.stack, loop_module.PhaseStep.run

    class Read:
        def __init__(self, tensor):
            self.tensor = tensor

        def tolist(self):
            reads.append(len(steps))
            return self.tensor.tolist()

    class Torch:
        def __getattr__(self, name):
            return getattr(torch, name)

        def stack(self, tensors):
            return Read(stack(tensors))

    monkeypatch.setattr(loop_module, "torch", Torch())
    monkeypatch.setattr(loop_module.PhaseStep, "run", lambda *args: steps.append(1) or run(*args))
    words = ("train.log_every=5", "train.steps=20")
    train(small(tmp_path, *words, text=ONE), out=tmp_path / "run")
    # 3 steps an epoch, 7 epochs, each validated: the losses of its last step are written too
    assert reads == [3, 5, 6, 9, 10, 12, 15, 18, 20]
    reads.clear()
    steps.clear()
    # the phase ends in the middle of its second epoch
    words = ("train.log_every=1000", "train.steps=5")
    train(small(tmp_path, *words, text=ONE), out=tmp_path / "short")
    assert reads == [3, 5]
    reads.clear()
    steps.clear()
    words = ("train.log_every=1000", "train.steps=40", "data.batch_size=40")
    train(small(tmp_path, *words, text=ONE), out=tmp_path / "seldom")
    # 40 epochs of a step, of which every fourth is validated
    assert reads == list(range(4, 41, 4))


def test_a_diverged_run_writes_valid_json(tmp_path):
    def refuse(constant):
        raise AssertionError(constant)

    words = (
        "train.lr=1e30",
        "train.nonfinite=ignore",
        "train.optimizer=momentum",
        "train.schedule=constant",
    )
    train(small(tmp_path, *words, text=ONE), out=tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert "nan" in [value for record in records for value in record.values()]
    json.loads((tmp_path / "run" / "results.json").read_text(), parse_constant=refuse)
    assert math.isnan(read_results(tmp_path / "run").models["student"]["nll"])


def error(*args, **kwargs):
    with pytest.raises(BlueprintError) as caught:
        train(*args, **kwargs)
    return str(caught.value)


FILES = SMALL.replace("fake, size: 8, samples: 40", "image_folder, root: nowhere").replace(
    ", classes: 4", ""
)


@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        ((), SMALL.replace("loss: kl", "loss: kll"), "kll"),
        ((), SMALL.replace("teacher.logits, to", "teacher.logit, to"), "no tap 'logit'"),
        (("train.optimizer=adamq",), SMALL, "no optimizer 'adamq'"),
        (("data.labels_per_class=100",), SMALL, "has 10 labelled images, not 100"),
        (("train.device=gpu",), SMALL, "no device 'gpu'"),
        ((), FILES, "nowhere"),
        (("teacher.weights=absent.safetensors",), SMALL, "absent.safetensors"),
    ],
)
def test_no_folder_is_made_for_a_mistake(tmp_path, words, text, expected):
    with pytest.raises(BlueprintError, match=expected):
        train(small(tmp_path, *words, text=text), out=tmp_path / "deep" / "run")
    assert not (tmp_path / "deep").exists()


def test_a_place_that_is_taken_is_told_before_the_work_begins(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("precious")

    def refuse(*args, **kwargs):
        raise AssertionError("too early")

    monkeypatch.setattr(importlib.import_module("graphkd.run.train"), "open_splits", refuse)
    with pytest.raises(BlueprintError, match="exists already"):
        train(small(tmp_path), out=tmp_path / "run")


def test_a_mistake_leaves_the_earlier_run_alone(tmp_path):
    train(small(tmp_path, "train.epochs=1"), out=tmp_path / "run")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    with pytest.raises(BlueprintError):
        blueprint = small(tmp_path, "train.optimizer=adamq")
        train(blueprint, out=tmp_path / "run", force=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_several_seeds_have_their_own_folders(tmp_path):
    blueprint = small(tmp_path, "train.seeds=[3,1,3]", "train.epochs=1")
    result = train(blueprint, out=tmp_path / "run")
    assert list(result.evaluations) == [3, 1]
    together = json.loads((tmp_path / "run" / "results.json").read_text())
    for seed in (3, 1):
        alone = train(
            small(tmp_path, f"train.seed={seed}", "train.epochs=1"), out=tmp_path / f"alone{seed}"
        )
        assert alone.evaluations[seed] == result.evaluations[seed]
        assert_same(
            delivered(tmp_path / "run" / f"seed-{seed}"), delivered(tmp_path / f"alone{seed}")
        )
        assert together[str(seed)] == json.loads(
            (tmp_path / f"alone{seed}" / "results.json").read_text()
        )
    assert open_run(tmp_path / "run", seed=1).best["student"].step == 6


def test_device_names(monkeypatch):
    def said(name):
        with pytest.raises(BlueprintError) as caught:
            pick_device(name)
        return str(caught.value)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert pick_device("auto") == torch.device("cpu")
    assert pick_device("cpu") == torch.device("cpu")
    assert said("gpu") == "train: no device 'gpu'; write auto, cpu, cuda or cuda:0"
    assert said("mps") == "train: device 'mps' is not supported; write auto, cpu, cuda or cuda:0"
    assert said("cuda") == "train: device 'cuda' is not there (0 CUDA devices); write auto"
    assert said("cuda:2") == "train: device 'cuda:2' is not there (0 CUDA devices); write auto"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert said("cuda:2") == "train: device 'cuda:2' is not there (2 CUDA devices); write auto"


def test_a_failing_node_is_named(tmp_path, monkeypatch):
    from tests.conftest import TinyNet

    real = TinyNet.forward

    def fail(self, x):
        if x.device.type == "cpu" and self.training:
            raise IndexError("of the model's own")
        return real(self, x)

    monkeypatch.setattr(TinyNet, "forward", fail)
    with pytest.raises(IndexError) as caught:
        train(small(tmp_path), out=tmp_path / "run")
    assert str(caught.value) == "of the model's own"
    (note,) = caught.value.__notes__
    assert note.startswith("while running node 'teacher' on ")
    assert note.endswith(" (16, 3, 8, 8)")
