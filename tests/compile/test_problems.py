"""Every mistake that the compiler finds, with its whole message."""

import pytest

from graphkd.blueprint import loads
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError

HEAD = """\
blueprint: test
data: {dataset: fake, size: 16}
"""


def problems(text):
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(loads(HEAD + text, name="t.yaml"))
    return [str(each) for each in raised.value.problems]


def test_unknown_tap_names_the_taps():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.stage2, to: student.stage9, loss: mse}
phases: [{name: both, train: [teacher, student]}]
""")
    assert found == [
        "t.yaml:8:32: flow 2: no tap 'stage9' on 'student' "
        "(has logits, embedding, stage1…stage3, or a module path); did you mean 'stage3'?"
    ]


def test_unknown_node_and_phase_together():
    found = problems("""\
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.lable, to: student.logits, loss: cross_entropy}
  - {from: techer.logits, to: student.logits, loss: kl, phases: [lern]}
phases: [{name: learn, train: [studnet]}]
""")
    assert found == [
        "t.yaml:6:12: flow 1: no tap 'lable' on 'data'; did you mean 'label'?",
        "t.yaml:7:12: flow 2: no node 'techer' (has student)",
        "t.yaml:7:66: flow 2: no phase 'lern'; did you mean 'learn'?",
        "t.yaml:8:32: phase 'learn': no node 'studnet'; did you mean 'student'?",
    ]


def test_flow_into_something_frozen():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: student.logits, to: teacher.logits, loss: kl}
""")
    assert found == [
        "t.yaml:8:32: flow 2: teaches nothing: 'teacher' is frozen in every phase; "
        "name it in a phase's train list, or swap from and to"
    ]


def test_teacher_with_neither_weights_nor_training():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl}
""")
    assert found == [
        "t.yaml:4:12: teacher 'teacher' teaches, but has neither weights nor a phase that trains "
        "it; write weights: FILE.safetensors, or a phase with train: [teacher]"
    ]


def test_teacher_that_is_trained_too_late():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl}
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
phases: [{name: one, train: [student]}, {name: two, train: [teacher]}]
""")
    assert found == [
        "t.yaml:4:12: teacher 'teacher' teaches in phase 'one' before any phase trains it"
    ]


def test_assistant_that_nobody_teaches():
    found = problems("""\
nodes:
  assistant: {type: assistant, model: tiny}
  student: {type: student, model: tiny}
flows:
  - {from: assistant.logits, to: student.logits, loss: kl}
""")
    assert found == [
        "t.yaml:4:14: nobody teaches assistant 'assistant'; "
        "add a flow with to: assistant.logits"
    ]


def test_unused_nodes():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
  head: {type: linear, input: student.embedding, features: 3}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
""")
    assert found == [
        "t.yaml:4:12: node 'teacher' is used by nothing; remove it, or add a flow from teacher",
        "t.yaml:6:9: node 'head' is used by nothing; remove it, or add a flow from head",
    ]


def test_cycle_of_inputs():
    found = problems("""\
nodes:
  one: {type: linear, input: two, features: 4}
  two: {type: linear, input: one, features: 4}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
""")
    assert found == [
        "t.yaml:4:30: a cycle of inputs: one -> two -> one; read one of them from elsewhere"
    ]


def test_shapes_that_do_not_fit_name_both_sources():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny, args: {width: 8}}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.stage2, to: student.stage2, loss: mse}
  - {from: teacher.embedding, to: student.stage3, loss: infonce}
phases: [{name: both, train: [teacher, student]}]
""")
    assert found == [
        "t.yaml:8:12: flow 2: mse needs equal axes '...': 'student.stage2' is 'b c=8 h=4 w=4', "
        "'teacher.stage2' is 'b c=16 h=4 w=4'; put a projector between: via: conv1x1",
        "t.yaml:9:35: flow 3: 'student.stage3' is 'b c=16 h=2 w=2', but infonce takes 'b d' there",
    ]


def test_class_count_of_teacher_and_data():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny, classes: 7}
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl}
phases: [{name: both, train: [teacher, student]}]
""")
    assert found == [
        "t.yaml:7:12: flow 1: 'teacher.logits' has 7 classes, but the data has 10",
        "t.yaml:8:12: flow 2: kl needs equal axes 'b c': 'student.logits' is 'b c=10', "
        "'teacher.logits' is 'b c=7'; put a projector between: via: linear",
    ]


def test_model_name_and_its_arguments():
    found = problems("""\
nodes:
  one: {type: student, model: timm/resnet81}
  two: {type: student, model: tiny, args: {widht: 4}}
flows:
  - {from: data.label, to: one.logits, loss: cross_entropy}
  - {from: data.label, to: two.logits, loss: cross_entropy}
deliver: one
""")
    assert [line.split(": ", 1)[0] for line in found] == ["t.yaml:4:31", "t.yaml:5:43"]
    assert "resnet81" in found[0] and "did you mean 'timm/resnet" in found[0]
    assert "'widht'" in found[1] and "did you mean 'width'?" in found[1]


def test_missing_weights_file():
    found = problems("""\
nodes:
  teacher: {type: teacher, model: tiny, weights: nowhere.safetensors}
  student: {type: student, model: tiny}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl}
""")
    assert found == [
        "t.yaml:4:50: node 'teacher': weights file 'nowhere.safetensors' does not exist"
    ]


def test_phases_that_train_nothing():
    found = problems("""\
nodes:
  student: {type: student, model: tiny}
  other: {type: assistant, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, phases: [one]}
  - {from: data.label, to: other.logits, loss: cross_entropy, phases: [one]}
phases: [{name: one}, {name: two, train: [student]}, {name: three, fit: [student]}]
""")
    assert found == [
        "t.yaml:9:23: phase 'two' trains nothing: no flow teaches what learns in it",
        "t.yaml:9:74: phase 'three': 'student' is a student, which cannot be fitted",
    ]


def test_several_students_need_deliver():
    found = problems("""\
nodes:
  a: {type: student, model: tiny}
  b: {type: student, model: tiny}
flows:
  - {from: a.logits, to: b.logits, loss: kl}
  - {from: b.logits, to: a.logits, loss: kl}
""")
    assert found == [
        "t.yaml:4:3: several students (a, b); say which to hand back: deliver: a"
    ]


def test_model_too_deep_for_the_images():
    found = problems("""\
nodes:
  student: {type: student, model: timm/test_vit, args: {patch_size: 32, img_size: 16}}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
""")
    assert len(found) == 1 and found[0].startswith("t.yaml:4:12: node 'student': timm/test_vit")


def test_no_flows_and_no_nodes():
    assert problems("nodes: {}\nflows: []\n") == [
        "t.yaml:3:8: nodes: there are none; a blueprint has at least a student",
        "t.yaml:3:8: no node is a student; write deliver: NODE",
        "t.yaml:4:8: flows: there are none; a blueprint has at least one",
    ]


def test_mixing_needs_every_label():
    text = """\
blueprint: test
data: {dataset: fake, size: 16, mixup: 0.2, labels_per_class: 5}
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(loads(text, name="t.yaml"))
    assert str(raised.value) == (
        "t.yaml:2:7: data: mixup and cutmix need every label; set labelled_only, or leave them out"
    )


def test_unknown_pass_to_leave_out():
    text = """\
nodes:
  student: {type: student, model: tiny}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(loads(HEAD + text), without=["infer"])
    assert str(raised.value) == "--without infer: no optional pass 'infer' (always runs)"
