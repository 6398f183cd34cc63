"""Which blueprints can be studied, and the blueprints of a study's runs."""

from pathlib import Path

import pytest

from graphkd.blueprint import load, loads
from graphkd.blueprint.save import to_plain
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.run.study_blueprints import (
    near_blueprint,
    other_teacher,
    student_blueprint,
    teacher_blueprint,
)
from graphkd.run.study_measure import rate_of
from graphkd.run.study_policies import Policy
from graphkd.run.study_setup import NEEDS, read_setup
from graphkd.run.study_tasks import tasks_of

HEAD = "blueprint: small\ndata: {dataset: fake, size: 8, samples: 40, batch_size: 16, classes: 4}\n"
ONE = (
    HEAD
    + """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  like: {type: agreement, input: [student.logits, teacher.logits]}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy, phases: [teach]}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: teach, train: [teacher], lr: 0.01}, {name: distil, train: [student], lr: 0.02}]
train: {steps: 4, lr: 0.004, device: cpu}
"""
)
TWO = (
    HEAD
    + """\
nodes:
  one: {type: teacher, model: tiny, args: {width: 6}}
  two: {type: teacher, model: tiny, args: {width: 6}}
  teacher: {type: ensemble, input: [one.logits, two.logits]}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: data.label, to: two.logits, loss: cross_entropy}
  - {from: teacher, to: student.logits, loss: kl}
phases: [{name: teach, train: [one, two]}, {name: distil, train: [student]}]
train: {steps: 4, device: cpu}
"""
)


def refused(text):
    with pytest.raises(BlueprintError) as caught:
        read_setup(loads(text))
    return str(caught.value)


@pytest.mark.parametrize(("own", "rate"), [("", 0.02), (", lr: 0.3", 0.3)])
def test_the_learning_rate_of_a_student_is_its_own_or_the_recipes(own, rate):
    text = ONE.replace("{type: student, model: tiny", f"{{type: student, model: tiny{own}")
    assert rate_of(compile_blueprint(loads(text)).phases[1]) == rate


def test_one_teacher_of_the_same_architecture():
    setup = read_setup(loads(ONE))
    assert (setup.members, setup.alike) == (("teacher",), True)
    assert not read_setup(
        loads(ONE.replace("student, model: tiny", "student, model: tiny, args: {width: 6}"))
    ).alike


def test_an_ensemble_of_teachers():
    setup = read_setup(loads(TWO))
    assert (setup.members, setup.alike) == (("one", "two"), False)


def test_without_the_nodes_it_needs():
    other = ONE.replace("teacher:", "guide:").replace("teacher.", "guide.")
    assert refused(other.replace("[teacher]", "[guide]")) == (
        f"small: no node 'teacher' (has guide, student, like); {NEEDS}"
    )
    assert refused(ONE.replace("student:", "pupil:").replace("student.", "pupil.")).startswith(
        "small: no node 'student' (has teacher, pupil, like); the study needs a node"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{name: teach, train: [teacher], lr: 0.01}, {name: distil, train: [student], lr: 0.02}",
            "{name: both, train: [teacher, student]}",
            "phase 'both' trains 'teacher' together with student; the study needs a phase of the "
            "teacher alone",
        ),
        (
            "type: teacher, model: tiny",
            "type: teacher, model: tiny, weights: a.safetensors",
            "node 'teacher' has weights; the study trains teachers itself, each seed another: drop "
            "weights, and write a phase with train: [teacher]",
        ),
        (
            "type: teacher, model",
            "type: assistant, model",
            "node 'teacher' is of type assistant; write type: teacher",
        ),
        (
            "from: teacher.logits, to: student",
            "from: data.label, to: student",
            "no flow leads from 'teacher' to 'student'; add one, like from: teacher.logits",
        ),
        (
            "{name: teach, train: [teacher], lr: 0.01}, ",
            "",
            f"no phase has train: [teacher]; {NEEDS}",
        ),
        (
            "type: student, model",
            "type: assistant, model",
            "node 'student' is of type assistant; write type: student",
        ),
    ],
)
def test_what_cannot_be_studied(old, new, said):
    assert refused(ONE.replace(old, new)) == f"small: {said}"


def test_an_ensemble_of_something_else():
    text = TWO.replace("[one.logits, two.logits]", "[one.embedding, two.logits]")
    assert refused(text) == (
        "small: node 'teacher' is of type ensemble and reads one.embedding; the study takes a "
        "model, or an ensemble with input: [one.logits, other.logits]"
    )


def test_the_teachers_run_trains_the_teacher_alone():
    made = to_plain(teacher_blueprint(read_setup(loads(ONE)), name="t"))
    assert list(made["nodes"]) == ["teacher"]
    assert [each["to"] for each in made["flows"]] == ["teacher.logits"]
    assert [each["name"] for each in made["phases"]] == ["teach"]
    two = teacher_blueprint(read_setup(loads(TWO)), name="t")
    assert (list(two.nodes), two.deliver) == (["one", "two"], ("one", "two"))
    for text in (ONE, TWO):
        assert compile_blueprint(teacher_blueprint(read_setup(loads(text)), name="t")).phases


def test_another_teacher_differs_in_its_first_weights_alone():
    setup = read_setup(loads(TWO))
    base = teacher_blueprint(setup, name="t")
    other = other_teacher(base, setup.members, seed=3)
    seeds = [other.nodes[name].seed for name in setup.members]
    assert seeds == [10_003, 20_003]
    plain = to_plain(other)
    for name in setup.members:
        del plain["nodes"][name]["seed"]
    assert plain == to_plain(base)


def test_the_students_run_has_the_teacher_frozen():
    made = student_blueprint(read_setup(loads(ONE)), name="s", weights={"teacher": "run:there"})
    plain = to_plain(made)
    assert plain["nodes"]["teacher"]["weights"] == "run:there"
    assert list(plain["nodes"]) == ["teacher", "student", "like"]
    assert [each["to"] for each in plain["flows"]] == ["student.logits"]
    assert [each["name"] for each in plain["phases"]] == ["distil"]
    assert made.deliver == ("student",)


@pytest.mark.parametrize(("share", "factor"), [(0.0, 1.0), (0.25, 0.75), (0.875, 0.125)])
def test_one_that_starts_near_learns_more_slowly(share, factor):
    whole = loads(ONE)
    made = near_blueprint(whole, share)
    assert made.train.lr == pytest.approx(factor * 0.004)
    assert [each.name for each in made.phases] == ["teach", "recalibrate", "distil"]
    assert made.phases[1].fit == ("student",)
    assert made.phases[2].recipe["lr"] == pytest.approx(factor * 0.02)
    assert to_plain(made)["nodes"]["student"] == {
        "type": "near",
        "model": "tiny",
        "of": "teacher",
        **({"share": share} if share != 0.5 else {}),
    }
    assert compile_blueprint(made).phases


def test_the_learning_rate_ends_at_the_lowest_of_the_recipe():
    made = near_blueprint(loads(ONE.replace("steps: 4,", "steps: 4, min_lr: 1e-4,")), 1.0)
    assert made.train.lr == 1e-4
    assert near_blueprint(loads(ONE), 1.0).train.lr == 1e-6


def test_the_runs_of_a_study(tmp_path):
    policies = [Policy("a"), Policy("b", teacher={"half": "first"})]
    tasks = tasks_of(read_setup(loads(ONE)), policies, (0.0, 0.5), (0, 4), out=tmp_path)
    names = [
        "teacher",
        "student-a",
        "teacher-b",
        "student-b",
        "teacher-other",
        "student-control",
        "near-0",
        "near-0.5",
    ]
    assert [each.folder for each in tasks] == [
        tmp_path / name / f"seed{seed}" for seed in (0, 4) for name in names
    ]
    by_name = {each.folder.parent.name: each for each in tasks[:8]}
    teachers = {
        name: each.teacher.folder.parent.name for name, each in by_name.items() if each.teacher
    }
    assert teachers == {
        "student-a": "teacher",
        "student-b": "teacher-b",
        "student-control": "teacher-other",
        "near-0": "teacher",
        "near-0.5": "teacher",
    }
    # s and s' differ in their teacher alone
    one, other = (to_plain(by_name[name].blueprint) for name in ("student-a", "student-control"))
    for each in (one, other):
        del each["blueprint"], each["nodes"]["teacher"]["weights"]
    assert one == other
    weights = by_name["student-a"].blueprint.nodes["teacher"].component.weights
    assert weights == f"run:{Path(tmp_path / 'teacher' / 'seed0').resolve()}"


def test_the_shipped_blueprint_can_be_studied_in_full():
    assert read_setup(load("fidelity")).alike
