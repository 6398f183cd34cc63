"""Phases that train nothing, or read what is fitted too late, with the whole message."""

import attrs
import pytest

from graphkd.blueprint import Phase, Ref, loads
from graphkd.compile import compile_blueprint
from graphkd.component import Port, find
from tests.compile.problems import HEAD, LABELS, PAIR, begun, found_in, problems

REFUSED = {
    "phases that train nothing": (
        """\
nodes:
  student: {type: student, model: tiny}
  other: {type: assistant, model: tiny}
  again: {type: call, of: student, input: data.image}
  gap: {type: gap, input: [student.logits, again.logits]}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, phases: [one]}
  - {from: data.label, to: other.logits, loss: cross_entropy, phases: [one]}
phases:
  - {name: one}
  - {name: two, train: [student]}
  - {name: three, fit: [student]}
  - {name: evaluate, train: [again, gap]}
""",
        [
            "t.yaml:13:5: phase 'two' trains nothing: no flow to student is alive in it; "
            "add one, or name 'two' in a flow's phases",
            "t.yaml:14:25: phase 'three': 'student' is a student, which cannot be fitted; "
            "name it in train",
            "t.yaml:15:12: phase 'evaluate': graphkd calls the evaluation so; write another name",
            "t.yaml:15:30: phase 'evaluate': 'again' is a call of 'student'; name that instead",
            "t.yaml:15:37: phase 'evaluate': 'gap' is a probe, which cannot be trained; drop it",
        ],
    ),
    "a name in a phase that no flow teaches": (
        f"""\
{PAIR}{LABELS}\
  - {{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [one]}}
phases: [{{name: one, train: [teacher]}}, {{name: two, train: [student, teacher]}}]
""",
        [
            "t.yaml:9:70: phase 'two': no flow teaches 'teacher' in it; "
            "add one with to: teacher.TAP, or drop 'teacher'"
        ],
    ),
    "one wrong list of a phase is told by the flows alone": (
        f"{PAIR}{LABELS}phases: [{{name: one, train: [teacher]}}]\n",
        [
            "t.yaml:7:28: flow 1: teaches nothing: 'student' is frozen in every phase; "
            "name 'student' in a phase's train list, or swap from and to",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


@attrs.frozen
class Axes:
    """Fitted to the data, like a coordinate system."""

    component_name = "axes"
    component_kind = "transform"
    ports = (Port("input", "b c"),)
    fits = True

    def __call__(self, values):
        return values


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (["learn"], "in phase 'learn' and no phase fits it; write a phase with fit: [axes] "),
        (["learn", "fit"], "in phase 'learn' before any phase fits it; write a phase with "),
        (["fit", "learn"], ""),
    ],
)
def test_what_is_read_before_it_is_fitted(phases, said):
    blueprint, student = begun()
    blueprint.node("axes", Axes(), input=student.logits)
    blueprint.flow(blueprint.batch.label, student.logits, find("loss", "cross_entropy")())
    blueprint.flow(Ref("axes"), student.logits, find("loss", "kl")())
    made = {"learn": Phase("learn", train=("student",)), "fit": Phase("fit", fit=("axes",))}
    blueprint.phases += [made[name] for name in phases]
    if not said:
        assert [plan.name for plan in compile_blueprint(blueprint).phases] == phases
        return
    (found,) = found_in(blueprint)
    assert found.startswith(f"node 'axes': it is read {said}")
    assert found.endswith("fit: [axes] before 'learn'")


def test_a_fit_does_not_read_what_the_same_phase_fits():
    text = """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  axes: {type: coordinates, input: teacher.embedding}
  memory: {type: recall, input: axes}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: memory, to: student.embedding, loss: mse}
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
    phases = "{name: teach, train: [teacher]}, {name: survey, fit: [axes, memory]}"
    assert problems(f"{text}phases: [{phases}, {{name: learn, train: [student]}}]\n") == [
        "t.yaml:6:9: node 'axes': it is read in phase 'survey', which fits it; "
        "write a phase with fit: [axes] before 'survey'"
    ]
    phases = phases.replace("[axes, memory]", "[axes]}, {name: keep, fit: [memory]")
    text = f"{HEAD}{text}phases: [{phases}, {{name: learn, train: [student]}}]\n"
    assert len(compile_blueprint(loads(text)).phases) == 4


REMEMBERED = """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  memory: {type: recall, input: teacher.embedding}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: memory, to: student.embedding, loss: mse}
  - {from: data.label, to: student.logits, loss: cross_entropy}
phases:
  - {name: teach, train: [teacher]}
  - {name: survey, fit: [memory]}
  - {name: learn, train: [student]}
"""


def test_what_knows_its_samples_alone_is_not_asked_of_others():
    extra = "train: [student], data: {extra: [{dataset: fake, size: 16, share: 0.5}]}"
    assert problems(REMEMBERED.replace("train: [student]", extra)) == [
        "t.yaml:14:51: phase 'learn': recall 'memory' knows the samples of its fit alone, and no "
        "images of extra; drop one of the two"
    ]
    probe = "  alike: {type: cka, input: [memory, student.embedding]}\nflows:"
    assert problems(REMEMBERED.replace("flows:", probe)) == [
        "t.yaml:7:10: node 'alike': recall 'memory' knows the samples of its fit alone, and no "
        "samples of an evaluation; read what 'memory' reads"
    ]
    teaching = "train: [teacher], data: {extra: [{dataset: fake, size: 16, share: 0.5}]}"
    text = f"{HEAD}{REMEMBERED}".replace("train: [teacher]", teaching)
    assert len(compile_blueprint(loads(text)).phases) == 3
