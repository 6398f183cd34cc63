"""Saving over a file changes the values that differ, and not a byte beside them."""

import difflib
import os

import attrs
import pytest

from graphkd.blueprint import Blueprint, Data, Flow, Node, Phase, Via, load, loads, save, shipped
from graphkd.components.datasets import Digits, Fake
from graphkd.components.losses import KL, MSE
from graphkd.components.models import Student
from graphkd.components.probes import Gap
from graphkd.components.projectors import MLP, Linear
from graphkd.errors import BlueprintError

TEXT = """\
# what this file is
blueprint:   x        # its name
data:
  dataset: fake       # the classes
  samples: 50

  batch_size:  16

nodes:                # boxes
  # the one that learns
  student: {type: student,   model: m, args: {depth: 2,
            width: 4}, lr: 1.0e-2}   # slowly
  gap:
    type: gap
    input:
      - student.logits
      - student.logits # twice

flows:
  # first
  - {from: data.label, to: student.logits, loss: mse, weight: 1.0}
  # second
  - from: student.a
    to: student.b
    loss: kl
    temperature: 2  # soft
  # third
  - { from: student.c, to: student.d, loss: mse, via: linear }

train: {lr: 3e-4, seeds: [ 1,2, 3 ]}
# the end
"""


@pytest.fixture
def saved(tmp_path):
    """Write a text, load it, change it, save it; return the lines that went and came."""
    path = tmp_path / "b.yaml"

    def change(edit, text=TEXT):
        path.write_bytes(text.encode())
        blueprint = load(path)
        edit(blueprint)
        save(blueprint, path)
        assert load(path) == blueprint
        after = path.read_bytes().decode()
        lines = difflib.unified_diff(text.splitlines(True), after.splitlines(True), n=0)
        return [f"{each[0]} {each[1:-1]}" for each in list(lines)[2:] if each[0] in "+-"]

    return change


def component(blueprint, name, **changes):
    node = blueprint.nodes[name]
    changed = attrs.evolve(node.component, **changes)
    blueprint.nodes[name] = attrs.evolve(node, component=changed)


def test_nothing_changes_when_nothing_differs(saved):
    assert saved(lambda b: None) == []


@pytest.mark.parametrize("name", shipped())
def test_shipped_blueprints_stay_as_they_are(saved, name):
    assert saved(lambda b: None, shipped()[name].read_text()) == []


@pytest.mark.parametrize("name", shipped())
def test_shipped_blueprints_change_in_one_line(saved, name):
    def edit(blueprint):
        blueprint.train = attrs.evolve(blueprint.train, lr=0.123)

    came = [line for line in saved(edit, shipped()[name].read_text()) if line[0] == "+"]
    assert len(came) == 1
    assert "lr: 0.123" in came[0]


def test_values_in_blocks_and_in_lines(saved):
    def edit(blueprint):
        blueprint.data = attrs.evolve(blueprint.data, batch_size=8)
        blueprint.train = attrs.evolve(blueprint.train, lr=0.5)
        component(blueprint, "student", args={"depth": 3, "width": 4})

    assert saved(edit) == [
        "-   batch_size:  16",
        "+   batch_size:  8",
        "-   student: {type: student,   model: m, args: {depth: 2,",
        "+   student: {type: student,   model: m, args: {depth: 3,",
        "- train: {lr: 3e-4, seeds: [ 1,2, 3 ]}",
        "+ train: {lr: 0.5, seeds: [ 1,2, 3 ]}",
    ]


def test_new_keys(saved):
    def edit(blueprint):
        blueprint.about = "now: with a sentence"
        blueprint.data = attrs.evolve(blueprint.data, workers=2)
        blueprint.nodes["gap"] = attrs.evolve(blueprint.nodes["gap"], seed=1)
        blueprint.nodes["student"] = attrs.evolve(blueprint.nodes["student"], ema=0.5)
        blueprint.train = attrs.evolve(blueprint.train, epochs=2)
        blueprint.phases.append(Phase("one"))

    assert saved(edit) == [
        "+   workers: 2",
        "-             width: 4}, lr: 1.0e-2}   # slowly",
        "+             width: 4}, lr: 1.0e-2, ema: 0.5}   # slowly",
        "+     seed: 1",
        "- train: {lr: 3e-4, seeds: [ 1,2, 3 ]}",
        "+ train: {lr: 3e-4, seeds: [ 1,2, 3 ], epochs: 2}",
        "+ about: 'now: with a sentence'",
        "+ phases:",
        "+   - {name: one}",
    ]


def test_keys_that_go(saved):
    def edit(blueprint):
        blueprint.data = attrs.evolve(blueprint.data, batch_size=128)
        blueprint.nodes["student"] = attrs.evolve(blueprint.nodes["student"], lr=None)
        blueprint.train = attrs.evolve(blueprint.train, lr=1e-3)

    assert saved(edit) == [
        "-   batch_size:  16",
        "-             width: 4}, lr: 1.0e-2}   # slowly",
        "+             width: 4}}   # slowly",
        "- train: {lr: 3e-4, seeds: [ 1,2, 3 ]}",
        "+ train: {seeds: [ 1,2, 3 ]}",
    ]


def test_another_component(saved):
    def edit(blueprint):
        blueprint.data = attrs.evolve(blueprint.data, dataset=Digits())
        blueprint.flows[1] = attrs.evolve(blueprint.flows[1], loss=MSE())
        blueprint.flows[2] = attrs.evolve(blueprint.flows[2], loss=KL(temperature=3))

    assert saved(edit) == [
        "-   dataset: fake       # the classes",
        "-   samples: 50",
        "+   dataset: digits       # the classes",
        "-     loss: kl",
        "-     temperature: 2  # soft",
        "+     loss: mse",
        "-   - { from: student.c, to: student.d, loss: mse, via: linear }",
        "+   - { from: student.c, to: student.d, loss: kl, via: linear, temperature: 3 }",
    ]


def test_items_of_lists(saved):
    def edit(blueprint):
        blueprint.flows.insert(1, Flow("student.e", "student.f", MSE()))
        blueprint.flows.append(Flow("student.g", "student.h", MSE()))
        blueprint.flows[3] = attrs.evolve(blueprint.flows[3], via=[Via(Linear()), Via(MLP())])
        blueprint.train = attrs.evolve(blueprint.train, seeds=(0, 1, 3, 4))
        blueprint.nodes["gap"] = attrs.evolve(blueprint.nodes["gap"], input="student.logits")

    assert saved(edit) == [
        "-       - student.logits # twice",
        "+   - {from: student.e, to: student.f, loss: mse}",
        "-   - { from: student.c, to: student.d, loss: mse, via: linear }",
        "+   - { from: student.c, to: student.d, loss: mse, via: [linear, mlp] }",
        "+   - {from: student.g, to: student.h, loss: mse}",
        "- train: {lr: 3e-4, seeds: [ 1,2, 3 ]}",
        "+ train: {lr: 3e-4, seeds: [ 0, 1,3, 4 ]}",
    ]


def test_first_and_last_items_go(saved):
    def edit(blueprint):
        del blueprint.flows[2]
        del blueprint.flows[0]
        blueprint.train = attrs.evolve(blueprint.train, seeds=(2,))

    assert saved(edit) == [
        "-   - {from: data.label, to: student.logits, loss: mse, weight: 1.0}",
        "-   - { from: student.c, to: student.d, loss: mse, via: linear }",
        "- train: {lr: 3e-4, seeds: [ 1,2, 3 ]}",
        "+ train: {lr: 3e-4, seeds: [ 2 ]}",
    ]


def test_nodes_come_and_go(saved):
    def edit(blueprint):
        del blueprint.nodes["student"]
        blueprint.nodes["other"] = Node(Student("m"), lr=0.1)

    assert saved(edit) == [
        "-   student: {type: student,   model: m, args: {depth: 2,",
        "-             width: 4}, lr: 1.0e-2}   # slowly",
        "+   other: {type: student, model: m, lr: 0.1}",
    ]


def test_defaults_that_are_written_out_stay(saved):
    def edit(blueprint):
        blueprint.flows[0] = attrs.evolve(blueprint.flows[0], every=2)

    assert saved(edit) == [
        "-   - {from: data.label, to: student.logits, loss: mse, weight: 1.0}",
        "+   - {from: data.label, to: student.logits, loss: mse, weight: 1.0, every: 2}",
    ]


def test_windows_lines_stay(saved):
    def edit(blueprint):
        blueprint.train = attrs.evolve(blueprint.train, lr=0.5)
        blueprint.data = attrs.evolve(blueprint.data, workers=1)

    text = "\ufeff# hi\r\nblueprint: x\r\ndata:\r\n  dataset: digits\r\nabout: y\r\n"
    assert saved(edit, text) == [
        "+   workers: 1\r",
        "+ train: {lr: 0.5}\r",
    ]


def test_a_missing_last_line_break(tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text("blueprint: x\ndata: digits")
    blueprint = load(path)
    blueprint.about = "y"
    save(blueprint, path)
    assert path.read_text() == "blueprint: x\ndata: digits\nabout: y"


ANCHORS = """\
blueprint: x  # anchors
data: digits
nodes:
  a: {type: student, model: m, args: &size {depth: 2, width: 4}}
  b: {type: student, model: m, args: *size}
  c: &box {type: student, model: m, args: *size}
  d: *box
"""


def test_anchors_stay_where_they_are_not_in_the_way(saved):
    def edit(blueprint):
        blueprint.nodes["b"] = attrs.evolve(blueprint.nodes["b"], lr=0.5)

    assert saved(edit, ANCHORS) == [
        "-   b: {type: student, model: m, args: *size}",
        "+   b: {type: student, model: m, args: *size, lr: 0.5}",
    ]


def test_an_alias_that_differs_now_is_written_out(saved):
    assert saved(lambda b: component(b, "b", args={"depth": 3}), ANCHORS) == [
        "-   b: {type: student, model: m, args: *size}",
        "+   b: {type: student, model: m, args: {depth: 3}}",
    ]


def test_what_an_anchor_shares_is_written_out_before_it_changes(saved):
    assert saved(lambda b: component(b, "a", args={"depth": 3, "width": 4}), ANCHORS) == [
        "-   a: {type: student, model: m, args: &size {depth: 2, width: 4}}",
        "-   b: {type: student, model: m, args: *size}",
        "-   c: &box {type: student, model: m, args: *size}",
        "-   d: *box",
        "+   a: {type: student, model: m, args: &size {depth: 3, width: 4}}",
        "+   b: {type: student, model: m, args: {depth: 2, width: 4}}",
        "+   c: &box {type: student, model: m, args: {depth: 2, width: 4}}",
        "+   d: {type: student, model: m, args: {depth: 2, width: 4}}",
    ]


def test_what_is_inherited_is_not_repeated(saved, tmp_path):
    (tmp_path / "base.yaml").write_text(TEXT)

    def edit(blueprint):
        blueprint.train = attrs.evolve(blueprint.train, lr=0.5, epochs=2)
        component(blueprint, "student", model="other")

    text = "# mine\nextends: base.yaml\nblueprint: y\ntrain: {lr: 1}\n"
    assert saved(edit, text) == [
        "- train: {lr: 1}",
        "+ train: {lr: 0.5, epochs: 2}",
        "+ nodes:",
        "+   student: {model: other}",
    ]


def test_what_is_inherited_but_gone_makes_the_file_stand_alone(saved, tmp_path):
    (tmp_path / "base.yaml").write_text(TEXT)

    def edit(blueprint):
        blueprint.data = attrs.evolve(blueprint.data, batch_size=128)

    came = [line for line in saved(edit, "extends: base.yaml\n") if line[0] == "+"]
    assert came[0] == "+ blueprint: x"
    assert not any("extends" in line for line in came)


def test_a_file_that_was_no_blueprint_is_replaced(tmp_path):
    made = Blueprint("x", Data(Fake(size=8)))
    for content in (b"", b"[1", b"\xff\xfe", b"blueprint: [1]\n"):
        (tmp_path / "b.yaml").write_bytes(content)
        save(made, tmp_path / "b.yaml")
        assert (tmp_path / "b.yaml").read_text() == (
            "blueprint: x\ndata: {dataset: fake, size: 8}\n"
        )


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "b.yaml"
    save(Blueprint("x", Data(Digits())), path)
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(BlueprintError) as raised:
        save(Blueprint("y", Data(Digits())), path)
    assert str(raised.value) == f"{path}: cannot be written: No space left on device"
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["b.yaml"]


def test_nowhere_to_write(tmp_path):
    made = Blueprint("x", Data(Digits()))
    with pytest.raises(BlueprintError) as raised:
        save(made, tmp_path / "none" / "b.yaml")
    assert str(raised.value) == (
        f"{tmp_path}/none/b.yaml: cannot be written: No such file or directory"
    )
    with pytest.raises(BlueprintError) as raised:
        save(made, tmp_path)
    assert str(raised.value) == f"{tmp_path}: cannot be written: Is a directory"
    assert not list(tmp_path.parent.glob(".*.tmp"))


def test_links_and_permissions_stay(tmp_path):
    (tmp_path / "real.yaml").write_text("blueprint: x\ndata: digits\n")
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    save(Blueprint("y", Data(Digits())), tmp_path / "link.yaml")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "blueprint: y\ndata: digits\n"
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640


def test_true_is_not_one(saved):
    text = "blueprint: x\ndata: digits\nnodes: {a: {type: student, model: m, args: {b: true}}}\n"
    assert saved(lambda b: component(b, "a", args={"b": 1}), text) == [
        "- nodes: {a: {type: student, model: m, args: {b: true}}}",
        "+ nodes: {a: {type: student, model: m, args: {b: 1}}}",
    ]
    assert loads(text).nodes["a"].component.args["b"] is True
    assert Gap() == Gap()
