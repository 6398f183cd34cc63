"""A file that extends another: merged key by key, and each part knows where it was written."""

import pytest

from graphkd.blueprint import load, loads
from graphkd.blueprint.plain import to_plain
from graphkd.errors import BlueprintError

BASE = """\
blueprint: base
data: {dataset: fake, size: 8, classes: 3, batch_size: 16}
nodes:
  teacher: {type: teacher, model: m, args: {depth: 2, width: 4}, seed: 1}
  student: {type: student, model: m}
  extra: {type: gap, input: [teacher.logits, student.logits]}
flows:
  - {from: teacher.logits, to: student.logits, loss: kl, temperature: 2}
  - {from: data.label, to: student.logits, loss: cross_entropy}
train: {epochs: 3, lr: 0.1}
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text)

    write(base=BASE)
    return write


def merged(files, text):
    files(over=f"extends: base.yaml\n{text}")
    return to_plain(load("over.yaml"))


def problem(path):
    with pytest.raises(BlueprintError) as raised:
        load(path)
    return str(raised.value)


def test_mappings_are_merged_and_lists_replaced(files):
    found = merged(
        files,
        "blueprint: over\n"
        "train: {lr: 0.2, warmup_epochs: 1}\n"
        "nodes: {teacher: {args: {depth: 5}}, new: {type: gap}}\n"
        "flows: [{from: teacher.logits, to: student.logits, loss: mse}]\n",
    )
    assert found == {
        "blueprint": "over",
        "data": {"dataset": "fake", "classes": 3, "size": 8, "batch_size": 16},
        "nodes": {
            "teacher": {
                "type": "teacher",
                "model": "m",
                "args": {"depth": 5, "width": 4},
                "seed": 1,
            },
            "student": {"type": "student", "model": "m"},
            "extra": {"type": "gap", "input": ["teacher.logits", "student.logits"]},
            "new": {"type": "gap"},
        },
        "flows": [{"from": "teacher.logits", "to": "student.logits", "loss": "mse"}],
        "train": {"epochs": 3, "lr": 0.2, "warmup_epochs": 1.0},
    }


def test_an_empty_node_takes_the_node_away(files):
    assert list(merged(files, "nodes: {extra: }")["nodes"]) == ["teacher", "student"]


def test_an_empty_mapping_takes_all_that_is_in_it_away(files):
    node = {"type": "teacher", "model": "n", "seed": 1}
    assert merged(files, "nodes: {teacher: {model: n, args: }}")["nodes"]["teacher"] == node
    files(middle="extends: base.yaml\nnodes: {teacher: {model: n, args: null}}\n")
    files(over="extends: middle.yaml\nnodes: {teacher: {args: {depth: 7}}}\n")
    found = to_plain(load("over.yaml"))["nodes"]["teacher"]
    assert found == {**node, "args": {"depth": 7}}


def test_an_empty_mapping_that_is_not_below_is_a_mistake(files):
    files(over="extends: base.yaml\nnodes: {student: {args: }}\n")
    assert problem("over.yaml") == ("over.yaml:2:24: node 'student': args is empty, not a mapping")


def test_an_empty_node_that_is_not_below_is_a_mistake(files):
    files(over="extends: base.yaml\nnodes: {exta: }\n")
    assert problem("over.yaml") == "over.yaml:2:14: node 'exta' is empty, not a mapping"


def test_another_component_leaves_the_old_ones_parameters_behind(files):
    # classes and size are parameters of both, samples only of the old one
    files(base=BASE.replace("size: 8", "size: 8, samples: 50"))
    assert merged(files, "data: {dataset: image_folder}")["data"] == {
        "dataset": "image_folder",
        "classes": 3,
        "size": 8,
        "batch_size": 16,
    }
    assert merged(files, "data: digits")["data"] == {
        "dataset": "digits",
        "size": 8,
        "batch_size": 16,
    }
    assert merged(files, "nodes: {teacher: {type: gap}}")["nodes"]["teacher"] == {
        "type": "gap",
        "seed": 1,
    }


def test_wrong_parameters_of_the_new_component_are_not_dropped(files):
    files(over="extends: base.yaml\ndata: {samples: 3, dataset: digits}\n")
    (said,) = problem("over.yaml").splitlines()
    assert said.startswith("over.yaml:2:8: data: unknown key 'samples' (has dataset, batch_size")


def test_an_unknown_component_is_the_only_mistake(files):
    files(over="extends: base.yaml\ndata: {dataset: digit}\n")
    assert problem("over.yaml") == (
        "over.yaml:2:17: data: no dataset 'digit'; did you mean 'digits'?"
    )


def test_bare_names_are_merged_like_mappings(files):
    files(base="blueprint: base\ndata: digits\n")
    assert merged(files, "data: {batch_size: 4}")["data"] == {"dataset": "digits", "batch_size": 4}
    files(base="blueprint: base\ndata: {dataset: digits, batch_size: 4}\n")
    assert merged(files, "data: digits")["data"] == {"dataset": "digits", "batch_size": 4}


def test_each_part_keeps_the_place_where_it_was_written(files):
    files(base=BASE.replace("lr: 0.1", "lr: -1").replace("temperature: 2", "temperature: -4"))
    files(over="extends: base.yaml\ntrain: {epochs: 0}\nnodes: {student: {modle: m}}\n")
    assert problem("over.yaml") == (
        "over.yaml: 4 problems\n"
        "  base.yaml:8:71: flow 1: temperature is -4, not above 0; try 4\n"
        "  base.yaml:10:24: train: lr is -1, not above 0; try 0.001\n"
        "  over.yaml:2:17: train: epochs is 0, not at least 1; try 10\n"
        "  over.yaml:3:19: node 'student': unknown key 'modle'; did you mean 'model'?"
    )


def test_places_of_a_blueprint_name_both_files(files):
    files(over="extends: base.yaml\ntrain: {lr: 1}\n")
    blueprint = load("over.yaml")
    assert str(blueprint.place("train", "lr")) == "over.yaml:2:13"
    assert str(blueprint.place("train", "epochs")) == "base.yaml:10:17"
    assert str(blueprint.place_of_key("train", "lr")) == "over.yaml:2:9"
    assert str(blueprint.place("train", "seed")) == "base.yaml:10:8"


def test_what_is_wrong_as_yaml_is_reported_of_all_files(files):
    files(base=BASE + "about: !x y\n", over="extends: base.yaml\nabout: !y z\n")
    assert problem("over.yaml") == (
        "over.yaml: 2 problems\n"
        "  base.yaml:11:8: tag '!x' cannot stand here: a blueprint is plain data\n"
        "  over.yaml:2:8: tag '!y' cannot stand here: a blueprint is plain data"
    )


def test_chain_over_folders(files, tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "middle.yaml").write_text("extends: ../base.yaml\nblueprint: middle\n")
    files(top="extends: deep/middle.yaml\ntrain: {lr: 0.5}\n")
    blueprint = load("top.yaml")
    assert (blueprint.blueprint, blueprint.train.lr, blueprint.train.epochs) == ("middle", 0.5, 3)


def test_a_shipped_blueprint_can_be_extended_by_its_name(files):
    files(mine="extends: hinton\ntrain: {epochs: 1}\n")
    shipped, mine = load("hinton"), load("mine.yaml")
    assert mine.train.epochs == 1
    assert mine.nodes == shipped.nodes


def test_text_can_extend_too(files, tmp_path):
    assert loads("extends: base.yaml", folder=tmp_path).blueprint == "base"


def test_extends_is_relative_to_the_file_and_not_to_the_working_folder(files, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "over.yaml").write_text("extends: base.yaml\n")
    assert problem("sub/over.yaml") == "sub/over.yaml:1:10: extends: no file 'base.yaml'"


def test_circles(files):
    files(a="extends: b.yaml\n", b="extends: c.yaml\n", c="extends: a.yaml\n")
    assert problem("a.yaml") == "c.yaml:1:10: 'extends' comes back to a.yaml"
    files(a="extends: ./a.yaml\n")
    assert problem("a.yaml") == "a.yaml:1:10: 'extends' comes back to a.yaml"


def test_chains_have_an_end(files):
    for index in range(30):
        files(**{f"f{index}": f"extends: f{index + 1}.yaml\n"})
    assert problem("f0.yaml") == "f19.yaml:1:10: 'extends' goes through more than 20 files"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: nope.yaml", "over.yaml:1:10: extends: no file 'nope.yaml'"),
        ("extends: hintn", "over.yaml:1:10: extends: no file 'hintn'; did you mean 'hinton'?"),
        ("extends: [a]", "over.yaml:1:10: extends is a list, not a file or a shipped blueprint"),
        ("extends:", "over.yaml:1:9: extends is empty, not a file or a shipped blueprint"),
        (
            "extends: bad.yaml",
            "bad.yaml:1:1: a blueprint is a mapping; write 'blueprint: NAME' first",
        ),
        ("extends: .", ".: is a folder, not a blueprint file"),
    ],
)
def test_what_cannot_be_extended(files, text, said):
    files(over=text, bad="[1]")
    assert problem("over.yaml") == said
