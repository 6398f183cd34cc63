"""Blueprints of a paper's size: right recipes on right models, compiled without data or weights."""

import json
import re
import struct
from functools import cache

import pytest
import timm
import torch

from graphkd.blueprint import load, shipped
from graphkd.blueprint.read import read_file
from graphkd.compile import compile_blueprint
from graphkd.errors import BlueprintError
from graphkd.graph import vertex
from graphkd.run.opened import open_splits

FILES = [name for name in shipped() if name.startswith("scale/")]
SYSTEMS = [name for name in shipped() if "/" not in name]
TYPES = {torch.float32: "F32", torch.int64: "I64"}


def write_weights(path, model, **arguments):
    """Write a weights file that takes no room: a true header, and a hole instead of numbers."""
    with torch.device("meta"):
        tensors = timm.create_model(model, **arguments).state_dict()
    header, end = {}, 0
    for key, each in tensors.items():
        start, end = end, end + each.numel() * each.element_size()
        offsets = [start, end]
        header[key] = {"dtype": TYPES[each.dtype], "shape": each.shape, "data_offsets": offsets}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(file.tell() + end)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compile by name and overrides, with the weights that a user would bring."""
    folder = tmp_path_factory.mktemp("weights")

    @cache
    def made(name, *overrides):
        teacher = load(name).nodes["teacher"].component
        if teacher.weights != "pretrained":
            path = folder / teacher.weights
            write_weights(path, teacher.model.removeprefix("timm/"), num_classes=100)
            overrides = (*overrides, f"teacher.weights={path}")
        return compile_blueprint(load(name, overrides))

    with pytest.MonkeyPatch.context() as patch:
        # a download would fail at once
        patch.setattr("timm.models._builder.load_pretrained", None)
        yield made


def parameters(schedule, pattern):
    """Count the parameters of each vertex whose name matches, in the training phase."""
    graph = schedule.phases[-1].graph
    return [vertex(graph, each).cost.parameters for each in graph if re.fullmatch(pattern, each)]


@pytest.mark.parametrize("name", FILES)
def test_changes_a_shipped_system(name):
    base = read_file(shipped()[name]).value["extends"]
    assert base in SYSTEMS
    # tas_cnn_teacher is tas too
    assert name.removeprefix("scale/").split("_")[0] == base.split("_")[0]


@pytest.mark.parametrize("name", FILES)
def test_says_what_was_published_and_that_it_was_not_reproduced(name):
    text = shipped()[name].read_text()
    quoted = r"published, not reproduced here: .*\btop-1 \d\d\.\d\d %"
    assert re.search(rf"^# ({quoted}|no published figures)", text, re.M)


@pytest.mark.parametrize("name", FILES)
def test_compiles_without_data_weights_or_network(name, compiled):
    schedule = compiled(name)
    trained = [plan.trained for plan in schedule.phases if plan.trained]
    assert len(trained) == 1
    assert "teacher" not in trained[0]
    assert len(schedule.deliver) == 1


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_digits_is_left(name, compiled):
    blueprint = load(name)
    assert blueprint.data.labels_per_class is None
    models = [
        each.component for each in blueprint.nodes.values() if hasattr(each.component, "args")
    ]
    assert [each.args for each in models] == [{}, {}]
    for plan in compiled(name).phases:
        images = [vertex(plan.graph, each).image for each in plan.graph]
        sizes = {(each.channels, each.height, each.width) for each in images if each is not None}
        assert sizes == {(3, 224, 224)}


def test_dynamic_teacher_has_the_size_that_the_official_code_makes(compiled):
    both = "student|dynamic"
    plain = compiled("scale/gpd_imagenet", "dynamic.branches=1")
    assert sum(parameters(plain, both)) == 45_693_032
    three = compiled("scale/gpd_imagenet", "dynamic.branches=1", "dynamic.expand=3")
    assert sum(parameters(three, both)) == 102_011_560
    six = sum(parameters(compiled("scale/gpd_imagenet"), both))
    assert round(six / 1e6, 1) == 167.8
    # DeiT-T twice as wide, with twice as many heads, is DeiT-S
    deit = compiled("scale/gpd_imagenet_deit")
    assert parameters(deit, "teacher") == [sum(parameters(deit, both))]


def test_exit_branches_have_the_size_that_the_official_code_makes(compiled):
    cifar = parameters(compiled("scale/ofa_cifar100"), ".*_exit_branch")
    assert cifar == [411_748, 397_924, 345_700, 470_884]
    assert sum(cifar) == 1_626_256
    # 1,194,384 with 100 classes; 900 more in each of four layers of 512 inputs and a bias
    imagenet = parameters(compiled("scale/ofa_imagenet"), ".*_exit_branch")
    assert sum(imagenet) == 1_194_384 + 4 * 900 * 513


def test_assistant_owns_the_layers_between_the_stages_alone(compiled):
    # 1x1 patch embedding of 256 channels with norm; block: two norms, qkv, projection, MLP of
    # ratio 4, and the biases of 13 x 13 relative positions for 6 heads
    width = 384
    embedding = 256 * width + width + 2 * width
    block = 4 * width + 3 * width * (width + 1) + width * (width + 1)
    block += 4 * width * (width + 1) + width * (4 * width + 1) + 13 * 13 * 6
    assert parameters(compiled("scale/tas_cifar100"), "assistant") == [embedding + block]


def test_tailored_head_owns_alignment_mask_and_classifier_alone(compiled):
    # 512 -> 384 with bias, 384 mask values, 384 -> 100 with bias
    expected = 384 * 513 + 384 + 100 * 385
    assert parameters(compiled("scale/tcs_cifar100"), "head") == [expected]


def test_missing_weights_are_named_where_they_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BlueprintError) as raised:
        compile_blueprint(load("scale/gpd_cifar100"))
    assert re.fullmatch(
        r".*scale/gpd_cifar100\.yaml:\d+:\d+: node 'teacher': "
        r"weights file 'resnet34_cifar100\.safetensors' does not exist",
        str(raised.value),
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpd_cifar100", "no folder {}/data/cifar-100-python; unpack cifar-100-python.tar.gz "),
        ("gpd_imagenet", "no folder {}/data/imagenet/train; put the training images there, "),
    ],
)
def test_missing_data_is_named_where_it_is_asked_for(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BlueprintError) as raised:
        open_splits(load(f"scale/{name}"))
    place, _, text = str(raised.value).partition(": data: ")
    assert f"/scale/{name}.yaml:" in place
    assert text.startswith(said.format(tmp_path.resolve()))
