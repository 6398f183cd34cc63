"""Policies of a study as plain data: which are chosen, what they change, what is wrong with one."""

import attrs
import pytest

from graphkd.blueprint import load, loads
from graphkd.blueprint.save import to_plain
from graphkd.errors import BlueprintError
from graphkd.run.study_policies import (
    SHIPPED,
    Policy,
    choose_policies,
    read_policies,
    shown_by,
    taught_by,
)

TEXT = """\
blueprint: small
data: {dataset: fake, samples: 40, batch_size: 16, augment: [{type: random_crop, padding: 1}]}
nodes: {student: {type: student, model: tiny}}
flows: [{from: data.label, to: student.logits, loss: cross_entropy}]
phases: [{name: learn, train: [student], data: {augment: [random_flip], batch_size: 8}}]
"""


def refused(make, *arguments):
    with pytest.raises(BlueprintError) as caught:
        make(*arguments)
    return str(caught.value)


def data_of(blueprint):
    return to_plain(blueprint)["data"]


def test_all_shipped_ones_by_default_and_the_first_changes_nothing():
    found = choose_policies(None)
    assert [each.name for each in found] == list(read_policies(SHIPPED))
    assert attrs.evolve(found[0], about="") == Policy("baseline")
    assert all(each.about for each in found)


def test_named_ones_in_the_order_they_are_named():
    assert [each.name for each in choose_policies("mixup, none")] == ["mixup", "none"]


def test_a_file_adds_its_policies(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("tilt: {about: tilted, augment: [{type: random_rotation, degrees: 5}]}\n")
    found = choose_policies(f"none,{file}")
    assert [each.name for each in found] == ["none", "tilt"]
    assert [each.name for each in choose_policies(f"{file},none,tilt")] == ["tilt", "none"]


def test_unknown_names():
    assert refused(choose_policies, "baseline,rotaton") == (
        "--policies baseline,rotaton: no policy 'rotaton'; did you mean 'rotation'?"
    )
    assert refused(choose_policies, " , ") == (
        "--policies names none; write names, like baseline,mixup, or leave it out"
    )
    assert refused(choose_policies, "nowhere.yaml") == "nowhere.yaml: no such file"


def test_all_mistakes_of_a_file_at_once(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: {abuot: x}\nb: {data: {batchsize: 3}}\nc: 4\nd: {augment: blur}\n")
    assert refused(choose_policies, str(file)).splitlines() == [
        "4 problems",
        f"  {file}: policy 'a': no key 'abuot'; did you mean 'about'?",
        f"  {file}: policy 'b': data cannot change 'batchsize'; did you mean 'batch_size'?",
        f"  {file}: policy 'c': is 4, not a mapping with about and data and augment and teacher",
        f"  {file}: policy 'd': augment is 'blur', not a list of steps",
    ]


@pytest.mark.parametrize("name", ["control", "other"])
def test_no_policy_takes_a_folder_of_the_study(tmp_path, name):
    file = tmp_path / "mine.yaml"
    file.write_text(f"{name}: {{data: {{augment: []}}}}\n")
    assert refused(choose_policies, str(file)) == (
        f"{file}: policy '{name}': a folder of the study's own is called '{name}'; "
        "write another name"
    )


def test_data_replaces_and_augment_comes_behind():
    blueprint = loads(TEXT)
    policy = Policy("p", "", {"mixup": 1.0}, ["random_flip"])
    found = shown_by(policy, blueprint)
    assert data_of(found) == {
        **data_of(blueprint),
        "mixup": 1.0,
        "augment": [{"type": "random_crop", "padding": 1}, "random_flip"],
    }
    # what a phase says for itself would hide the policy
    assert found.phases[0].data == {"batch_size": 8}
    assert data_of(shown_by(Policy("p", data={"augment": []}), blueprint)) == {
        key: value for key, value in data_of(blueprint).items() if key != "augment"
    }


def test_a_policy_without_changes_leaves_the_blueprint_alone():
    blueprint = loads(TEXT)
    assert shown_by(Policy("p"), blueprint) is blueprint
    assert taught_by(Policy("p"), blueprint) is blueprint


def test_a_step_that_does_not_exist():
    said = refused(shown_by, Policy("p", augment=["random_flop"]), loads(TEXT))
    assert said.startswith("policy 'p': ")
    assert said.endswith("did you mean 'random_flip'?")


@pytest.mark.parametrize("name", list(read_policies(SHIPPED)))
def test_every_shipped_policy_is_one_for_the_shipped_blueprint(name):
    policy = read_policies(SHIPPED)[name]
    blueprint = load("fidelity")
    shown_by(policy, blueprint)
    taught_by(policy, blueprint)
