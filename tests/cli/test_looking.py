"""Commands that look, as they are typed: what they print, and how a mistake ends them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from graphkd.blueprint import shipped
from graphkd.component import KINDS, names


def test_list_names_every_component_and_shipped_blueprint(run):
    lines = run("list").splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        *(f"{kind}:" for kind in KINDS),
        "blueprint:",
    ]
    listed = [line.split()[0] for line in lines if line.startswith(" ")]
    assert listed == [*(name for kind in KINDS for name in names(kind)), *shipped()]


@pytest.mark.parametrize("word", ["loss", "losses"])
def test_list_of_one_kind(run, word):
    lines = run("list", word).splitlines()
    assert lines[0] == "loss:"
    assert "  mse                  Mean over all elements of (student - teacher)^2." in lines
    assert len(lines) == 1 + len(names("loss"))


def test_list_as_json(run):
    found = json.loads(run("list", "--json"))
    assert list(found) == [*KINDS, "blueprint"]
    assert found["loss"]["mse"] == "Mean over all elements of (student - teacher)^2."
    assert list(found["blueprint"]) == list(shipped())
    assert all(text for members in found.values() for text in members.values())
    assert list(json.loads(run("list", "models", "--json"))) == ["model"]


def test_show_says_what_the_docstring_says(run):
    assert run("show", "linear") == (
        "linear (projector)\n"
        "\n"
        "Multiply the last axis by one learnt matrix: y = W x + b.\n"
        "\n"
        "Every sample and token meets the same W and b.\n"
        "\n"
        "parameters:\n"
        "  features         output size, at least 1; empty: the channels of the other side.\n"
        "  bias             whether b is learnt; without it y = W x. (default true)\n"
        "ports:\n"
        "  input            b ... c\n"
    )


def test_show_as_json(run):
    assert json.loads(run("show", "call", "--json")) == {
        "name": "call",
        "kind": "model",
        "parameters": {"of": {"default": "required", "help": "the node whose model is called."}},
        "ports": {"input": "b c h w"},
    }


@pytest.mark.parametrize("name", sorted({name for kind in KINDS for name in names(kind)}))
def test_show_works_for_every_component(run, name):
    assert run("show", name).startswith(f"{name} (")
    assert json.loads(run("show", name, "--json"))["name"] == name


def test_schema_is_printed_or_written(run, fail, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = run("schema")
    Draft7Validator.check_schema(json.loads(printed))
    assert run("schema", "--out", "s.json") == "s.json\n"
    assert (tmp_path / "s.json").read_text() == printed
    assert fail("schema", "--out", "s.json") == (
        "s.json: exists already; choose another --out, or --force to replace it"
    )
    assert run("schema", "--out", "s.json", "--force") == "s.json\n"
    assert fail("schema", "--out", "no/s.json") == (
        "no/s.json: cannot be written: there is no folder 'no'; make it first"
    )
    assert fail("schema", "--out", "s.json/t.json") == (
        "s.json/t.json: cannot be written: 's.json' is no folder"
    )
    # --force would not help
    assert fail("schema", "--out", ".") == ".: is a folder; write --out with a file in it"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
@pytest.mark.parametrize("words", [("schema",), ("render", "hinton")])
def test_a_full_disk_behind_the_standard_output_is_one_error(words):
    command = [sys.executable, "-c", "from graphkd.cli.app import main; main()", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "graphkd: standard output: cannot be written: No space left on device\n",
    )


@pytest.fixture
def two(tmp_path, monkeypatch):
    """Write two blueprints into the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(
        "blueprint: x\n"
        "data: digits\n"
        "nodes: {s: {type: student, model: m}}\n"
        "flows: [{from: data.label, to: s.logits, loss: cross_entropy}]\n"
    )
    (tmp_path / "two.yaml").write_text(
        "extends: one.yaml\ntrain: {lr: 0.5}\nnodes: {s: {model: n, lr: 0.1}}\nflows: []\n"
    )


def test_diff(two, run):
    assert run("diff", "one.yaml", "one.yaml") == "no difference\n"
    lines = run("diff", "one.yaml", "two.yaml").splitlines()
    assert lines[:2] == ["~ nodes.s.model: m -> n", "+ nodes.s.lr: 0.1"]
    assert lines[2].startswith("- flows.data.label->s.logits/cross_entropy: ")
    assert lines[3:] == ['+ train: {"lr": 0.5}']


def test_diff_as_json(two, run):
    found = json.loads(run("diff", "one.yaml", "two.yaml", "--json"))
    assert found[0] == {"path": "nodes.s.model", "kind": "~", "before": "m", "after": "n"}
    assert found[-1] == {"path": "train", "kind": "+", "before": None, "after": {"lr": 0.5}}
    assert json.loads(run("diff", "one.yaml", "one.yaml", "--json")) == []


def test_diff_of_shipped_blueprints(run):
    assert run("diff", "hinton", "fitnets").startswith("~ blueprint: hinton -> fitnets\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("list los", "list: no kind 'los'; did you mean 'loss'?"),
        (
            "list xyz",
            "list: no kind 'xyz' (has model, projector, transform, loss, probe, dataset, "
            "augmentation, blueprint)",
        ),
        ("show KL", "show: no component 'KL'; did you mean 'kl'?"),
        ("diff hinton hintn", "hintn: no such file; did you mean 'hinton'?"),
        ("diff nope.yaml hinton", "nope.yaml: no such file"),
        ("diff . hinton", ".: is a folder, not a blueprint file"),
        ("list --plugin nowhere", "--plugin nowhere: no such module on Python's path"),
        ("show kl --plugin a/b", "--plugin a/b: is no name of a module, like package.module"),
        ("schema --plugin nowhere", "--plugin nowhere: no such module on Python's path"),
        ("diff hinton hinton --plugin x.y", "--plugin x.y: no such module on Python's path"),
        ("list --jsn", "Unknown option: --jsn. Did you mean --json?"),
        ("show", 'Command "show" parameter COMPONENT requires an argument.'),
        ("diff hinton", 'Command "diff" parameter OTHER requires an argument.'),
    ],
)
def test_a_mistake_is_one_line_and_status_1(fail, words, said):
    assert fail(*words.split()) == said


def test_an_unknown_command_has_the_nearest(fail):
    assert fail("shw", "kl").startswith('Unknown command "shw". Did you mean "show"?')


def test_several_mistakes_are_a_line_each(two, fail, tmp_path):
    (tmp_path / "bad.yaml").write_text("blueprint: 3\ndata: digit\n")
    assert fail("diff", "bad.yaml", "one.yaml") == (
        "bad.yaml: 2 problems\n"
        "  bad.yaml:1:12: blueprint is 3, not a text; put it in quotes\n"
        "  bad.yaml:2:7: data: no dataset 'digit'; did you mean 'digits'?"
    )


@pytest.mark.parametrize("command", ["check", "explain"])
def test_a_files_own_mistakes_come_before_all_else(two, fail, tmp_path, command):
    (tmp_path / "bad.yaml").write_text("blueprint: x\ndata: digit\n")
    assert fail(command, "bad.yaml") == (
        "bad.yaml:2:7: data: no dataset 'digit'; did you mean 'digits'?"
    )
    assert fail(command, "one.yaml", "trian.lr=3") == (
        "trian.lr=3: no node or section 'trian'; did you mean 'train'?"
    )
