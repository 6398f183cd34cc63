"""Several blueprints with equal seeds: what runs, what is used again, what is refused."""

import json
import shutil

import pytest

import graphkd
from graphkd.blueprint import loads
from graphkd.errors import BlueprintError
from graphkd.inspect.comparison.data import Origin
from graphkd.run import Stopped, compare_runs, train
from graphkd.run.compare import compare
from graphkd.run.compare_check import digest_of, with_seed
from graphkd.run.loop import Loop
from graphkd.run.record import read_results

ORIGIN = Origin("graphkd compare", "2026-01-02", "a CPU", {})
# 40 training images of noise upon a pattern, 8 of them for the test; 3 steps in an epoch
ALONE = """\
blueprint: alone
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
nodes: {student: {type: student, model: tiny}}
flows: [{from: data.label, to: student.logits, loss: cross_entropy}]
train: {epochs: 1, lr: 3e-3, device: cpu}
"""
TAUGHT = """\
blueprint: taught
data: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 6}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: teacher.logits, to: student.logits, loss: kl, phases: [distil]}
phases: [{name: teach, train: [teacher], epochs: 2}, {name: distil, train: [student]}]
train: {epochs: 1, lr: 3e-3, device: cpu}
"""


def run(out, *texts, seeds=(0,), **settings):
    """Compare blueprints given as texts."""
    blueprints = [loads(text, folder=out.parent) for text in texts or (ALONE, TAUGHT)]
    return compare(blueprints, seeds=seeds, out=out, origin=ORIGIN, **settings)


def refused(out, *texts, **settings):
    """Return why blueprints are not compared; nothing must have run."""
    before = sorted(out.rglob("*"))
    with pytest.raises(BlueprintError) as caught:
        run(out, *texts, **settings)
    assert sorted(out.rglob("*")) == before
    return str(caught.value)


@pytest.fixture
def begun(monkeypatch):
    """List the folders in which a run begins or goes on."""
    found = []

    def watch(name):
        real = getattr(compare_runs, name)

        def call(*given, **settings):
            folder = settings["out"] if name == "train" else given[0]
            found.append(f"{name} {folder.parent.name}/{folder.name}")
            return real(*given, **settings)

        monkeypatch.setattr(compare_runs, name, call)

    watch("train")
    watch("resume")
    return found


def test_what_a_comparison_says(tmp_path):
    found = run(tmp_path / "out", seeds=(0, 3))
    alone, taught = found.entries
    assert (found.baseline, found.seeds, found.dataset, found.images) == (
        "alone",
        (0, 3),
        "fake",
        8,
    )
    assert found.unequal == ()
    assert (alone.name, alone.student, alone.steps, alone.all_steps) == ("alone", "student", 3, 3)
    # six of the teacher, then three of the student
    assert (taught.steps, taught.all_steps) == (3, 9)
    # 3*4*9 + 4 + 8 of the norm, 4*8*9 + 8 + 16, 8*16*9 + 16, 16*4 + 4
    assert taught.parameters == 120 + 312 + 1168 + 68
    assert taught.reports == {0: "taught/seed0/report.html", 3: "taught/seed3/report.html"}
    for entry in found.entries:
        for seed in (0, 3):
            folder = tmp_path / "out" / entry.name / f"seed{seed}"
            results = read_results(folder)
            assert results is not None
            assert entry.measures[seed] == {
                key: results.models["student"][key] for key in ("top1", "top5", "nll", "ece")
            }
            assert (folder / "student.safetensors").exists()
    made = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_file())
    assert made == ["comparison.html", "comparison.json", "comparison.md", "comparison.svg"]


def test_equal_blueprints_do_not_differ(tmp_path):
    """Runs with one seed have the same weights at the start and see the same data."""
    found = run(
        tmp_path,
        ALONE,
        ALONE.replace("blueprint: alone", "blueprint: b"),
        seeds=(0, 1),
        metric="nll",
    )
    assert found.paired(found.entries[1]).differences == {0: 0.0, 1: 0.0}
    first, second = found.values(found.entries[0])
    assert first != second


def test_a_run_of_a_comparison_is_the_run_of_its_blueprint(tmp_path):
    found = run(tmp_path / "out", seeds=(7,))
    blueprint = loads(ALONE.replace("epochs: 1", "epochs: 1, seed: 7"))
    train(blueprint, out=tmp_path / "run")
    files = [tmp_path / "run", tmp_path / "out" / "alone" / "seed7"]
    one, other = ((each / "metrics.jsonl").read_bytes() for each in files)
    assert one == other
    assert digest_of(with_seed(blueprint, 0)) == found.entries[0].digest


def test_finished_runs_are_used_again(tmp_path, begun):
    first = run(tmp_path / "out", seeds=(0,))
    assert begun == ["train alone/seed0", "train taught/seed0"]
    begun.clear()
    assert run(tmp_path / "out", seeds=(0,)) == first
    assert begun == []
    # more seeds, another baseline and measure: what is there stays
    found = run(tmp_path / "out", seeds=(0, 1), baseline="taught", metric="nll")
    assert begun == ["train alone/seed1", "train taught/seed1"]
    assert found.entries[0].measures[0] == first.entries[0].measures[0]
    data = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert (data["baseline"], data["metric"]) == ("taught", {"key": "nll", "better": "lower"})


def test_a_stopped_comparison_goes_on_to_the_same_numbers(tmp_path, monkeypatch, begun):
    whole = run(tmp_path / "whole")
    begun.clear()
    real = Loop._epoch

    def stop(self, *arguments):
        self.stop = self.writer.folder.parents[1].name == "taught"
        real(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Loop, "_epoch", stop)
        run(tmp_path / "out")
    assert not (tmp_path / "out" / "comparison.json").exists()
    # killed before its second file was there
    broken = tmp_path / "out" / "alone" / "seed1"
    broken.mkdir()
    shutil.copy(tmp_path / "out" / "alone" / "seed0" / "blueprint.yaml", broken)
    begun.clear()
    assert run(tmp_path / "out") == whole
    assert begun == ["resume taught/seed0"]
    run(tmp_path / "out", seeds=(0, 1))
    assert begun[1:] == ["train alone/seed1", "train taught/seed1"]


def test_a_run_of_another_blueprint_stays(tmp_path, begun):
    out = tmp_path / "out"
    run(out)
    other = ALONE.replace("lr: 3e-3", "lr: 2e-3")
    before = (out / "alone" / "seed0" / "metrics.jsonl").read_bytes()
    assert refused(out, other, TAUGHT) == (
        f"{out}/alone/seed0: is a run of another blueprint (~ train.lr: 0.003 -> 0.002); "
        "choose another --out, or --force to replace it"
    )
    assert (out / "alone" / "seed0" / "metrics.jsonl").read_bytes() == before
    begun.clear()
    run(out, other, TAUGHT, force=True)
    assert begun == ["train alone/seed0"]
    assert (out / "alone" / "seed0" / "metrics.jsonl").read_bytes() != before


def test_something_else_stays(tmp_path):
    out = tmp_path / "out"
    (out / "alone" / "seed0").mkdir(parents=True)
    (out / "alone" / "seed0" / "thesis.txt").write_text("years")
    text = f"{out}/alone/seed0: is no run of graphkd; choose another --out"
    assert refused(out) == text
    assert refused(out, force=True) == text
    shutil.rmtree(out / "alone")
    (out / "comparison.md").write_text("mine")
    assert refused(out) == (
        f"{out}/comparison.md: exists already; choose another --out, or --force to replace it"
    )
    assert refused(out / "comparison.md") == (
        f"{out}/comparison.md: is no folder; choose another --out"
    )
    run(out, force=True)
    assert (out / "comparison.md").read_text() != "mine"


def test_a_changed_teacher_is_found(tmp_path):
    """A finished run does not count when the frozen weights that taught in it are others now."""
    for name, seed in (("one", 0), ("two", 1)):
        text = TAUGHT.replace(
            "student: {type: student, model: tiny}",
            "student: {type: student, model: tiny, args: {width: 6}}",
        )
        train(loads(text.replace("epochs: 1,", f"epochs: 1, seed: {seed},")), out=tmp_path / name)
    file = tmp_path / "teacher.safetensors"
    frozen = TAUGHT.replace("{width: 6}}", "{width: 6}, weights: teacher.safetensors}")
    frozen = frozen.replace("{name: teach, train: [teacher], epochs: 2}, ", "")
    frozen = frozen.replace(
        "  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}\n", ""
    )
    shutil.copy(tmp_path / "one" / "student.safetensors", file)
    first = run(tmp_path / "out", ALONE, frozen)
    assert run(tmp_path / "out", ALONE, frozen) == first
    shutil.copy(tmp_path / "two" / "student.safetensors", file)
    place = tmp_path / "out" / "taught" / "seed0"
    assert refused(tmp_path / "out", ALONE, frozen) == (
        f"{place}: the weights of 'teacher' changed since; choose another --out"
    )


def test_runs_of_another_version_are_told(tmp_path):
    out = tmp_path / "out"
    assert run(out).made_with == ()
    file = out / "taught" / "seed0" / "run.json"
    settings = json.loads(file.read_text())
    now = f"graphkd {settings['versions']['graphkd']}, torch {settings['versions']['torch']}"
    settings["versions"]["graphkd"] = "0.0.1"
    file.write_text(json.dumps(settings))
    before = now.replace(graphkd.__version__, "0.0.1", 1)
    assert run(out).made_with == (now, before)
    page = (out / "comparison.md").read_text()
    assert f"\nRuns were made with {now}; {before}.\n" in page
