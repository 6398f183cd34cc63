"""Every mistake that the compiler finds, with its whole message."""

import attrs
import pytest
import torch

from graphkd.blueprint import Blueprint, Data, Phase, Ref, loads
from graphkd.compile import compile_blueprint
from graphkd.component import Port, find
from graphkd.errors import BlueprintError

HEAD = """\
blueprint: test
data: {dataset: fake, size: 16}
"""
STUDENT = """\
nodes:
  student: {type: student, model: tiny}
"""
PAIR = """\
nodes:
  teacher: {type: teacher, model: tiny}
  student: {type: student, model: tiny}
"""
LABELS = """\
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
"""
TEACHER_LABELS = """\
flows:
  - {from: data.label, to: teacher.logits, loss: cross_entropy}
"""
BOTH = "phases: [{name: both, train: [teacher, student]}]\n"


def problems(text, head=HEAD):
    return found_in(loads(head + text, name="t.yaml"))


def found_in(blueprint):
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(blueprint)
    return [str(each) for each in raised.value.problems]


# names


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
        "t.yaml:7:12: flow 2: no node 'techer' (has student, data)",
        "t.yaml:7:66: flow 2: no phase 'lern'; did you mean 'learn'?",
        "t.yaml:8:32: phase 'learn': no node 'studnet'; did you mean 'student'?",
    ]


def test_names_that_lead_nowhere():
    found = problems(f"""\
{STUDENT}\
  again: {{type: call, of: studnet}}
  tapped: {{type: call, of: student.logits}}
  head: {{type: linear, input: data}}
flows:
  - {{from: data.label, to: student.logits, loss: cross_entropy, into: [haed], phases: [one]}}
deliver: [stundet]
""")
    assert found == [
        "t.yaml:5:27: node 'again': no node 'studnet'; did you mean 'student'?",
        "t.yaml:6:28: node 'tapped': no node 'student.logits'; did you mean 'student'?",
        "t.yaml:7:31: node 'head': 'data' has several taps; "
        "write data.image, data.label, data.index, data.source, data.view1 or data.view2",
        "t.yaml:9:72: flow 1: no node 'haed'; did you mean 'head'?",
        "t.yaml:9:88: flow 1: no phase 'one'; there are none, drop phases",
        "t.yaml:10:11: deliver: no node 'stundet'; did you mean 'student'?",
    ]


def test_a_wrong_name_hides_nothing_else_and_has_no_echo():
    found = problems("""\
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
""")
    assert found == [
        "t.yaml:5:35: node 'student': no model 'timm/resnet81'; did you mean 'timm/resnet18'?",
        "t.yaml:7:30: a cycle of inputs: one -> two -> one; read one of them from elsewhere",
        "t.yaml:10:28: flow 1: no node 'studnet'; did you mean 'student'?",
        "t.yaml:11:29: flow 2: no tap 'stage9' on 'peer' "
        "(has logits, embedding, stage1…stage3, or a module path); did you mean 'stage3'?",
        "t.yaml:12:12: flow 3: mse needs equal axes '...': 'peer.stage2' is 'b c=8 h=4 w=4', "
        "'peer.stage1' is 'b c=4 h=8 w=8'; put a projector between: via: [conv1x1, resize]",
        "t.yaml:13:29: flow 4: teaches nothing: 'to' is data, which cannot learn; swap from and to",
        "t.yaml:13:29: flow 4: 'data.label' is 'b', but kl takes 'b c' there; "
        "read a model's tap, or take another loss",
    ]


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


def test_unknown_tap_of_what_has_one_output():
    found = problems(f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding, features: 10}}
flows:
  - {{from: data.label, to: head.logits, loss: cross_entropy}}
""")
    assert found == [
        "t.yaml:7:28: flow 1: no tap 'logits' on 'head', which has one output; write head"
    ]


def test_a_probe_gives_nothing_to_read():
    found = problems(f"""\
{STUDENT}\
  gap: {{type: gap, input: [student.logits, student.logits]}}
{LABELS}\
  - {{from: gap, to: student.logits, loss: kl}}
""")
    assert found == [
        "t.yaml:8:12: flow 2: 'gap' is a probe, which gives nothing to read; write a model's tap"
    ]


def test_a_call_of_what_is_no_model():
    found = problems(f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding, features: 3}}
  again: {{type: call, of: head}}
{LABELS}""")
    assert found == [
        "t.yaml:6:27: node 'again': of is 'head', a projector; write the name of a model"
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

    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
    blueprint.node("nothing", Nothing())
    blueprint.node("pieces", Pieces("nothing.stage1"))
    blueprint.flow(blueprint.batch.label, student.logits, find("loss", "cross_entropy")())
    assert found_in(blueprint) == [
        "node 'pieces': early is 'nothing', and a nothing has no weights; write another node"
    ]


# ports


def test_ports_of_nodes():
    found = problems(f"""\
{STUDENT}\
  gap: {{type: gap, input: student.logits}}
  more: {{type: gap, input: student.logits, with: {{student: student.stage1, techer: data.image}}}}
  mean: {{type: ensemble}}
  pool: {{type: pool, input: [student.stage1, student.stage2]}}
  other: {{type: assistant, model: tiny, with: {{inputs: data.image}}}}
{LABELS}""")
    assert found == [
        "t.yaml:5:8: node 'gap': nothing is wired to 'teacher' of gap; "
        "write input: [node.tap, node.tap]",
        "t.yaml:6:60: node 'more': port 'student' is wired by input and by with; drop one of them",
        "t.yaml:6:84: node 'more': no port 'techer' on gap; did you mean 'teacher'?",
        "t.yaml:7:9: node 'mean': nothing is wired to 'input' of ensemble; "
        "write input: [node.tap, node.tap]",
        "t.yaml:8:29: node 'pool': input has 2 taps, but pool reads 1: input",
        "t.yaml:9:56: node 'other': no port 'inputs' on assistant; did you mean 'input'?",
    ]


def test_a_projector_node_without_input():
    assert problems(f"{STUDENT}  head: {{type: linear, features: 3}}\n{LABELS}") == [
        "t.yaml:5:9: node 'head': nothing is wired to 'input' of linear; write input: node.tap"
    ]


def test_ports_of_losses():
    found = problems(f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.logits, to: student.logits, loss: kl, with: {{index: data.index}}}}
  - {{from: teacher.logits, to: student.logits, loss: kl, with: {{student: student.logits}}}}
  - {{from: teacher.embedding, to: student.embedding, loss: infonce, with: {{indx: data.index}}}}
{BOTH}""")
    assert found == [
        "t.yaml:8:72: flow 2: no port 'index' on kl, which reads from and to alone; drop with",
        "t.yaml:9:74: flow 3: port 'student' of kl is wired by from and to; drop it from with",
        "t.yaml:10:82: flow 4: no port 'indx' on infonce; did you mean 'index'?",
    ]


def test_a_loss_with_a_port_of_its_own():
    @attrs.frozen
    class Triplet:
        """Reads a third tap."""

        component_name = "triplet"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("teacher", "b c"), Port("other", "b c"))

    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
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

    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
    for extra in ({}, {"hint": student.logits}, {"mask": student.logits}):
        blueprint.flow(student.logits, student.logits, Masked(), extra=extra)
    assert found_in(blueprint) == [
        "flow 3: 'mask' is wired, but 'hint' before it is not; write with: {hint: node.tap} too"
    ]


# who learns from whom


def test_flow_into_something_frozen():
    found = problems(f"{PAIR}{LABELS}  - {{from: student.logits, to: teacher.logits, loss: kl}}\n")
    assert found == [
        "t.yaml:8:32: flow 2: teaches nothing: 'teacher' is frozen in every phase; "
        "name 'teacher' in a phase's train list, or swap from and to"
    ]


def test_flow_into_a_call_of_something_frozen():
    found = problems(f"""\
{PAIR}\
  again: {{type: call, of: teacher}}
{LABELS}\
  - {{from: student.logits, to: again.logits, loss: kl}}
""")
    assert found == [
        "t.yaml:9:32: flow 2: teaches nothing: 'again' is a call of 'teacher', which is frozen in "
        "every phase; name 'teacher' in a phase's train list, or swap from and to"
    ]


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


def test_flow_into_what_has_nothing_to_learn():
    found = problems(f"""\
{STUDENT}\
  seen: {{type: concat, input: [data.image, data.image]}}
  small: {{type: pool, input: seen}}
  both: {{type: ensemble, input: [student.logits, student.logits]}}
{LABELS}\
  - {{from: student.embedding, to: seen, loss: mse}}
  - {{from: both, to: student.logits, loss: kl}}
  - {{from: student.embedding, to: small, loss: mse, via: linear}}
""")
    assert found == [
        "t.yaml:10:12: flow 2: mse needs equal axes '...': 'seen' is 'b c=6 h=16 w=16', "
        "'student.embedding' is 'b d=16'; put a projector between: via: [pool, linear]",
        "t.yaml:10:35: flow 2: teaches nothing: nothing behind 'seen' learns; "
        "write another learner",
    ]


def test_flow_into_a_projector_without_parameters():
    found = problems(f"""\
{PAIR}\
  small: {{type: pool, input: teacher.stage3}}
{LABELS}\
  - {{from: student.embedding, to: small, loss: mse}}
""")
    assert found == [
        "t.yaml:9:35: flow 2: teaches nothing: nothing behind 'small' has parameters; "
        "write another learner"
    ]


def test_into():
    found = problems(f"""\
{PAIR}\
  again: {{type: call, of: student}}
{LABELS}\
  - {{from: teacher.logits, to: again.logits, loss: kl, into: [again]}}
  - {{from: again.logits, to: student.logits, loss: kl, into: [teacher]}}
  - {{from: again.logits, to: teacher.logits, loss: kl, into: [teacher]}}
""")
    assert found == [
        "t.yaml:4:12: teacher 'teacher' teaches, but has neither weights nor a phase that trains "
        "it; write weights: FILE.safetensors, or a phase with train: [teacher]",
        "t.yaml:9:63: flow 2: 'into' names 'again', a call of 'student'; name that instead",
        "t.yaml:10:63: flow 3: 'into' names 'teacher', which its gradient does not reach "
        "(has student)",
        "t.yaml:11:30: flow 4: teaches nothing: 'into' leaves teacher, frozen in every phase; "
        "widen into",
    ]


def test_teacher_with_neither_weights_nor_training():
    found = problems(f"{PAIR}flows:\n  - {{from: teacher.logits, to: student.logits, loss: kl}}\n")
    assert found == [
        "t.yaml:4:12: teacher 'teacher' teaches, but has neither weights nor a phase that trains "
        "it; write weights: FILE.safetensors, or a phase with train: [teacher]"
    ]


def test_teacher_that_is_trained_too_late():
    found = problems(f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.logits, to: student.logits, loss: kl}}
phases: [{{name: one, train: [student]}}, {{name: two, train: [teacher]}}]
""")
    assert found == [
        "t.yaml:4:12: teacher 'teacher' teaches in phase 'one' before any phase trains it; "
        "move a phase with train: [teacher] before it, or write weights: FILE.safetensors"
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
        "t.yaml:4:14: nobody teaches assistant 'assistant'; add a flow with to: assistant.logits"
    ]


def test_projector_node_that_nobody_teaches():
    found = problems(f"""\
{PAIR}\
  head: {{type: linear, input: teacher.embedding, features: 16}}
{TEACHER_LABELS}\
  - {{from: head, to: student.embedding, loss: mse}}
{BOTH}""")
    assert found == [
        "t.yaml:6:9: node 'head': nobody teaches this linear, so its weights stay random; add a "
        "flow with to: head, or write via: {type: linear, on: from} in a flow from it"
    ]


def test_unused_nodes():
    found = problems(f"""\
{PAIR}\
  head: {{type: linear, input: student.embedding, features: 3}}
{LABELS}""")
    assert found == [
        "t.yaml:4:12: node 'teacher' is used by nothing; remove it, or add a flow from teacher",
        "t.yaml:6:9: node 'head' is used by nothing; remove it, or add a flow from head",
    ]


def test_cycle_of_inputs():
    found = problems(f"""\
nodes:
  one: {{type: linear, input: three, features: 4}}
  two: {{type: linear, input: one, features: 4}}
  three: {{type: linear, input: two, features: 4}}
  self: {{type: linear, input: self, features: 4}}
  a: {{type: call, of: b}}
  b: {{type: call, of: a}}
  student: {{type: student, model: tiny}}
{LABELS}""")
    assert found == [
        "t.yaml:4:30: a cycle of inputs: one -> two -> three -> one; "
        "read one of them from elsewhere",
        "t.yaml:7:31: a cycle of inputs: self -> self; read one of them from elsewhere",
        "t.yaml:8:23: a cycle of inputs: a -> b -> a; read one of them from elsewhere",
    ]


# phases


def test_phases_that_train_nothing():
    found = problems("""\
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
""")
    assert found == [
        "t.yaml:13:5: phase 'two' trains nothing: no flow to student is alive in it; "
        "add one, or name 'two' in a flow's phases",
        "t.yaml:14:25: phase 'three': 'student' is a student, which cannot be fitted; "
        "name it in train",
        "t.yaml:15:12: phase 'evaluate': graphkd calls the evaluation so; write another name",
        "t.yaml:15:30: phase 'evaluate': 'again' is a call of 'student'; name that instead",
        "t.yaml:15:37: phase 'evaluate': 'gap' is a probe, which cannot be trained; drop it",
    ]


def test_a_name_in_a_phase_that_no_flow_teaches():
    found = problems(f"""\
{PAIR}{LABELS}\
  - {{from: data.label, to: teacher.logits, loss: cross_entropy, phases: [one]}}
phases: [{{name: one, train: [teacher]}}, {{name: two, train: [student, teacher]}}]
""")
    assert found == [
        "t.yaml:9:70: phase 'two': no flow teaches 'teacher' in it; "
        "add one with to: teacher.TAP, or drop 'teacher'"
    ]


def test_one_wrong_list_of_a_phase_is_told_by_the_flows_alone():
    found = problems(f"{PAIR}{LABELS}phases: [{{name: one, train: [teacher]}}]\n")
    assert found == [
        "t.yaml:7:28: flow 1: teaches nothing: 'student' is frozen in every phase; "
        "name 'student' in a phase's train list, or swap from and to",
    ]


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
    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
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


def test_several_students_need_deliver():
    found = problems("""\
nodes:
  a: {type: student, model: tiny}
  b: {type: student, model: tiny}
flows:
  - {from: a.logits, to: b.logits, loss: kl}
  - {from: b.logits, to: a.logits, loss: kl}
""")
    assert found == ["t.yaml:4:3: several students (a, b); say which to hand back: deliver: a"]


def test_nobody_to_deliver():
    assert problems("""\
nodes:
  peer: {type: assistant, model: tiny}
flows:
  - {from: data.label, to: peer.logits, loss: cross_entropy}
""") == ["t.yaml:4:3: no node is a student; write deliver: NODE"]


def test_what_is_delivered_is_a_model():
    found = problems(f"""\
{STUDENT}\
  gap: {{type: gap, input: [student.logits, student.logits]}}
{LABELS}\
deliver: [gap, student]
""")
    assert found == ["t.yaml:8:11: deliver: 'gap' is a probe, not a model (has student)"]


def test_no_flows_and_no_nodes():
    assert problems("nodes: {}\nflows: []\n") == [
        "t.yaml:3:8: nodes: there are none; a blueprint has at least a student",
        "t.yaml:4:8: flows: there are none; a blueprint has at least one",
    ]


# data


def test_data_that_is_not_there():
    head = "blueprint: test\ndata: {dataset: image_folder, root: nowhere}\n"
    (found,) = problems(STUDENT + LABELS, head)
    assert found.startswith("t.yaml:2:37: data: ")


def test_mixing():
    head = """\
blueprint: test
data: {dataset: fake, size: 16, mixup: 0.2, labels_per_class: 5, batch_size: 7}
"""
    found = problems(
        f"""\
{STUDENT}{LABELS}\
phases:
  - {{name: one}}
  - {{name: two, data: {{mixup: 0, labels_per_class: null, labelled_only: true}}}}
  - {{name: three, data: {{cutmix: 1, mixup: 0, labels_per_class: null}}}}
""",
        head,
    )
    assert found == [
        "t.yaml:2:40: data: mixup mixes labels, but some are hidden; "
        "write labelled_only: true, or drop mixup",
        "t.yaml:2:78: data: mixup pairs samples, and 7 is odd; try 8",
        "t.yaml:9:73: data: labelled_only leaves nothing out; write labels_per_class too",
        "t.yaml:10:25: data: cutmix pairs samples, and 7 is odd; try 8",
    ]


def test_a_data_set_without_labels():
    @attrs.frozen
    class Bare:
        """Images alone."""

        component_name = "bare"
        component_kind = "dataset"

        def spec(self, folder):
            return attrs.evolve(find("dataset", "fake")(size=16).spec(folder), classes=0)

    blueprint = Blueprint("test", Data(Bare()))
    student = blueprint.node("student", find("model", "student")(model="tiny", classes=10))
    blueprint.node("gap", find("probe", "gap")(), input=(student.logits, student.logits))
    blueprint.flow(blueprint.batch.label, student.logits, find("loss", "cross_entropy")())
    end = "reads labels, but data set 'bare' has none; read another tap, or take another data set"
    assert found_in(blueprint) == [f"node 'gap': gap {end}", f"flow 1: cross_entropy {end}"]


# shapes


def test_shapes_that_do_not_fit_name_both_sources():
    found = problems(f"""\
nodes:
  teacher: {{type: teacher, model: tiny, args: {{width: 8}}}}
  student: {{type: student, model: tiny}}
{TEACHER_LABELS}\
  - {{from: teacher.stage2, to: student.stage2, loss: mse}}
  - {{from: teacher.embedding, to: student.stage3, loss: infonce}}
  - {{from: teacher.stage3, to: student.stage3, loss: mse, via: [pool, {{type: mlp, features: 9}}]}}
  - {{from: teacher.stage2, to: student.embedding, loss: mse, via: conv1x1}}
{BOTH}""")
    assert found == [
        "t.yaml:8:12: flow 2: mse needs equal axes '...': 'student.stage2' is 'b c=8 h=4 w=4', "
        "'teacher.stage2' is 'b c=16 h=4 w=4'; put a projector between: via: conv1x1",
        "t.yaml:9:35: flow 3: 'student.stage3' is 'b c=16 h=2 w=2', but infonce takes 'b d' "
        "there; put a projector between: via: [pool, linear]",
        "t.yaml:10:12: flow 4: mse needs equal axes '...': 'student.stage3 via pool, mlp' is "
        "'b c=9', 'teacher.stage3' is 'b c=32 h=2 w=2'; "
        "put a projector between: via: [{type: pool, on: from}, linear]",
        "t.yaml:11:32: flow 5: 'student.embedding' is 'b d=16', but conv1x1 takes 'b c h w' "
        "there; read another tap, or put a projector between",
    ]


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


def test_a_spoilt_side_has_no_echo_on_the_other():
    found = problems(f"""\
{PAIR}{TEACHER_LABELS}\
  - {{from: teacher.stage9, to: student.stage2, loss: mse, via: conv1x1}}
  - {{from: teacher.stage2, to: student.logits, loss: kl, via: linear}}
  - {{from: teacher.stage2, to: student.stage1, loss: mse, via: [conv1x1, linear]}}
{BOTH}""")
    assert found == [
        "t.yaml:8:12: flow 2: no tap 'stage9' on 'teacher' "
        "(has logits, embedding, stage1…stage3, or a module path); did you mean 'stage3'?",
        "t.yaml:9:12: flow 3: 'teacher.stage2' is 'b c=8 h=4 w=4', but kl takes 'b c' there; "
        "read another tap, or put a projector between",
        "t.yaml:10:74: flow 4: linear changes the last axis, which is the width of "
        "'b c=8 h=8 w=8'; write conv1x1 instead, or pool or grid_to_tokens before it",
    ]


def test_class_count_of_teacher_and_data():
    found = problems(f"""\
nodes:
  teacher: {{type: teacher, model: tiny, classes: 7}}
  student: {{type: student, model: tiny}}
  gap: {{type: gap, input: [student.embedding, student.embedding]}}
flows:
  - {{from: data.label, to: teacher.logits, loss: cross_entropy}}
  - {{from: teacher.logits, to: student.logits, loss: kl}}
  - {{from: data.label, to: student.embedding, loss: cross_entropy}}
{BOTH}""")
    assert found == [
        "t.yaml:6:8: node 'gap': 'student.embedding' has 16 classes, but the data has 10; "
        "read logits",
        "t.yaml:8:12: flow 1: 'teacher.logits' has 7 classes, but the data has 10; "
        "write classes: 10 at 'teacher'",
        "t.yaml:9:12: flow 2: kl needs equal axes 'b c': 'student.logits' is 'b c=10', "
        "'teacher.logits' is 'b c=7'; put a projector between: via: linear",
        "t.yaml:10:12: flow 3: 'student.embedding' has 16 classes, but the data has 10; "
        "read its logits, or put a projector between: via: linear",
    ]


def test_two_ports_that_leave_no_alternative_together():
    @attrs.frozen
    class Either:
        """Its third port goes with one of the others, never with both."""

        component_name = "either"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("teacher", "b d"), Port("third", "c 16 | 2 d"))

    blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
    extra = {"third": student.embedding}
    blueprint.flow(student.logits, student.embedding, Either(), extra=extra)
    assert found_in(blueprint) == [
        "flow 1: either needs equal axes 'c 16 | 2 d': 'student.embedding' is 'b d=16', "
        "'student.embedding' is 'b d=16'; read another tap, or put a projector between"
    ]


def test_mixed_labels_where_class_numbers_are_needed():
    @attrs.frozen
    class Hard:
        """Takes class numbers alone."""

        component_name = "hard"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("label", "b", index="c"))

    fake = find("dataset", "fake")(size=16)
    blueprint = Blueprint("test", Data(fake))
    student = blueprint.node("student", find("model", "student")(model="tiny"))
    blueprint.flow(blueprint.batch.label, student.logits, Hard(), phases=("mixed",))
    blueprint.flow(blueprint.batch.label, student.logits, Hard(), phases=("plain",))
    blueprint.phases += [Phase("mixed", data={"mixup": 0.2}), Phase("plain")]
    assert found_in(blueprint) == [
        "flow 1: 'data.label' is 'b c=10', but hard takes 'b' there; leave mixup and cutmix out"
    ]


def test_inputs_of_a_node_that_do_not_fit():
    found = problems(f"""\
nodes:
  student: {{type: student, model: tiny}}
  mean: {{type: ensemble, input: [student.logits, student.embedding, student.stage1]}}
  judge: {{type: assistant, model: tiny, input: student.embedding}}
{LABELS}\
  - {{from: mean, to: judge.logits, loss: kl}}
""")
    assert found == [
        "t.yaml:5:50: node 'mean': ensemble needs equal axes 'b c': 'student.logits' is "
        "'b c=10', 'student.embedding' is 'b d=16'; "
        "read another tap, or put a projector between",
        "t.yaml:5:69: node 'mean': 'student.stage1' is 'b c=4 h=8 w=8', but ensemble takes "
        "'b c' there; read another tap, or put a projector between",
        "t.yaml:6:48: node 'judge': 'student.embedding' is 'b d=16', but assistant takes "
        "'b c h w' there; read another tap, or put a projector between",
    ]


def test_a_projector_without_a_size():
    found = problems(f"""\
{STUDENT}\
  head: {{type: linear, input: student.embedding}}
flows:
  - {{from: data.label, to: head, loss: cross_entropy}}
""")
    assert found == [
        "t.yaml:5:9: node 'head': linear cannot tell its output size: "
        "nothing is known of the other side; say features: N"
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


def test_model_too_deep_for_the_images():
    found = problems(f"""\
nodes:
  student: {{type: student, model: timm/test_vit, args: {{patch_size: 32, img_size: 16}}}}
{LABELS}""")
    assert found == [
        "t.yaml:4:12: node 'student': timm/test_vit cannot run on 'b c=3 h=16 w=16': "
        "Input height (16) should be divisible by patch size (32); "
        "change its parameters or what it reads"
    ]


def test_channels_that_no_conversion_makes():
    assert problems(f"""\
nodes:
  student: {{type: student, model: tiny, channels: 1}}
{LABELS}""") == [
        "t.yaml:4:51: node 'student': 'data.image' has 3 channels, but the model takes 1; "
        "write channels: 3"
    ]


def test_a_mistake_in_code_keeps_its_type_and_says_where():
    @attrs.frozen
    class Faulty:
        """Fails when it is built, or else when it runs."""

        component_name = "faulty"
        component_kind = "transform"
        ports = (Port("input", "b c"),)
        built: bool

        def build(self, site):
            return (lambda values: {}["values"]) if self.built else {}["site"]

    for built, note in [
        (False, "while building node 'faulty' for input b c=10"),
        (True, "while running node 'faulty' on 'b c=10'"),
    ]:
        blueprint = Blueprint("test", Data(find("dataset", "fake")(size=16)))
        student = blueprint.node("student", find("model", "student")(model="tiny"))
        blueprint.node("faulty", Faulty(built), input=student.logits)
        blueprint.flow(Ref("faulty"), student.logits, find("loss", "kl")())
        with pytest.raises(KeyError) as raised:
            compile_blueprint(blueprint)
        assert raised.value.__notes__ == [note]


def test_unknown_pass_to_leave_out():
    for name, said in [
        ("infer", "--without infer: no optional pass 'infer' (always runs)"),
        ("prun", "--without prun: no optional pass 'prun'; did you mean 'prune'?"),
    ]:
        with pytest.raises(BlueprintError) as raised:
            compile_blueprint(loads(HEAD + STUDENT + LABELS), without=[name])
        assert str(raised.value) == said
