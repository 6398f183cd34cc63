"""Data that is not there, or does not give what is read, with the whole message."""

import attrs

from graphkd.blueprint import Blueprint, Data, Phase
from graphkd.component import Port, find
from tests.compile.problems import LABELS, STUDENT, begun, found_in, problems


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


def test_mixed_labels_where_class_numbers_are_needed():
    @attrs.frozen
    class Hard:
        """Takes class numbers alone."""

        component_name = "hard"
        component_kind = "loss"
        ports = (Port("student", "b c"), Port("label", "b", index="c"))

    blueprint, student = begun()
    blueprint.flow(blueprint.batch.label, student.logits, Hard(), phases=("mixed",))
    blueprint.flow(blueprint.batch.label, student.logits, Hard(), phases=("plain",))
    blueprint.phases += [Phase("mixed", data={"mixup": 0.2}), Phase("plain")]
    assert found_in(blueprint) == [
        "flow 1: 'data.label' is 'b c=10', but hard takes 'b' there; leave mixup and cutmix out"
    ]
