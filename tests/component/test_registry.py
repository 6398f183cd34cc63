"""Components are found by kind and name, and a name means one thing."""

import subprocess
import sys

import attrs
import pytest

import graphkd.component.registry as registry
from graphkd.blueprint import loads
from graphkd.cli import main
from graphkd.component import (
    KINDS,
    component,
    find,
    find_model,
    kind_of,
    load_plugin,
    name_of,
    names,
    register_model,
)
from graphkd.errors import BlueprintError

PLUGIN = '''\
"""A loss from elsewhere."""

import attrs
from attrs.validators import gt

from graphkd.component import Port, component, register_model


@component("loss", "far_away")
@attrs.frozen
class FarAway:
    """How far away it is.

    Attributes:
        scale: of the distance, above 0.
    """

    ports = (Port("student", "b c"), Port("teacher", "b c"))

    scale: float = attrs.field(default=2.0, validator=gt(0.0))

    def __call__(self, student, teacher):
        return self.scale * (student - teacher).abs().mean()


@register_model("from_afar")
def from_afar(num_classes, in_chans):
    """Build nothing."""
'''


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    names("loss")
    monkeypatch.setattr(registry, "_components", dict(registry._components))
    monkeypatch.setattr(registry, "_models", dict(registry._models))


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a module into the working folder; it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    written = []

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        written.append(name)
        return name

    yield write
    for name in written:
        sys.modules.pop(name, None)


def refused(module):
    with pytest.raises(BlueprintError) as raised:
        load_plugin(module)
    return str(raised.value)


def test_built_in_components_come_in_by_the_entry_point():
    kl = find("loss", "kl")
    assert (kl.__name__, kind_of(kl), name_of(kl)) == ("KL", "loss", "kl")
    assert kl.__module__ == "graphkd.components.losses.kl"
    assert all(names(kind) for kind in KINDS)
    assert names("loss") == tuple(sorted(names("loss")))


def test_unknown_names_have_the_nearest():
    with pytest.raises(KeyError) as raised:
        find("loss", "crossentropy")
    assert raised.value.args == ("no loss 'crossentropy'; did you mean 'cross_entropy'?",)
    register_model("mine")(lambda num_classes, in_chans: None)
    with pytest.raises(KeyError) as raised:
        find_model("minne")
    assert raised.value.args == ("no registered model 'minne'; did you mean 'mine'?",)


def test_unknown_kind():
    with pytest.raises(ValueError) as raised:
        component("los", "x")
    assert str(raised.value) == (
        "component kind 'los' is none of model, projector, transform, loss, probe, dataset, "
        "augmentation, fusion"
    )


def test_a_name_that_is_taken():
    @attrs.frozen
    class KL:
        pass

    with pytest.raises(ValueError) as raised:
        component("loss", "kl")(KL)
    assert str(raised.value) == "loss 'kl' is graphkd.components.losses.kl.KL already"
    assert find("loss", "kl") is not KL
    component("probe", "kl")(KL)
    assert find("probe", "kl") is KL


def test_a_model_name_that_is_taken():
    def build(num_classes, in_chans):
        pass

    register_model("mine")(build)
    register_model("mine")(build)
    with pytest.raises(ValueError) as raised:
        register_model("mine")(lambda num_classes, in_chans: None)
    path = f"{__name__}.test_a_model_name_that_is_taken.<locals>.build"
    assert str(raised.value) == f"model 'mine' is {path} already"
    with pytest.raises(ValueError) as raised:
        register_model("timm/mine")(build)
    assert str(raised.value) == "model name 'timm/mine' must not hold '/': that is for timm/NAME"


def test_a_class_that_is_imported_again_keeps_its_name():
    def make():
        @component("loss", "again")
        @attrs.frozen
        class Again:
            pass

        return Again

    make()
    again = make()
    assert find("loss", "again") is again


def test_a_plugin_in_the_working_folder(plugin):
    load_plugin(plugin("far", PLUGIN))
    (flow,) = loads(
        "blueprint: x\ndata: digits\nflows: [{from: a, to: b, loss: far_away, scale: 3}]"
    ).flows
    assert name_of(flow.loss) == "far_away"
    assert flow.loss.scale == 3
    assert find_model("from_afar").__module__ == "far"
    with pytest.raises(BlueprintError) as raised:
        loads("blueprint: x\ndata: digits\nflows: [{from: a, to: b, loss: far_away, scale: 0}]")
    assert str(raised.value) == "blueprint:3:49: flow 1: scale is 0, not above 0; try 2"


def test_the_command_line_learns_of_a_plugin(plugin, capsys):
    plugin("far", PLUGIN)
    said = {
        "list loss": "  far_away             How far away it is.\n",
        "show far_away": "  scale            of the distance, above 0. (default 2.0)\n",
        "schema": '"of the distance, above 0."',
    }
    for words, expected in said.items():
        with pytest.raises(SystemExit) as left:
            main([*words.split(), "--plugin", "far"])
        assert left.value.code == 0
        assert expected in capsys.readouterr().out


def test_the_installed_command_finds_a_plugin_in_the_working_folder(plugin, tmp_path):
    plugin("far", PLUGIN)
    command = [sys.executable, "-P", "-m", "graphkd", "list", "loss", "--plugin", "far"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "far_away" in made.stdout, made.stderr


def test_no_such_plugin(plugin):
    assert refused("nowhere") == "--plugin nowhere: no such module on Python's path"
    assert refused("graphkd.nowhere") == (
        "--plugin graphkd.nowhere: no such module on Python's path"
    )
    plugin("far", PLUGIN)
    assert refused("far.py") == (
        "--plugin far.py: no such module on Python's path; write --plugin far"
    )
    for name in ("", ".", ".far", "a/b", "a b"):
        assert refused(name) == f"--plugin {name}: is no name of a module, like package.module"


def test_a_plugin_whose_name_is_taken_is_the_one_to_blame(plugin):
    plugin("greedy", PLUGIN.replace("far_away", "kl"))
    assert refused("greedy") == (
        "--plugin greedy: loss 'kl' is graphkd.components.losses.kl.KL already"
    )


def test_what_a_plugin_lacks_itself_is_not_hidden(plugin):
    plugin("broken", "import not_installed_anywhere\n")
    with pytest.raises(ModuleNotFoundError, match="not_installed_anywhere"):
        load_plugin("broken")
