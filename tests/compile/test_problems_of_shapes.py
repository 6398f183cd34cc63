"""Taps whose shapes do not fit, with the whole message and advice."""

import attrs
import pytest

from graphkd.component import Port
from tests.compile.problems import (
    BOTH,
    LABELS,
    PAIR,
    STUDENT,
    TEACHER_LABELS,
    begun,
    found_in,
    problems,
)

REFUSED = {
    "shapes that do not fit name both sources": (
        f"""\
nodes:
  teacher: {{type: teacher, model: tiny, args: {{width: 8}}}}
  student: {{type: student, model: tiny}}
{TEACHER_LABELS}\
  - {{from: teacher.stage2, to: student.stage2, loss: mse}}
  - {{from: teacher.embedding, to: student.stage3, loss: infonce}}
  - {{from: teacher.stage3, to: student.stage3, loss: mse, via: [pool, {{type: mlp, features: 9}}]}}
  - {{from: teacher.stage2, to: student.embedding, loss: mse, via: conv1x1}}
{BOTH}""",
        [
            "t.yaml:8:12: flow 2: mse needs equal axes '...': 'student.stage2' is 'b c=8 h=4 w=4', "
            "'teacher.stage2' is 'b c=16 h=4 w=4'; put a projector between: via: conv1x1",
            "t.yaml:9:35: flow 3: 'student.stage3' is 'b c=16 h=2 w=2', but infonce takes 'b d' "
            "there; put a projector between: via: [pool, linear]",
            "t.yaml:10:12: flow 4: mse needs equal axes '...': 'student.stage3 via pool, mlp' is "
            "'b c=9', 'teacher.stage3' is 'b c=32 h=2 w=2'; "
            "put a projector between: via: [{type: pool, on: from}, linear]",
            "t.yaml:11:32: flow 5: 'student.embedding' is 'b d=16', but conv1x1 takes 'b c h w' "
            "there; read another tap, or put a projector between",
        ],
    ),
    "a spoilt side has no echo on the other": (
        f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.stage9, to: student.stage2, loss: mse, via: conv1x1}}
  - {{from: teacher.stage2, to: student.logits, loss: kl, via: linear}}
  - {{from: teacher.stage2, to: student.stage1, loss: mse, via: [conv1x1, linear]}}
{BOTH}""",
        [
            "t.yaml:8:12: flow 2: no tap 'stage9' on 'teacher' "
            "(has logits, embedding, stage1…stage3, or a module path); did you mean 'stage3'?",
            "t.yaml:9:12: flow 3: 'teacher.stage2' is 'b c=8 h=4 w=4', but kl takes 'b c' there; "
            "read another tap, or put a projector between",
            "t.yaml:10:74: flow 4: linear changes the last axis, which is the width of "
            "'b c=8 h=8 w=8'; write conv1x1 instead, or pool or grid_to_tokens before it",
        ],
    ),
    "class count of teacher and data": (
        f"""\
nodes:
  teacher: {{type: teacher, model: tiny, classes: 7}}
  student: {{type: student, model: tiny}}
  gap: {{type: gap, input: [student.embedding, student.embedding]}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy}}
  - {{from: teacher.logits, to: student.logits, loss: kl}}
  - {{from: data.label, to: student.embedding, loss: cross_entropy}}
{BOTH}""",
        [
            "t.yaml:6:8: node 'gap': 'student.embedding' has 16 classes, but the data has 10; "
            "read logits",
            "t.yaml:8:12: flow 1: 'teacher.logits' has 7 classes, but the data has 10; "
            "write classes: 10 at 'teacher'",
            "t.yaml:9:12: flow 2: kl needs equal axes 'b c': 'student.logits' is 'b c=10', "
            "'teacher.logits' is 'b c=7'; put a projector between: via: linear",
            "t.yaml:10:12: flow 3: 'student.embedding' has 16 classes, but the data has 10; "
            "read its logits, or put a projector between: via: linear",
        ],
    ),
    "inputs of a node that do not fit": (
        f"""\
nodes:
  student: {{type: student, model: tiny}}
  mean: {{type: ensemble, input: [student.logits, student.embedding, student.stage1]}}
  judge: {{type: assistant, model: tiny, input: student.embedding}}
{LABELS}\
  - {{from: mean, to: judge.logits, loss: kl}}
""",
        [
            "t.yaml:5:50: node 'mean': ensemble needs equal axes 'b c': 'student.logits' is "
            "'b c=10', 'student.embedding' is 'b d=16'; "
            "read another tap, or put a projector between",
            "t.yaml:5:69: node 'mean': 'student.stage1' is 'b c=4 h=8 w=8', but ensemble takes "
            "'b c' there; read another tap, or put a projector between",
            "t.yaml:6:48: node 'judge': 'student.embedding' is 'b d=16', but assistant takes "
            "'b c h w' there; read another tap, or put a projector between",
        ],
    ),
    "a projector without a size": (
        f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding}}
flows:
  - {{from: data.label, to: head, loss: cross_entropy}}
""",
        [
            "t.yaml:5:9: node 'head': linear cannot tell its output size: "
            "nothing is known of the other side; say features: N"
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


def test_both_sides_of_one_loss_that_do_not_fit():
    found = problems(f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.stage2, to: student.stage3, loss: infonce}}
{BOTH}""")
    end = "infonce takes 'b d' there; put a projector between: via: "
    advice = "[{type: pool, on: from}, pool, linear]"
    assert found == [
        f"t.yaml:8:12: flow 2: 'teacher.stage2' is 'b c=8 h=4 w=4', but {end}{advice}",
        f"t.yaml:8:32: flow 2: 'student.stage3' is 'b c=16 h=2 w=2', but {end}{advice}",
    ]


def test_two_ports_that_leave_no_alternative_together():
    @attrs.frozen
    class Either:
        """Its third port goes with one of the others, never with both."""

        component_name = "either"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("teacher", "b d"), Port("third", "c 16 | 2 d"))

    blueprint, student = begun()
    extra = {"third": student.embedding}
    blueprint.flow(student.logits, student.embedding, Either(), extra=extra)
    assert found_in(blueprint) == [
        "flow 1: either needs equal axes 'c 16 | 2 d': 'student.embedding' is 'b d=16', "
        "'student.embedding' is 'b d=16'; read another tap, or put a projector between"
    ]
