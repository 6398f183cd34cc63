from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from graphkd import register_model
from graphkd.component import (
    Network,
    Port,
    Site,
    find,
    help_of,
    ports_of,
    reference_fields,
)
from graphkd.components.models import Assistant, Call, Student, Teacher
from graphkd.errors import ComponentError


class Small(nn.Module):
    def __init__(self, num_classes, in_chans, width):
        super().__init__()
        self.stem = nn.Conv2d(in_chans, width, 3, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(width, num_classes)
        self.graphkd_taps = {"stage1": "stem", "stage2": "act"}

    def forward(self, image):
        return self.head(self.act(self.stem(image)).mean((2, 3)))


@register_model("small_test_model")
def small(num_classes, in_chans, width=4):
    return Small(num_classes, in_chans, width)


@register_model("headless_test_model")
def headless(num_classes, in_chans):
    return nn.Sequential(nn.Conv2d(in_chans, num_classes, 3), nn.Flatten())


@register_model("broken_test_model")
def broken(num_classes, in_chans):
    model = Small(num_classes, in_chans, 4)
    model.graphkd_taps = {"stage1": "steem"}
    return model


def message(component, site):
    with pytest.raises(ComponentError) as error:
        component.build(site)
    return error.value.field, str(error.value)


@pytest.mark.parametrize(
    ("name", "cls"),
    [("teacher", Teacher), ("student", Student), ("assistant", Assistant), ("call", Call)],
)
def test_registered(name, cls):
    assert find("model", name) is cls
    assert ports_of(cls) == (Port("input", "b c h w"),)
    assert help_of(cls).keys() == {each.name for each in attrs.fields(cls)}


def test_who_learns_and_who_is_delivered():
    parts = (Teacher, Student, Assistant, Call)
    assert [each for each in parts if each.learns] == [Student, Assistant]
    assert [each for each in parts if each.delivered] == [Student]


def test_listing_needs_no_torch():
    code = "import graphkd.components.models, sys; print({'torch', 'timm'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_components_are_equal_and_hashed_by_their_parameters():
    one, same = (Student(model="timm/test_vit", args={"depth": 4}) for _ in range(2))
    assert one == same
    assert hash(one) == hash(same)
    assert one != Student(model="timm/test_vit")
    assert not one.has_weights
    assert Teacher(model="timm/test_vit", weights="pretrained").has_weights


@pytest.mark.parametrize("wrong", [{"classes": 0}, {"channels": 0}, {"size": -1}])
def test_numbers_are_at_least_one(wrong):
    with pytest.raises(ValueError, match="must be >= 1"):
        Student(model="timm/test_vit", **wrong)


@pytest.mark.parametrize(
    ("written", "field", "text"),
    [
        (
            {"model": "timm/resnet81"},
            "model",
            "no model 'timm/resnet81'; did you mean 'timm/resnet18'?",
        ),
        (
            {"model": "torchvision/resnet81"},
            "model",
            "no model 'torchvision/resnet81'; did you mean 'torchvision/resnet18'?",
        ),
        (
            {"model": "tim/resnet18"},
            "model",
            "no library 'tim'; write timm/NAME, torchvision/NAME or a registered name",
        ),
        (
            {"model": "resnet18"},
            "model",
            "no registered model 'resnet18'; did you mean 'timm/resnet18'?",
        ),
        (
            {"model": "small_test_modle"},
            "model",
            "no registered model 'small_test_modle'; did you mean 'small_test_model'?",
        ),
        (
            {"model": "timm/test_vit.r160_in2k"},
            "model",
            "no weights 'timm/test_vit.r160_in2k'; did you mean 'timm/test_vit.r160_in1k'?",
        ),
        (
            {"model": "timm/test_vit", "args": {"dept": 4}},
            "args",
            "timm/test_vit takes no argument 'dept'; did you mean 'depth'?",
        ),
        (
            {"model": "torchvision/resnet18", "args": {"norm_laier": 4}},
            "args",
            "torchvision/resnet18 takes no argument 'norm_laier'; did you mean 'norm_layer'?",
        ),
        (
            {"model": "small_test_model", "args": {"widht": 4}},
            "args",
            "small_test_model takes no argument 'widht'; did you mean 'width'?",
        ),
        (
            {"model": "timm/mixer_s32_224", "args": {"num_blocks": 4}},
            "args",
            "timm/mixer_s32_224 sets 'num_blocks' itself; leave it out of args",
        ),
        (
            {"model": "timm/test_vit", "args": {"embed_dim": 65}},
            "args",
            "timm/test_vit cannot be built with these args: AssertionError: "
            "dim should be divisible by num_heads",
        ),
        (
            {"model": "timm/test_vit", "args": {"num_classes": 4}},
            "args",
            "args may not hold 'num_classes'; write classes",
        ),
        (
            {"model": "timm/test_vit", "args": {"checkpoint_path": "x.pth"}},
            "args",
            "args may not hold 'checkpoint_path'; write weights",
        ),
        (
            {"model": "timm/test_vit", "size": 32, "args": {"img_size": 64}},
            "args",
            "size and args.img_size say the same; write size",
        ),
        (
            {"model": "small_test_model", "weights": "pretrained"},
            "weights",
            "registered model 'small_test_model' has no pretrained weights; "
            "write a .safetensors file",
        ),
        (
            {"model": "timm/beit3_giant_patch14_224", "weights": "pretrained"},
            "weights",
            "timm/beit3_giant_patch14_224 has no pretrained weights; write a .safetensors file",
        ),
        (
            {"model": "broken_test_model"},
            "model",
            "registered model 'broken_test_model' has no module 'steem', which its graphkd_taps "
            "names for 'stage1'",
        ),
    ],
)
def test_mistakes(written, field, text, site):
    assert message(Student(**written), site) == (field, text)


@pytest.mark.parametrize(
    ("site", "field", "text"),
    [
        (Site(), "classes", "the data has no classes; write classes: N"),
        (Site(classes=2), "size", "the data has no images; write size: N"),
    ],
)
def test_data_that_does_not_say_enough(site, field, text):
    assert message(Student(model="timm/test_resnet"), site) == (field, text)


def test_a_constructor_that_fails_by_itself_is_not_the_users_mistake(site):
    @register_model("failing_test_model")
    def fail(num_classes, in_chans, width=4):
        raise TypeError("the author's own")

    with pytest.raises(TypeError, match="the author's own"):
        Student(model="failing_test_model", args={"width": 8}).build(site)


def test_registered_models(site):
    network = Student(model="small_test_model", args={"width": 6}).build(site).eval()
    assert isinstance(network, Network)
    assert network.taps() == ("logits", "embedding", "stage1", "stage2")
    assert [network.layout(tap) for tap in network.taps()] == ["b c", "b d", "", ""]
    model, image = network.deliverable(), torch.rand(2, 3, 8, 8)
    stage2, embedding, logits = network.reader(("stage2", "embedding", "logits"))(image)
    assert torch.equal(logits, model(image))
    assert torch.equal(model.get_submodule("head")(embedding), logits)
    assert torch.equal(stage2.mean((2, 3)), embedding)
    assert network.passport()["args"] == {"num_classes": 10, "in_chans": 3, "width": 6}


def test_models_without_a_linear_layer_have_no_embedding(site):
    network = Student(model="headless_test_model").build(site)
    assert network.taps() == ("logits",)
    assert network.layout("embedding") is None


def test_a_call_is_the_other_nodes_module(site):
    network = Student(model="small_test_model").build(site)
    assert reference_fields(Call) == ("of",)
    assert Call(of="student").build(attrs.evolve(site, modules={"of": network})) is network


def test_networks_can_be_copied(site):
    network = Student(model="timm/test_resnet").build(site).eval()
    reader = network.reader(("layer1", "logits"))
    reader.close()
    twin, image = copy.deepcopy(network), torch.rand(2, 3, 32, 32)
    nn.init.zeros_(network.deliverable().get_parameter("fc.weight"))
    assert not torch.equal(twin(image), network(image))
    assert torch.equal(twin.reader(["logits"])(image)[0], twin(image))


def test_seeds_give_the_weights_of_plain_timm(site):
    torch.manual_seed(5)
    ours = Student(model="timm/test_vit").build(site).deliverable().state_dict()
    torch.manual_seed(5)
    plain = timm.create_model("test_vit", num_classes=10, img_size=32).state_dict()
    assert all(torch.equal(ours[key], plain[key]) for key in plain)


def test_grey_data_builds_models_of_one_channel(site_of):
    network = Student(model="timm/test_resnet").build(site_of(32, channels=1))
    assert network.deliverable().get_parameter("conv1.0.weight").shape[1] == 1
    assert network.image.channels == 1


@pytest.fixture
def hub(monkeypatch):
    """The hub gives test_vit with 1000 classes at 160 pixels."""
    torch.manual_seed(1)
    state = timm.create_model("test_vit").state_dict()
    monkeypatch.setattr(
        "timm.models._builder.load_state_dict_from_hf", lambda *_, **__: copy.copy(state)
    )
    return state


def test_pretrained_models_see_what_they_were_trained_on(hub, site):
    network = Teacher(model="timm/test_vit", weights="pretrained", classes=1000).build(site)
    state = network.deliverable().state_dict()
    assert all(torch.equal(state[key], hub[key]) for key in hub)
    image = network.image
    assert (image.channels, image.height, image.width) == (3, 160, 160)
    assert image.mean == (0.5, 0.5, 0.5)
    assert network.passport()["args"] == {"num_classes": 1000, "in_chans": 3, "img_size": 160}


def test_pretrained_students_get_a_new_head(hub, site_of):
    site = site_of(32, channels=1)
    network = Student(model="timm/test_vit", weights="pretrained", size=32).build(site)
    state = network.deliverable().state_dict()
    assert torch.equal(state["blocks.0.attn.qkv.weight"], hub["blocks.0.attn.qkv.weight"])
    assert state["head.weight"].shape == (10, 64)
    assert state["pos_embed"].shape == (1, 5, 64)
    assert network.image == attrs.evolve(network.image, channels=1, height=32, mean=(0.5,))


def test_pretrained_teachers_keep_their_classes(site):
    assert message(Teacher(model="timm/test_vit", weights="pretrained"), site) == (
        "weights",
        "the pretrained weights of timm/test_vit have 1000 classes, the data has 10; "
        "write classes: 1000 or use other weights",
    )


def test_pretrained_teachers_without_classifier_need_to_be_told_of_one(site):
    dino = Teacher(model="timm/vit_small_patch14_dinov2.lvd142m", weights="pretrained", size=56)
    assert message(dino, site) == (
        "weights",
        "the pretrained weights of timm/vit_small_patch14_dinov2.lvd142m have no classifier; "
        "write classes: 1 for one at random that no flow should use",
    )
    told = attrs.evolve(dino, classes=1)
    with torch.device("meta"):
        network = told.build(attrs.evolve(site, load_weights=False))
    assert network.model.head.out_features == 1


def test_nothing_is_downloaded_on_the_meta_device(monkeypatch, site):
    monkeypatch.setattr("timm.models._builder.load_pretrained", None)
    with torch.device("meta"):
        network = Student(model="timm/test_vit", weights="pretrained").build(
            attrs.evolve(site, load_weights=False)
        )
    assert all(each.is_meta for each in network.parameters())


def test_pretrained_weights_without_a_network(monkeypatch, site):
    def fail(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", fail)
    assert message(Student(model="timm/test_vit", weights="pretrained"), site) == (
        "weights",
        "the pretrained weights of timm/test_vit could not be downloaded (ConnectionError); "
        "write a .safetensors file",
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with the weights of a test_resnet of seven classes on grey images."""
    torch.manual_seed(2)
    model = timm.create_model("test_resnet", num_classes=7, in_chans=1)
    passport = {
        "library": "timm",
        "model": "test_resnet",
        "mean": [0.1],
        "std": [0.2],
        "size": [8, 9],
    }
    save_file(model.state_dict(), tmp_path / "seven.safetensors")
    (tmp_path / "runs/first").mkdir(parents=True)
    save_file(
        model.state_dict(),
        tmp_path / "runs/first/student.safetensors",
        metadata={"graphkd": json.dumps(passport)},
    )
    (tmp_path / "text.safetensors").write_text("no tensors here, but long enough for a header")
    whole = (tmp_path / "seven.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-100])
    save_file({}, tmp_path / "odd.safetensors", metadata={"graphkd": "{"})
    torch.save(model.state_dict(), tmp_path / "seven.pth")
    return tmp_path


@pytest.fixture
def grey(site_of, saved):
    return site_of(32, channels=1, classes=7, folder=saved)


@pytest.mark.parametrize("weights", ["seven.safetensors", "run:runs/first"])
def test_weights_files_are_loaded(weights, grey):
    torch.manual_seed(2)
    plain = timm.create_model("test_resnet", num_classes=7, in_chans=1).eval()
    torch.manual_seed(3)
    network = Teacher(model="timm/test_resnet", weights=weights).build(grey).eval()
    image = torch.rand(2, 1, 32, 32)
    assert torch.equal(network.reader(["logits"])(image)[0], plain(image))


def test_a_passport_says_what_the_weights_saw(grey):
    network = Teacher(model="timm/test_resnet", weights="run:runs/first").build(grey)
    image = network.image
    assert (image.mean, image.std, image.height, image.width) == ((0.1,), (0.2,), 8, 9)
    network = Teacher(model="timm/test_resnet", weights="seven.safetensors").build(grey)
    assert network.image == grey.image


def test_wrong_weights_are_found_on_the_meta_device(grey):
    site = attrs.evolve(grey, load_weights=False, classes=10)
    with torch.device("meta"):
        assert message(Teacher(model="timm/test_resnet", weights="seven.safetensors"), site) == (
            "weights",
            "weights file 'seven.safetensors' has 7 classes ('fc.weight' is 7x96), the data has "
            "10; write classes: 7 or use other weights",
        )
        network = Teacher(model="timm/test_resnet", weights="seven.safetensors", classes=7).build(
            site
        )
    assert all(each.is_meta for each in network.parameters())


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (
            {"weights": "seven.pth"},
            "weights is 'seven.pth'; write pretrained, a .safetensors file or run:DIR",
        ),
        ({"weights": "none.safetensors"}, "weights file 'none.safetensors' does not exist"),
        (
            {"weights": "run:runs/second"},
            "weights file 'runs/second/student.safetensors' does not exist",
        ),
        (
            {"weights": "text.safetensors"},
            "weights file 'text.safetensors' is not a safetensors file, or is damaged",
        ),
        (
            {"weights": "cut.safetensors"},
            "weights file 'cut.safetensors' is not a safetensors file, or is damaged",
        ),
        (
            {"weights": "odd.safetensors"},
            "weights file 'odd.safetensors' is not a safetensors file, or is damaged",
        ),
        (
            {"weights": "seven.safetensors", "classes": 9},
            "weights file 'seven.safetensors' has 7 classes ('fc.weight' is 7x96), classes is 9; "
            "write classes: 7 or use other weights",
        ),
        (
            {"weights": "seven.safetensors", "channels": 3},
            "weights file 'seven.safetensors' takes 1 input channels ('conv1.0.weight' is "
            "16x1x3x3), the model 3; write channels: 1 or use other weights",
        ),
        (
            {"weights": "seven.safetensors", "args": {"channels": [32, 48, 48, 100]}},
            "weights file 'seven.safetensors' does not fit timm/test_resnet: "
            "'layer4.0.conv1.weight' is 96x192x3x3, the model's is 100x192x3x3",
        ),
        (
            {"weights": "run:runs/first", "model": "small_test_model"},
            "weights file 'runs/first/student.safetensors' does not fit small_test_model: it "
            "lacks 'stem.weight', 'stem.bias', 'head.weight', … 1 more; it has 'bn1.bias', "
            "'bn1.num_batches_tracked', 'bn1.running_mean', … 89 more besides; it was saved from "
            "timm/test_resnet",
        ),
    ],
)
def test_mistakes_with_weights(written, text, grey):
    component = Teacher(**{"model": "timm/test_resnet", **written})
    assert message(component, grey) == ("weights", text)


def test_absolute_paths(grey, saved: Path):
    where = str(saved / "seven.safetensors")
    site = attrs.evolve(grey, folder=Path("elsewhere"))
    Teacher(model="timm/test_resnet", weights=where).build(site)
