"""Ports that nothing is wired to, or too much, with the whole message."""

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
    "ports of nodes": (
        f"""\
{STUDENT}\
  gap: {{type: gap, input: student.logits}}
  more: {{type: gap, input: student.logits, with: {{student: student.stage1, techer: data.image}}}}
  mean: {{type: ensemble}}
  pool: {{type: pool, input: [student.stage1, student.stage2]}}
  other: {{type: assistant, model: tiny, with: {{inputs: data.image}}}}
{LABELS}""",
        [
            "t.yaml:5:8: node 'gap': nothing is wired to 'teacher' of gap; "
            "write input: [node.tap, node.tap]",
            "t.yaml:6:60: node 'more': port 'student' is wired by input and by with; "
            "drop one of them",
            "t.yaml:6:84: node 'more': no port 'techer' on gap; did you mean 'teacher'?",
            "t.yaml:7:9: node 'mean': nothing is wired to 'input' of ensemble; "
            "write input: [node.tap, node.tap]",
            "t.yaml:8:29: node 'pool': input has 2 taps, but pool reads 1: input",
            "t.yaml:9:56: node 'other': no port 'inputs' on assistant; did you mean 'input'?",
        ],
    ),
    "a projector node without input": (
        f"{STUDENT}  head: {{type: linear, features: 3}}\n{LABELS}",
        ["t.yaml:5:9: node 'head': nothing is wired to 'input' of linear; write input: node.tap"],
    ),
    "ports of losses": (
        f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.logits, to: student.logits, loss: kl, with: {{index: data.index}}}}
  - {{from: teacher.logits, to: student.logits, loss: kl, with: {{student: student.logits}}}}
  - {{from: teacher.embedding, to: student.embedding, loss: infonce, with: {{indx: data.index}}}}
{BOTH}""",
        [
            "t.yaml:8:72: flow 2: no port 'index' on kl, which reads from and to alone; drop with",
            "t.yaml:9:74: flow 3: port 'student' of kl is wired by from and to; drop it from with",
            "t.yaml:10:82: flow 4: no port 'indx' on infonce; did you mean 'index'?",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


def test_a_loss_with_a_port_of_its_own():
    @attrs.frozen
    class Triplet:
        """Reads a third tap."""

        component_name = "triplet"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("teacher", "b c"), Port("other", "b c"))

    blueprint, student = begun()
    blueprint.flow(student.logits, student.logits, Triplet())
    assert found_in(blueprint) == ["flow 1: triplet reads 'other'; write with: {other: node.tap}"]


def test_a_port_behind_one_that_is_not_wired():
    @attrs.frozen
    class Masked:
        """Its values come by position."""

        component_name = "masked"
        component_kind = "loss"
        ports = (
            Port("student", "b c"),
            Port("teacher", "b c"),
            Port("hint", "b c", optional=True),
            Port("mask", "b c", optional=True),
        )

    blueprint, student = begun()
    for extra in ({}, {"hint": student.logits}, {"mask": student.logits}):
        blueprint.flow(student.logits, student.logits, Masked(), extra=extra)
    assert found_in(blueprint) == [
        "flow 3: 'mask' is wired, but 'hint' before it is not; write with: {hint: node.tap} too"
    ]
