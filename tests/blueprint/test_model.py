"""A blueprint made in Python is the same thing as its file."""

import attrs
import pytest

from graphkd.blueprint import (
    Augment,
    Blueprint,
    Data,
    Flow,
    Node,
    Phase,
    Ramp,
    Ref,
    Train,
    Via,
    data_of,
    dumps,
    flow_name,
    load,
    loads,
    recipe_of,
    save,
)
from graphkd.components.augmentations import RandomCrop, RandomFlip
from graphkd.components.datasets import Digits
from graphkd.components.losses import KL, MSE, CrossEntropy, InfoNCE
from graphkd.components.models import Student, Teacher
from graphkd.components.probes import Gap
from graphkd.components.projectors import MLP, Linear

TEXT = """\
blueprint: two-ways
about: both forms
data: {dataset: digits, batch_size: 32, augment: [random_flip, {type: random_crop, padding: 2}]}
nodes:
  teacher: {type: teacher, model: timm/vit, args: {depth: 4}, weights: t.safetensors}
  student: {type: student, model: timm/cnn, lr: 1e-2}
  gap: {type: gap, input: [student.logits, teacher.logits], with: {label: data.label}}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, phases: soft, name: soften}
  - {from: teacher.embedding, to: student.layer1.0.conv, loss: infonce, via: linear, into: student}
  - {from: teacher.tokens, to: student.stage4, loss: mse, with: {index: data.index},
     via: [{type: mlp, depth: 3, on: from}, linear], weight: {start: 0, end: 1, epochs: 2}}
phases:
  - {name: soft, train: student, epochs: 3, lr: 0.1, milestones: [1, 2], data: {mixup: 0.2}}
  - {name: hard}
train: {epochs: 7, seeds: [1, 2]}
deliver: student
"""


def in_python():
    made = Blueprint(
        "two-ways",
        Data(Digits(), batch_size=32, augment=[RandomFlip(), RandomCrop(padding=2)]),
        about="both forms",
        train=Train(epochs=7, seeds=[1, 2]),
        deliver="student",
    )
    teacher = made.node("teacher", Teacher("timm/vit", weights="t.safetensors", args={"depth": 4}))
    student = made.node("student", Student("timm/cnn"), lr=1e-2)
    made.node(
        "gap",
        Gap(),
        input=(student.logits, teacher.logits),
        extra={"label": made.batch.label},
    )
    made.flow(made.batch.label, student.logits, CrossEntropy(), weight=0.1)
    made.flow(teacher.logits, student.logits, KL(temperature=2), phases="soft", name="soften")
    made.flow(teacher.embedding, student["layer1.0.conv"], InfoNCE(), via=Linear(), into=student)
    made.flow(
        teacher.tokens,
        student.stage4,
        MSE(),
        via=[Via(MLP(depth=3), on="from"), Linear()],
        weight=Ramp(0, 1, epochs=2),
        extra={"index": made.batch.index},
    )
    changes = {"epochs": 3, "lr": 0.1, "milestones": (1, 2)}
    made.phases += [Phase("soft", train="student", recipe=changes, data={"mixup": 0.2})]
    made.phases += [Phase("hard")]
    return made


def test_equals_its_file():
    assert in_python() == loads(TEXT)


def test_saves_and_loads(tmp_path):
    save(in_python(), tmp_path / "b.yaml")
    assert load(tmp_path / "b.yaml") == in_python()


def test_writes_one_node_flow_or_phase_a_line():
    assert dumps(in_python()).splitlines() == [
        "blueprint: two-ways",
        "about: both forms",
        "data: {dataset: digits, batch_size: 32, "
        "augment: [random_flip, {type: random_crop, padding: 2}]}",
        "nodes:",
        "  teacher: {type: teacher, model: timm/vit, weights: t.safetensors, args: {depth: 4}}",
        "  student: {type: student, model: timm/cnn, lr: 0.01}",
        "  gap: {type: gap, input: [student.logits, teacher.logits], with: {label: data.label}}",
        "flows:",
        "  - {from: data.label, to: student.logits, loss: cross_entropy, weight: 0.1}",
        "  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, "
        "phases: [soft], name: soften}",
        "  - {from: teacher.embedding, to: student.layer1.0.conv, loss: infonce, "
        "via: [linear], into: [student]}",
        "  - {from: teacher.tokens, to: student.stage4, loss: mse, "
        "via: [{type: mlp, depth: 3, on: from}, linear], "
        "weight: {start: 0, end: 1, epochs: 2}, with: {index: data.index}}",
        "phases:",
        "  - {name: soft, train: [student], epochs: 3, lr: 0.1, milestones: [1, 2], "
        "data: {mixup: 0.2}}",
        "  - {name: hard}",
        "train: {epochs: 7, seeds: [1, 2]}",
        "deliver: [student]",
    ]


def test_one_or_several_and_text_for_taps():
    a, b = Ref("a", "x"), Ref("b", "y")
    assert Flow("a.x", b, MSE(), via=Linear()) == Flow(a, "b.y", MSE(), via=[Via(Linear())])
    assert Node(Gap(), input=a) == Node(Gap(), input=["a.x"])
    assert Data(Digits(), augment=RandomFlip()) == Data(Digits(), augment=(Augment(RandomFlip()),))
    made = Blueprint("x", Data(Digits()))
    box = made.node("box", Gap())
    assert Node(Gap(), input=box).input == (Ref("box"),)


def test_flows_are_named_by_what_they_join():
    assert flow_name(Flow("a.x", "b.y", MSE())) == "a.x->b.y/mse"
    assert flow_name(Flow("a", "b.y", MSE(), name="hint")) == "hint"


def test_a_phase_changes_the_recipe_and_the_data():
    made = in_python()
    soft, hard = made.phases
    assert recipe_of(made, soft) == attrs.evolve(made.train, epochs=3, lr=0.1, milestones=(1, 2))
    assert recipe_of(made, hard) == made.train
    assert data_of(made, soft) == attrs.evolve(made.data, mixup=0.2)


def test_epochs_of_a_phase_go_before_steps_of_the_recipe():
    made = Blueprint("x", Data(Digits()), train=Train(steps=100))
    assert recipe_of(made, Phase("p", recipe={"epochs": 2})).steps == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda b: b.node("teacher", Gap()), "there is already a node 'teacher'"),
        (lambda b: b.node("data", Gap()), "a node cannot be called 'data': that is the data set"),
        (lambda b: b.node("a.b", Gap()), "a node's name holds letters, digits, '_' and '-' only"),
        (lambda b: b.node("loss", MSE()), "'mse' is a loss, not a node"),
        (lambda b: b.flow("a", "b", Gap()), "'gap' is a probe, not a loss"),
        (
            lambda b: Phase("p", data={"dataset": Digits()}),
            "a phase cannot change 'dataset' (has batch_size, workers, half, subset, "
            "labels_per_class, labelled_only, extra, augment, augment_probability, mixup, cutmix, "
            "mixup_share)",
        ),
        (
            lambda b: Phase("p", recipe={"epoch": 1}),
            "a phase cannot change 'epoch'; did you mean 'epochs'?",
        ),
        (
            lambda b: Blueprint("../x", Data(Digits())),
            "write letters, digits, '_', '-', '+', '.' or blanks, no '/'",
        ),
    ],
)
def test_mistakes_are_refused_at_once(make, said):
    with pytest.raises(ValueError) as raised:
        make(in_python())
    assert str(raised.value) == said


@pytest.mark.parametrize(
    "make",
    [
        lambda: Phase("p", recipe={"lr": -1}),
        lambda: Phase("p", data={"batch_size": 0}),
        lambda: Phase(""),
        lambda: Train(epochs=0),
        lambda: KL(temperature=0),
    ],
)
def test_values_out_of_range_are_refused_at_once(make):
    with pytest.raises(ValueError):
        make()


def test_what_a_file_cannot_hold_is_named():
    made = Blueprint("x", Data(Digits()))
    made.node("s", Student("m", args={"device": object}))
    with pytest.raises(TypeError) as raised:
        dumps(made)
    assert str(raised.value) == "a blueprint cannot hold <class 'object'>, a type"


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    made = Blueprint("x", Data(Digits()))
    made.flow("a.x", "b.x", KL(temperature=np.float64(2.5)), weight=np.float64(0.5))
    assert loads(dumps(made)) == made


def test_handles_answer_only_for_taps():
    box = Blueprint("x", Data(Digits())).batch
    assert str(box.image) == "data.image"
    assert str(box["a.b"]) == "data.a.b"
    assert not hasattr(box, "__wrapped__")
