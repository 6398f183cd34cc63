"""Editors are told the same rules: from the classes and the registry, and never stale."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

import graphkd
from graphkd.blueprint import load, loads, shipped
from graphkd.blueprint.plain import to_plain
from graphkd.blueprint.read import read_file, read_text
from graphkd.blueprint.schema import schema
from graphkd.component import KINDS, find, help_of, names, summary_of
from graphkd.errors import BlueprintError

ROOT = Path(graphkd.__file__).parents[1]
HEAD = "blueprint: x\ndata: {dataset: digits}\n"


@pytest.fixture(scope="module")
def validator():
    return Draft7Validator(schema())


def test_is_valid_draft_7():
    Draft7Validator.check_schema(schema())


def test_the_shipped_file_is_not_stale():
    # in a process of its own: other tests register components
    made = subprocess.run(
        [sys.executable, "-m", "graphkd", "schema"], capture_output=True, text=True, check=True
    )
    stored = (ROOT / "docs" / "blueprint.schema.json").read_text()
    assert made.stdout == stored, (
        "write it again: graphkd schema --out docs/blueprint.schema.json --force"
    )


@pytest.mark.parametrize("name", shipped())
def test_shipped_blueprints_are_valid(validator, name):
    assert not list(validator.iter_errors(read_file(shipped()[name]).value))
    assert not list(validator.iter_errors(to_plain(load(name))))


RIGHT = {
    "bare names": "blueprint: x\ndata: digits\nnodes: {g: gap}\n",
    "bare data": "blueprint: x\ndata: digits\n",
    "extends": "extends: hinton\n",
    "changes": "extends: hinton\nnodes: {teacher: {model: m}, student: }\ndata: {workers: 1}\n",
    "no args": "extends: hinton\nnodes: {teacher: {type: teacher, args: }}\n",
    "another type": "extends: hinton\nnodes: {teacher: {type: student}}\n",
    "extra": "blueprint: x\ndata: {dataset: digits, extra: [fake, {dataset: fake, share: 0.2}]}\n",
    "half": "blueprint: x\ndata: {dataset: digits, half: first, subset: 30}\n",
    "via": HEAD + "flows: [{from: a, to: b, loss: kl, via: [linear, {type: mlp, depth: 3}]}]\n",
    "ramp": HEAD + "flows: [{from: a, to: b, loss: kl, weight: {start: 0, end: 1, epochs: 2}}]\n",
    "phase": HEAD + "phases: [{name: p, train: a, lr: 0.1, data: {mixup: 0.1}}]\n",
    "none": HEAD + "nodes: {a: {type: student, model: m, size: null}}\n",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_are_valid(validator, name):
    assert not list(validator.iter_errors(read_text(RIGHT[name], name).value))


WRONG = {
    "no name": "data: digits\n",
    "no data": "blueprint: x\n",
    "key": HEAD + "trian: {}\n",
    "data key": "blueprint: x\ndata: {dataset: digits, batchsize: 3}\n",
    "data set": "blueprint: x\ndata: {dataset: digit}\n",
    "bare data set": "blueprint: x\ndata: digit\n",
    "data type": "blueprint: x\ndata: {dataset: digits, workers: two}\n",
    "node type": HEAD + "nodes: {a: {type: techer, model: m}}\n",
    "node key": HEAD + "nodes: {a: {type: teacher, model: m, modle: m}}\n",
    "node without model": HEAD + "nodes: {a: {type: teacher}}\n",
    "node without type": HEAD + "nodes: {a: {model: m}}\n",
    "empty args": HEAD + "nodes: {a: {type: teacher, model: m, args: }}\n",
    "empty node": HEAD + "nodes: {a: }\n",
    "node range": HEAD + "nodes: {a: {type: teacher, model: m, ema: 1}}\n",
    "flow without loss": HEAD + "flows: [{from: a, to: b}]\n",
    "loss": HEAD + "flows: [{from: a, to: b, loss: kll}]\n",
    "loss key": HEAD + "flows: [{from: a, to: b, loss: mse, temperature: 2}]\n",
    "loss type": HEAD + "flows: [{from: a, to: b, loss: kl, temperature: warm}]\n",
    "loss range": HEAD + "flows: [{from: a, to: b, loss: kl, temperature: 0}]\n",
    "loss choice": HEAD + "flows: [{from: a, to: b, loss: kl, direction: back}]\n",
    "via": HEAD + "flows: [{from: a, to: b, loss: kl, via: lin}]\n",
    "via key": HEAD + "flows: [{from: a, to: b, loss: kl, via: {type: linear, depth: 2}}]\n",
    "via range": HEAD + "flows: [{from: a, to: b, loss: kl, via: {type: linear, features: 0}}]\n",
    "ramp": HEAD + "flows: [{from: a, to: b, loss: kl, weight: {start: 0, end: 1}}]\n",
    "augment": "blueprint: x\ndata: {dataset: digits, augment: [random_flop]}\n",
    "augment key": (
        "blueprint: x\ndata: {dataset: digits, augment: [{type: random_flip, p: 1}]}\n"
    ),
    "extra": "blueprint: x\ndata: {dataset: digits, extra: [fakes]}\n",
    "extra key": "blueprint: x\ndata: {dataset: digits, extra: [{dataset: fake, size: x}]}\n",
    "extra share": "blueprint: x\ndata: {dataset: digits, extra: [{dataset: fake, share: 1}]}\n",
    "half": "blueprint: x\ndata: {dataset: digits, half: third}\n",
    "train type": HEAD + "train: {compile: no}\n",
    "train key": HEAD + "train: {epoch: 3}\n",
    "phase key": HEAD + "phases: [{name: p, seed: 3}]\n",
    "phase data": HEAD + "phases: [{name: p, data: {dataset: fake}}]\n",
    "phase without name": HEAD + "phases: [{lr: 0.1}]\n",
    "extended node": "extends: hinton\nnodes: {teacher: {type: teacher, modle: m}}\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_not(validator, name):
    assert list(validator.iter_errors(read_text(WRONG[name], name).value))
    with pytest.raises(BlueprintError):
        loads(WRONG[name])


def test_every_component_and_parameter_brings_its_help(validator):
    definitions = validator.schema["definitions"]
    holders = {
        "dataset": ("Data", "dataset"),
        "augmentation": ("Augment", "type"),
        "loss": ("Flow", "loss"),
        "projector": ("Via", "type"),
    }
    for kind in KINDS:
        holder, key = holders.get(kind, ("Node", "type"))
        whole = definitions[holder].get("anyOf", [definitions[holder]])[0]
        branches = {each["if"]["properties"][key]["const"]: each for each in whole["allOf"]}
        for name in names(kind):
            cls, then = find(kind, name), branches[name]["then"]["properties"]
            assert then[key]["description"] == summary_of(cls)
            for parameter, text in help_of(cls).items():
                assert then[parameter]["description"] == text
        tag = whole["properties"][key]
        assert len(tag["enum"]) == len(tag["enumDescriptions"]) == len(branches)


def test_every_key_has_a_description(validator):
    def check(part, path):
        for key, each in part.get("properties", {}).items():
            assert each is True or each.get("description"), f"{path}.{key}"
        for name, each in part.items():
            if isinstance(each, dict) and name != "if":
                check(each, f"{path}.{name}")
            elif isinstance(each, list):
                for index, item in enumerate(each):
                    if isinstance(item, dict):
                        check(item, f"{path}.{name}.{index}")

    check(json.loads(json.dumps(schema())), "")
