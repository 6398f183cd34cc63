"""Names that lead nowhere, nodes that no one uses, and cycles, with the whole message."""

import attrs
import pytest
import torch

from graphkd.component import find
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
    "unknown node and phase together": (
        """\
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.lable, to: student.logits, loss: cross_entropy}
  - {from: techer.logits, to: student.logits, loss: kl, phases: [lern]}
phases: [{name: learn, train: [studnet]}]
""",
        [
            "t.yaml:6:12: flow 1: no tap 'lable' on 'data'; did you mean 'label'?",
            "t.yaml:7:12: flow 2: no node 'techer' (has student, data)",
            "t.yaml:7:66: flow 2: no phase 'lern'; did you mean 'learn'?",
            "t.yaml:8:32: phase 'learn': no node 'studnet'; did you mean 'student'?",
        ],
    ),
    "names that lead nowhere": (
        f"""\
{STUDENT}\
  again: {{type: call, of: studnet}}
  tapped: {{type: call, of: student.logits}}
  head: {{type: linear, input: data}}
flows:
  - {{from: data.label, to: student.logits, loss: cross_entropy, into: [haed], phases: [one]}}
deliver: [stundet]
""",
        [
            "t.yaml:5:27: node 'again': no node 'studnet'; did you mean 'student'?",
            "t.yaml:6:28: node 'tapped': no node 'student.logits'; did you mean 'student'?",
            "t.yaml:7:31: node 'head': 'data' has several taps; "
            "write data.image, data.label, data.index, data.source, data.view1 or data.view2",
            "t.yaml:9:72: flow 1: no node 'haed'; did you mean 'head'?",
            "t.yaml:9:88: flow 1: no phase 'one'; there are none, drop phases",
            "t.yaml:10:11: deliver: no node 'stundet'; did you mean 'student'?",
        ],
    ),
    "a wrong name hides nothing else and has no echo": (
        """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: timm/resnet81}
  peer: {type: student, model: tiny}
  one: {type: linear, input: two}
  two: {type: linear, input: one}
flows:
  - {from: data.label, to: studnet.logits, loss: cross_entropy}
  - {from: peer.stage1, to: peer.stage9, loss: mse}
  - {from: peer.stage1, to: peer.stage2, loss: mse}
  - {from: peer.logits, to: data.label, loss: kl}
deliver: student
""",
        [
            "t.yaml:5:35: node 'student': no model 'timm/resnet81'; did you mean 'timm/resnet18'?",
            "t.yaml:7:30: a cycle of inputs: one -> two -> one; read one of them from elsewhere",
            "t.yaml:10:28: flow 1: no node 'studnet'; did you mean 'student'?",
            "t.yaml:11:29: flow 2: no tap 'stage9' on 'peer' "
            "(has logits, embedding, stage1…stage3, or a module path); did you mean 'stage3'?",
            "t.yaml:12:12: flow 3: mse needs equal axes '...': 'peer.stage2' is 'b c=8 h=4 w=4', "
            "'peer.stage1' is 'b c=4 h=8 w=8'; put a projector between: via: [conv1x1, resize]",
            "t.yaml:13:29: flow 4: teaches nothing: 'to' is data, which cannot learn; "
            "swap from and to",
            "t.yaml:13:29: flow 4: 'data.label' is 'b', but kl takes 'b c' there; "
            "read a model's tap, or take another loss",
        ],
    ),
    "unknown tap of what has one output": (
        f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding, features: 10}}
flows:
  - {{from: data.label, to: head.logits, loss: cross_entropy}}
""",
        ["t.yaml:7:28: flow 1: no tap 'logits' on 'head', which has one output; write head"],
    ),
    "a probe gives nothing to read": (
        f"""\
{STUDENT}\
  gap: {{type: gap, input: [student.logits, student.logits]}}
{LABELS}\
  - {{from: gap, to: student.logits, loss: kl}}
""",
        ["t.yaml:8:12: flow 2: 'gap' is a probe, which gives nothing to read; write a model's tap"],
    ),
    "a call of what is no model": (
        f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding, features: 3}}
  again: {{type: call, of: head}}
{LABELS}""",
        ["t.yaml:6:27: node 'again': of is 'head', a projector; write the name of a model"],
    ),
    "unused nodes": (
        f"""\
{PAIR}\
  head: {{type: linear, input: student.embedding, features: 3}}
{LABELS}""",
        [
            "t.yaml:4:12: node 'teacher' is used by nothing; remove it, or add a flow from teacher",
            "t.yaml:6:9: node 'head' is used by nothing; remove it, or add a flow from head",
        ],
    ),
    "cycle of inputs": (
        f"""\
nodes:
  one: {{type: linear, input: three, features: 4}}
  two: {{type: linear, input: one, features: 4}}
  three: {{type: linear, input: two, features: 4}}
  self: {{type: linear, input: self, features: 4}}
  a: {{type: call, of: b}}
  b: {{type: call, of: a}}
  student: {{type: student, model: tiny}}
{LABELS}""",
        [
            "t.yaml:4:30: a cycle of inputs: one -> two -> three -> one; "
            "read one of them from elsewhere",
            "t.yaml:7:31: a cycle of inputs: self -> self; read one of them from elsewhere",
            "t.yaml:8:23: a cycle of inputs: a -> b -> a; read one of them from elsewhere",
        ],
    ),
    "no flows and no nodes": (
        "nodes: {}\nflows: []\n",
        [
            "t.yaml:3:8: nodes: there are none; a blueprint has at least a student",
            "t.yaml:4:8: flows: there are none; a blueprint has at least one",
        ],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_told_with_place_and_what_to_write(name):
    text, said = REFUSED[name]
    assert problems(text) == said


def test_unknown_tap_names_the_taps():
    found = problems(f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.stage2, to: student.stage9, loss: mse}}
  - {{from: teacher.stage9, to: student.stage1, loss: mse}}
  - {{from: teacher, to: student.classes, loss: mse, via: conv1x1}}
{BOTH}""")
    known = "has logits, embedding, stage1…stage3, or a module path"
    assert found == [
        f"t.yaml:8:32: flow 2: no tap 'stage9' on 'student' ({known}); did you mean 'stage3'?",
        f"t.yaml:9:12: flow 3: no tap 'stage9' on 'teacher' ({known}); did you mean 'stage3'?",
        "t.yaml:10:12: flow 4: 'teacher' has several taps; "
        "write teacher.TAP, one of logits, embedding, stage1…stage3, or a module path",
        f"t.yaml:10:25: flow 4: no tap 'classes' on 'student' ({known})",
    ]


def test_a_reference_to_what_has_no_weights():
    @attrs.frozen
    class Pieces:
        """Made of parts of other nodes."""

        component_name = "pieces"
        component_kind = "transform"
        ports = ()
        early: str | None = attrs.field(metadata={"reference": "stage"})
        late: str | None = attrs.field(default=None, metadata={"reference": "stage"})

    @attrs.frozen
    class Nothing:
        """Never built."""

        component_name = "nothing"
        component_kind = "transform"
        ports = ()

        def __call__(self):
            return torch.zeros(2, device="meta")

    blueprint, student = begun()
    blueprint.node("nothing", Nothing())
    blueprint.node("pieces", Pieces("nothing.stage1"))
    blueprint.flow(blueprint.batch.label, student.logits, find("loss", "cross_entropy")())
    assert found_in(blueprint) == [
        "node 'pieces': early is 'nothing', and a nothing has no weights; write another node"
    ]
