"""`path=value` words change a blueprint, and those that lead nowhere are named."""

from pathlib import Path

import pytest

from graphkd.blueprint import load
from graphkd.blueprint.plain import to_plain
from graphkd.errors import BlueprintError

TEXT = """\
blueprint: x
data: {dataset: fake, samples: 50, batch_size: 16, augment: [random_flip]}
nodes:
  teacher: {type: teacher, model: m, args: {depth: 2}}
  student: {type: student, model: m}
flows:
  - {from: data.label, to: student.logits, loss: cross_entropy}
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2, via: linear, name: soft}
phases:
  - {name: one, epochs: 2}
  - {name: two}
"""


@pytest.fixture
def changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(TEXT)

    def change(*words):
        return to_plain(load("b.yaml", words))

    return change


def problem(changed, *words):
    with pytest.raises(BlueprintError) as raised:
        changed(*words)
    return str(raised.value)


@pytest.mark.parametrize(
    ("word", "path", "value"),
    [
        ("student.model=timm/resnet34", ("nodes", "student", "model"), "timm/resnet34"),
        ("nodes.student.model=timm/resnet34", ("nodes", "student", "model"), "timm/resnet34"),
        ("student.args.depth=3", ("nodes", "student", "args"), {"depth": 3}),
        ("teacher.args={width: 3}", ("nodes", "teacher", "args"), {"depth": 2, "width": 3}),
        ("train.lr=3e-4", ("train", "lr"), 0.0003),
        ("train.epochs=1", ("train",), {"epochs": 1}),
        ("train.seeds=[0,1]", ("train", "seeds"), [0, 1]),
        ("train={lr: 1, epochs: 2}", ("train",), {"epochs": 2, "lr": 1.0}),
        ("flows.2.weight=0.5", ("flows", 1, "weight"), 0.5),
        ("flows.soft.weight=0.5", ("flows", 1, "weight"), 0.5),
        ("flows.2.weight={start: 0, end: 1, epochs: 3}", ("flows", 1, "weight", "end"), 1.0),
        ("flows.2.loss=mse", ("flows", 1, "loss"), "mse"),
        ("flows.2.via.bias=false", ("flows", 1, "via"), [{"type": "linear", "bias": False}]),
        ("flows.1.via=mlp", ("flows", 0, "via"), ["mlp"]),
        ("phases.one.epochs=5", ("phases", 0, "epochs"), 5),
        ("phases.2.lr=0.1", ("phases", 1, "lr"), 0.1),
        ("phases.2.data.mixup=0.1", ("phases", 1, "data"), {"mixup": 0.1}),
        ("data.augment.1.probability=0.1", ("data", "augment", 0, "probability"), 0.1),
        ("data.augment.1=random_crop", ("data", "augment"), ["random_crop"]),
        ("data.batch_size=4", ("data", "batch_size"), 4),
        ("about=one word", ("about",), "one word"),
        ("about='1'", ("about",), "1"),
        ("deliver=student", ("deliver",), ["student"]),
    ],
)
def test_words_change_one_value(changed, word, path, value):
    found = changed(word)
    for part in path:
        found = found[part]
    assert found == value
    assert type(found) is type(value)


def test_only_that_value_changes(changed):
    before, after = changed(), changed("flows.2.weight=0.5")
    assert after["flows"][1].pop("weight") == 0.5
    assert after == before


def test_later_words_win(changed):
    assert changed("train.lr=1", "train={lr: 2, epochs: 3}", "train.lr=4")["train"] == {
        "lr": 4.0,
        "epochs": 3,
    }


def test_another_data_set_leaves_the_old_ones_parameters_behind(changed):
    assert changed("data.dataset=digits")["data"] == {
        "dataset": "digits",
        "batch_size": 16,
        "augment": ["random_flip"],
    }
    assert changed("data=digits")["data"] == changed("data.dataset=digits")["data"]
    assert "temperature" not in changed("flows.2.loss=mse")["flows"][1]
    assert changed("student.type=assistant")["nodes"]["student"]["model"] == "m"


def test_a_node_can_be_taken_away(changed):
    assert list(changed("teacher=null")["nodes"]) == ["student"]
    assert list(changed("nodes.teacher=")["nodes"]) == ["student"]


def test_unknown_paths_all_at_once(changed):
    words = [
        "trian.lr=3",
        "studnt.model=m",
        "nodes.studnt.model=m",
        "flows.3.weight=1",
        "flows.0.weight=1",
        "flows.sofd.weight=1",
        "flows.².weight=1",
        "flows.0000000001.weight=1",
        "phases.tow.lr=1",
        "data.augment.2=x",
        "blueprint.x=3",
        "nothing.x=3",
    ]
    assert problem(changed, *words).splitlines() == [
        "12 problems",
        "  blueprint.x=3: 'blueprint' is 'x', which has no 'x'",
        "  data.augment.2=x: no item of augment '2' (has 1)",
        "  flows.0.weight=1: no flow '0' (has soft, 1 to 2)",
        "  flows.0000000001.weight=1: no flow '0000000001' (has soft, 1 to 2)",
        "  flows.3.weight=1: no flow '3' (has soft, 1 to 2)",
        "  flows.sofd.weight=1: no flow 'sofd'; did you mean 'soft'?",
        "  flows.².weight=1: no flow '²' (has soft, 1 to 2)",
        "  nodes.studnt.model=m: no node 'studnt'; did you mean 'student'?",
        "  nothing.x=3: no node or section 'nothing' (has teacher, student, blueprint, data, "
        "about, nodes, flows, phases, train, deliver)",
        "  phases.tow.lr=1: no phase 'tow'; did you mean 'two'?",
        "  studnt.model=m: no node or section 'studnt'; did you mean 'student'?",
        "  trian.lr=3: no node or section 'trian'; did you mean 'train'?",
    ]


@pytest.mark.parametrize("word", ["lr", "=3", "train..lr=3", ".=3", "train.=3", ""])
def test_malformed_words(changed, word):
    assert problem(changed, word) == (
        f"{word}: is no override; write path=value, like train.lr=3e-4"
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("train.lr=[", "not valid YAML: expected the node content, but found '<stream end>'"),
        (
            "train.lr=!!python/name:os.system",
            "tag '!!python/name:os.system' cannot stand here: a blueprint is plain data",
        ),
        ("train.lr={a: 1, a: 2}", "key 'a' is written twice, first in line 1"),
        ("train.lr=&a [*a]", "an alias that holds itself"),
        ("train.lr=-1", "train: lr is -1, not above 0; try 0.001"),
        ("train.lr=x", "train: lr is 'x', not a number"),
        ("train.lr=", "train: lr is empty, not a number"),
        ("train.lrr=1", "train: unknown key 'lrr'; did you mean 'lr'?"),
        ("student.modle=m", "node 'student': unknown key 'modle'; did you mean 'model'?"),
        ("flows.2.loss=kll", "flow 2: no loss 'kll'; did you mean 'kl'?"),
        ("flows.2.temperature=-4", "flow 2: temperature is -4, not above 0; try 4"),
        ("data=digit", "data: no dataset 'digit'; did you mean 'digits'?"),
        ("phases.two.name=one", "phase 'one': the name is taken by a phase before"),
    ],
)
def test_wrong_values_name_the_word(changed, word, said):
    assert problem(changed, word) == f"{word}: {said}"


def test_a_flow_without_any(tmp_path):
    path = tmp_path / "b.yaml"
    path.write_text("blueprint: x\ndata: digits\nflows: []\n")
    with pytest.raises(BlueprintError) as raised:
        load(path, ["flows.1.weight=1"])
    assert str(raised.value) == "flows.1.weight=1: no flow '1' (there are none)"


def test_mistakes_in_words_and_in_the_file_are_told_apart(changed, tmp_path):
    (tmp_path / "b.yaml").write_text(TEXT + "train: {epochs: 0}\n")
    assert problem(changed, "train.lr=0") == (
        "b.yaml: 2 problems\n"
        "  b.yaml:12:17: train: epochs is 0, not at least 1; try 10\n"
        "  train.lr=0: train: lr is 0, not above 0; try 0.001"
    )


def test_paths_that_override_a_shipped_blueprint_start_where_the_user_is(tmp_path):
    assert load("hinton").folder == Path()
    own = tmp_path / "own.yaml"
    own.write_text("extends: hinton\n", encoding="utf-8")
    assert load(own).folder == tmp_path
