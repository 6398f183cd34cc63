"""A small fidelity study: what runs, what is measured, what is used again, what is refused."""

import csv
import json
import shutil

import pytest
import torch

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.component import find
from graphkd.errors import BlueprintError
from graphkd.inspect.comparison.data import Origin
from graphkd.inspect.study.data import SPLITS
from graphkd.run import Stopped, compare_runs, metrics, study, study_measure
from graphkd.run.evaluate import evaluate
from graphkd.run.loop import Loop
from graphkd.run.source import divide, evaluation_batches, open_splits
from graphkd.run.study import study_fidelity
from graphkd.run.study_policies import Policy
from graphkd.run.study_viewer import reopen

ORIGIN = Origin("graphkd study fidelity", "2026-01-02", "a CPU", {"torch": "2"})
# 8 images of the test and of validation; of the 40 training images 24
ONE = """\
blueprint: small
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4, subset: 24}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: teach, train: [teacher], steps: 60}, {name: distil, train: [student]}]
train: {steps: 6, lr: 0.01, device: cpu}
"""
TWO = (
    ONE.replace(
        "  teacher: {type: teacher, model: tiny}\n",
        "  one: {type: teacher, model: tiny}\n"
        "  two: {type: teacher, model: tiny, args: {width: 6}}\n"
        "  teacher: {type: ensemble, input: [one.logits, two.logits]}\n",
    )
    .replace("train: [teacher], steps: 60", "train: [one, two]")
    .replace(
        "  - {from: data.label, to: teacher.logits, loss: cross_entropy}\n",
        "  - {from: data.label, to: one.logits, loss: cross_entropy}\n"
        "  - {from: data.label, to: two.logits, loss: cross_entropy}\n",
    )
    .replace("from: teacher.logits", "from: teacher")
)
POLICIES = (
    Policy("baseline", "as it is"),
    Policy("turned", "turned", augment=["random_rotation"]),
    Policy(
        "fresh",
        "the other half",
        {"half": "second", "subset": None},
        (),
        {"half": "first", "subset": None},
    ),
)


def run(out, text=ONE, *, seeds=(0,), policies=POLICIES[:1], shares=(), **settings):
    return study_fidelity(
        loads(text, folder=out.parent),
        seeds=seeds,
        policies=policies,
        out=out,
        origin=ORIGIN,
        shares=shares,
        **settings,
    )


@pytest.fixture(scope="module", autouse=True)
def brief():
    """Show few images again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_measure, "SHOWN", 64)
        yield


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Write no figures, which takes seconds; what a module's fixture writes has been written."""

    def write(found, folder):
        (folder / "study.json").write_text("{}")

    monkeypatch.setattr(study, "write_study", write)


@pytest.fixture
def begun(monkeypatch):
    """List the folders in which a run begins or goes on."""
    found = []
    for name in ("train", "resume"):
        real = getattr(compare_runs, name)

        def call(*given, _real=real, _name=name, **settings):
            folder = settings["out"] if _name == "train" else given[0]
            found.append(f"{_name} {folder.parent.name}/{folder.name}")
            return _real(*given, **settings)

        monkeypatch.setattr(compare_runs, name, call)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of all parts."""
    out = tmp_path_factory.mktemp("study") / "out"
    return run(out, policies=POLICIES, shares=(0.0, 1.0)), out


def test_a_row_for_each_model_seed_and_split(whole):
    found, out = whole
    names = {
        ("teacher", "teacher"): ("train", "test"),
        ("policy", "baseline"): SPLITS,
        ("policy", "turned"): SPLITS,
        ("policy", "fresh"): SPLITS,
        ("control", "control"): SPLITS,
        ("near", "0"): SPLITS,
        ("near", "1"): SPLITS,
    }
    rows = [(row.part, row.name, row.seed, row.split) for row in found.rows]
    assert rows == [(*name, 0, split) for name, splits in names.items() for split in splits]
    lines = list(csv.DictReader((out / "study.csv").open()))
    assert [(e["part"], e["name"], int(e["seed"]), e["split"]) for e in lines] == rows
    for line, row in zip(lines, found.rows, strict=True):
        assert {k: float(v) for k, v in line.items() if v and k in row.values} == pytest.approx(
            dict(row.values), nan_ok=True
        )
    data = json.loads((out / "study.json").read_text())
    assert len(data["rows"]) == len(rows)
    assert data["images"] == {"train": 24, "test": 8}


def test_students_tell_how_they_learnt(whole):
    found, out = whole
    row = next(r for r in found.rows if (r.name, r.split) == ("turned", "test"))
    assert (row.values["steps"], row.values["lr"]) == (6, 0.01)
    lines = (out / "student-turned" / "seed0" / "metrics.jsonl").read_text().splitlines()
    losses = [r for r in map(json.loads, lines) if "loss/teacher.logits->student.logits/kl" in r]
    # two steps an epoch: the last two are one, and only its end is written down
    assert losses[-1]["epoch"] == 2
    last = [r for r in losses if r["epoch"] == 2]
    mean = sum(r["loss/teacher.logits->student.logits/kl"] for r in last) / len(last)
    assert row.values["train_loss"] == pytest.approx(mean)


def test_what_lies_in_the_folder(whole):
    _, out = whole
    files = sorted(path.name for path in out.iterdir() if path.is_file())
    assert files == ["report.html", "study.csv", "study.json"]
    drawn = sorted(path.name for path in (out / "figures").iterdir())
    assert drawn == [
        "agreement_accuracy.png",
        "control.png",
        "kl_ece.png",
        "start_near.png",
        "train_test_agreement.png",
    ]


def test_a_measured_run_is_what_evaluation_says_of_its_last_weights(whole):
    found, out = whole
    folder = out / "student-turned" / "seed0"
    blueprint = loads((folder / "blueprint.yaml").read_text())
    schedule = compile_blueprint(blueprint)
    session = reopen(schedule, folder, seed=0)
    parts = divide(blueprint, open_splits(blueprint), seed=0).parts
    batches = evaluation_batches(parts.test, blueprint.data)
    plain = evaluate(schedule, session.parts, batches, device=torch.device("cpu")).models["student"]
    row = next(r for r in found.rows if (r.name, r.split) == ("turned", "test"))
    assert row.values["agreement"] == plain["agreement/teacher"]
    assert row.values["predictive_kl"] == pytest.approx(plain["predictive_kl/teacher"])
    assert {key: row.values[key] for key in ("top1", "nll", "ece")} == pytest.approx(
        {key: plain[key] for key in ("top1", "nll", "ece")}
    )


def test_splits_are_the_teachers_images_what_was_shown_and_the_test(whole):
    found, _ = whole
    count = {(r.name, r.split): r.values["images"] for r in found.rows if r.part == "policy"}
    # 40 images in two halves of 20; batches of 16 until there are 64
    assert count["baseline", "train"] == 24
    assert count["fresh", "train"] == 20
    assert count["baseline", "test"] == count["fresh", "test"] == 8
    assert 64 <= count["turned", "distil"] < 80


def test_invariant_6_a_student_that_starts_at_the_teacher_follows_it_most(whole):
    """At share 1 and a rate of a millionth the student is its teacher, recalibration aside."""
    found, _ = whole
    kl = {
        r.name: r.values["predictive_kl"]
        for r in found.rows
        if (r.part, r.split) == ("near", "train")
    }
    alike = {
        r.name: r.values["cka_stage3"] for r in found.rows if (r.part, r.split) == ("near", "test")
    }
    assert kl["1"] < kl["0"]
    assert alike["1"] > 0.9
    rate = next(r.values["lr"] for r in found.rows if r.name == "1")
    assert rate == 1e-6


def test_control_students_agree_with_both_teachers(whole):
    found, out = whole
    rows = {
        (r.part, r.split): r.values
        for r in found.rows
        if r.name in ("baseline", "control", "teacher")
    }
    own, other = rows["policy", "test"], rows["control", "test"]
    assert found.excess("test") == [own["agreement"] - other["other_agreement"]]
    answers = {}
    for name in ("student-baseline", "student-control"):
        folder = out / name / "seed0"
        blueprint = loads((folder / "blueprint.yaml").read_text())
        session = reopen(compile_blueprint(blueprint), folder, seed=0)
        splits = open_splits(blueprint)
        image = torch.stack([splits.test[i] for i in range(len(splits.test))])
        for node in ("student", "teacher"):
            part = session.parts[node]
            with torch.no_grad():
                mean, std = (
                    torch.tensor(v).view(1, -1, 1, 1) for v in (part.image.mean, part.image.std)
                )
                answers[name, node] = part((image - mean) / std)
    t, other_t = answers["student-baseline", "teacher"], answers["student-control", "teacher"]
    s, other_s = answers["student-baseline", "student"], answers["student-control", "student"]
    assert own["agreement"] == metrics.agreement(s, t)
    assert own["other_agreement"] == metrics.agreement(s, other_t)
    assert other["agreement"] == metrics.agreement(other_s, other_t)
    assert other["other_agreement"] == metrics.agreement(other_s, t)
    assert rows["teacher", "test"]["other_agreement"] == metrics.agreement(other_t, t)


def test_an_ensemble_teaches_by_the_mean_of_its_members(tmp_path):
    found = run(tmp_path / "out", TWO, shares=(0.5,))
    assert found.shares == ()
    assert not any(key.startswith("cka_") for row in found.rows for key in row.values)
    assert "not one network each" in found.remarks[0]
    folder = tmp_path / "out" / "student-baseline" / "seed0"
    schedule = compile_blueprint(loads((folder / "blueprint.yaml").read_text()))
    parts = reopen(schedule, folder, seed=0).parts
    splits = open_splits(schedule.blueprint)
    image = torch.stack([splits.test[i] for i in range(len(splits.test))])
    mean, std = (
        torch.tensor(v).view(1, -1, 1, 1) for v in (parts["one"].image.mean, parts["one"].image.std)
    )
    with torch.no_grad():
        rows = [parts[name]((image - mean) / std).double().softmax(-1) for name in ("one", "two")]
    predicted = (rows[0] + rows[1]) / 2
    row = next(r for r in found.rows if (r.part, r.split) == ("teacher", "test"))
    expected = metrics.quality(predicted.log(), splits.test.labels)
    assert row.values["nll"] == pytest.approx(expected["nll"], rel=1e-5)
    assert row.values["top1"] == expected["top1"]


def test_finished_runs_are_used_again(whole, begun):
    first, out = whole
    again = run(out, policies=POLICIES, shares=(0.0, 1.0))
    assert (begun, again.rows) == ([], first.rows)
    run(out, policies=[POLICIES[0], Policy("mixed", data={"mixup": 1.0})])
    assert begun == ["train student-mixed/seed0"]


def test_a_stopped_study_goes_on_to_the_same_numbers(whole, tmp_path, monkeypatch, begun):
    out = tmp_path / "out"
    real = Loop._epoch

    def stop(self, *arguments):
        self.stop = self.writer.folder.parents[1].name == "student-baseline"
        real(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Loop, "_epoch", stop)
        run(out)
    assert not (out / "study.json").exists()
    begun.clear()
    found = run(out)
    assert begun == [
        "resume student-baseline/seed0",
        "train teacher-other/seed0",
        "train student-control/seed0",
    ]
    # what else is studied changes no number
    kept = [row for row in whole[0].rows if row.name in ("teacher", "baseline", "control")]
    assert found.rows == tuple(kept)


def refused(out, *arguments, **settings):
    """Return why a study does not run; nothing must have run or changed."""
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(BlueprintError) as caught:
        run(out, *arguments, **settings)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return str(caught.value)


def test_what_a_user_has_stays(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.html").write_text("mine")
    assert refused(out) == (
        f"{out}/report.html: exists already; choose another --out, or --force to replace it"
    )
    assert refused(out / "report.html") == (
        f"{out}/report.html: is no folder; choose another --out"
    )
    (out / "report.html").unlink()
    (out / "teacher" / "seed0").mkdir(parents=True)
    (out / "teacher" / "seed0" / "thesis.txt").write_text("years")
    text = f"{out}/teacher/seed0: is no run of graphkd; choose another --out"
    assert refused(out) == text
    assert refused(out, force=True) == text


def test_runs_of_another_blueprint_and_of_another_teacher_stay_unless_forced(tmp_path, begun):
    out = tmp_path / "out"
    run(out)
    begun.clear()
    old = "{name: teach, train: [teacher], steps: 60}"
    said = refused(out, ONE.replace(old, "{name: teach, train: [teacher], steps: 9}"))
    assert said.startswith("2 problems")
    assert f"{out}/teacher/seed0: is a run of another blueprint" in said
    other, own = (
        out / name / "seed0" / "student.safetensors" for name in ("teacher-other", "teacher")
    )
    shutil.copy(other, own)
    assert refused(out) == (
        f"{out}/student-baseline/seed0: the weights of 'teacher' changed since; "
        "choose another --out"
    )
    run(out, force=True)
    assert begun == ["train student-baseline/seed0"]


def test_a_policy_that_cannot_be_is_found_before_anything_runs(tmp_path):
    wrong = [Policy("huge", data={"subset": 4000}), Policy("flop", augment=["random_flop"])]
    said = refused(tmp_path / "out", policies=[*POLICIES[:1], *wrong])
    assert said.startswith("2 problems")
    assert "policy 'huge': data: " in said
    assert "policy 'flop': " in said
    assert not (tmp_path / "out").exists()


def test_without_matplotlib_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert refused(tmp_path / "out") == (
        "the study draws its figures with matplotlib, which is not installed; "
        "run: pip install 'graphkd[plots]'"
    )
    assert not (tmp_path / "out").exists()


TOY = """\
blueprint: toy
data: {dataset: digits, size: 8, batch_size: 40, subset: 120}
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 4}
phases: [{name: teach, train: [teacher]}, {name: distil, train: [student]}]
train: {steps: 150, lr: 0.02, device: cpu}
"""


@pytest.mark.slow
def test_invariant_9_a_student_agrees_with_its_own_teacher_more_than_a_control_student_does(
    tmp_path,
):
    found = run(tmp_path / "out", TOY, seeds=(0, 1))
    assert all(each > 0 for each in found.excess("test"))


def test_the_probe_of_stages_is_the_one_that_blueprints_name(whole):
    assert find("probe", "cka")
    found, _ = whole
    row = next(r for r in found.rows if (r.part, r.split) == ("policy", "test"))
    assert {key for key in row.values if key.startswith("cka_")} == {
        "cka_stage1",
        "cka_stage2",
        "cka_stage3",
    }
