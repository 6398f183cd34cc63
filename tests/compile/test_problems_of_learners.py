"""Who cannot learn, whom nobody teaches, and what is handed back, with the whole message."""

import pytest

from tests.compile.problems import BOTH, LABELS, PAIR, STUDENT, TEACHER_LABELS, problems

REFUSED = {
    "flow into something frozen": (
        f"{PAIR}{LABELS}  - {{from: student.logits, to: teacher.logits, loss: kl}}\n",
        [
            "t.yaml:8:32: flow 2: teaches nothing: 'teacher' is frozen in every phase; "
            "name 'teacher' in a phase's train list, or swap from and to"
        ],
    ),
    "flow into a call of something frozen": (
        f"""\
{PAIR}\
  again: {{type: call, of: teacher}}
{LABELS}\
  - {{from: student.logits, to: again.logits, loss: kl}}
""",
        [
            "t.yaml:9:32: flow 2: teaches nothing: 'again' is a call of 'teacher', which is "
            "frozen in every phase; name 'teacher' in a phase's train list, or swap from and to"
        ],
    ),
    "flow into what has nothing to learn": (
        f"""\
{STUDENT}\
  seen: {{type: concat, input: [data.image, data.image]}}
  small: {{type: pool, input: seen}}
  both: {{type: ensemble, input: [student.logits, student.logits]}}
{LABELS}\
  - {{from: student.embedding, to: seen, loss: mse}}
  - {{from: both, to: student.logits, loss: kl}}
  - {{from: student.embedding, to: small, loss: mse, via: linear}}
""",
        [
            "t.yaml:10:12: flow 2: mse needs equal axes '...': 'seen' is 'b c=6 h=16 w=16', "
            "'student.embedding' is 'b d=16'; put a projector between: via: [pool, linear]",
            "t.yaml:10:35: flow 2: teaches nothing: nothing behind 'seen' learns; "
            "write another learner",
        ],
    ),
    "flow into a projector without parameters": (
        f"""\
{PAIR}\
  small: {{type: pool, input: teacher.stage3}}
{LABELS}\
  - {{from: student.embedding, to: small, loss: mse}}
""",
        [
            "t.yaml:9:35: flow 2: teaches nothing: nothing behind 'small' has parameters; "
            "write another learner"
        ],
    ),
    "into": (
        f"""\
{PAIR}\
  again: {{type: call, of: student}}
{LABELS}\
  - {{from: teacher.logits, to: again.logits, loss: kl, into: [again]}}
  - {{from: again.logits, to: student.logits, loss: kl, into: [teacher]}}
  - {{from: again.logits, to: teacher.logits, loss: kl, into: [teacher]}}
""",
        [
            "t.yaml:4:12: teacher 'teacher' teaches, but has neither weights nor a phase that "
            "trains it; write weights: FILE.safetensors, or a phase with train: [teacher]",
            "t.yaml:9:63: flow 2: 'into' names 'again', a call of 'student'; name that instead",
            "t.yaml:10:63: flow 3: 'into' names 'teacher', which its gradient does not reach "
            "(has student)",
            "t.yaml:11:30: flow 4: teaches nothing: 'into' leaves teacher, frozen in every phase; "
            "widen into",
        ],
    ),
    "teacher with neither weights nor training": (
        f"{PAIR}flows:\n  - {{from: teacher.logits, to: student.logits, loss: kl}}\n",
        [
            "t.yaml:4:12: teacher 'teacher' teaches, but has neither weights nor a phase that "
            "trains it; write weights: FILE.safetensors, or a phase with train: [teacher]"
        ],
    ),
    "teacher that is trained too late": (
        f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.logits, to: student.logits, loss: kl}}
phases: [{{name: one, train: [student]}}, {{name: two, train: [teacher]}}]
""",
        [
            "t.yaml:4:12: teacher 'teacher' teaches in phase 'one' before any phase trains it; "
            "move a phase with train: [teacher] before it, or write weights: FILE.safetensors"
        ],
    ),
    "assistant that nobody teaches": (
        """\
nodes:
  assistant: {type: assistant, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: assistant.logits, to: student.logits, loss: kl}
""",
        ["t.yaml:4:14: nobody teaches assistant 'assistant'; add a flow with to: assistant.logits"],
    ),
    "projector node that nobody teaches": (
        f"""\
{PAIR}\
  head: {{type: linear, input: teacher.embedding, features: 16}}
{TEACHER_LABELS}\
  - {{from: head, to: student.embedding, loss: mse}}
{BOTH}""",
        [
            "t.yaml:6:9: node 'head': nobody teaches this linear, so its weights stay random; add "
            "a flow with to: head, or write via: {type: linear, on: from} in a flow from it"
        ],
    ),
    "several students need deliver": (
        """\
nodes:
  a: {type: student, model: tiny}
  b: {type: student, model: tiny}
flows:
  - {from: a.logits, to: b.logits, loss: kl}
  - {from: b.logits, to: a.logits, loss: kl}
""",
        ["t.yaml:4:3: several students (a, b); say which to hand back: deliver: a"],
    ),
    "nobody to deliver": (
        """\
nodes:
  peer: {type: assistant, model: tiny}
flows:
  - {from: data.label, to: peer.logits, loss: cross_entropy}
""",
        ["t.yaml:4:3: no node is a student; write deliver: NODE"],
    ),
    "what is delivered is a model": (
        f"""\
{STUDENT}\
  gap: {{type: gap, input: [student.logits, student.logits]}}
{LABELS}\
deliver: [gap, student]
""",
        ["t.yaml:8:11: deliver: 'gap' is a probe, not a model (has student)"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


def test_flow_that_sleeps_whenever_its_learner_learns():
    found = problems("""\
nodes:
  student: {type: student, model: tiny}
  peer: {type: assistant, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: data.label, to: peer.logits, loss: cross_entropy}
  - {from: student.logits, to: peer.logits, loss: kl, phases: [one, two]}
  - {from: student.logits, to: peer.logits, loss: kl, phases: [one]}
  - {from: student.logits, to: peer.logits, loss: kl}
phases: [{name: one, train: [student]}, {name: two, train: [peer]}]
""")
    frozen = (
        "teaches nothing in phase 'one': 'peer' is frozen in it; "
        "name 'peer' in a phase's train list, or swap from and to"
    )
    assert found == [f"t.yaml:9:32: flow 3: {frozen}", f"t.yaml:10:32: flow 4: {frozen}"]
