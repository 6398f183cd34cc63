from __future__ import annotations

import pytest
import torch
from torchvision import models

from graphkd.components.models import Student, Teacher
from graphkd.components.models.tap_network import HookNetwork
from graphkd.components.models.torchvision_places import find_places
from graphkd.errors import ComponentError

# at 64 pixels: stage sizes without the batch, and the embedding
SHAPES = {
    "resnet18": ([(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)], 512),
    "resnext50_32x4d": ([(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)], 2048),
    "wide_resnet50_2": ([(256, 16, 16), (512, 8, 8), (1024, 4, 4), (2048, 2, 2)], 2048),
    "regnet_x_400mf": ([(32, 16, 16), (64, 8, 8), (160, 4, 4), (400, 2, 2)], 400),
    "convnext_tiny": ([(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)], 768),
    "efficientnet_b0": ([(24, 16, 16), (40, 8, 8), (112, 4, 4), (1280, 2, 2)], 1280),
    "efficientnet_v2_s": ([(48, 16, 16), (64, 8, 8), (160, 4, 4), (1280, 2, 2)], 1280),
    "efficientnet_v2_l": ([(64, 16, 16), (96, 8, 8), (224, 4, 4), (1280, 2, 2)], 1280),
    "mobilenet_v2": ([(24, 16, 16), (32, 8, 8), (96, 4, 4), (1280, 2, 2)], 1280),
    "mobilenet_v3_large": ([(24, 16, 16), (40, 8, 8), (112, 4, 4), (960, 2, 2)], 1280),
    "mobilenet_v3_small": ([(16, 16, 16), (24, 8, 8), (48, 4, 4), (576, 2, 2)], 1024),
    "densenet121": ([(256, 16, 16), (512, 8, 8), (1024, 4, 4), (1024, 2, 2)], 1024),
    "vgg11_bn": ([(256, 16, 16), (512, 8, 8), (512, 4, 4), (512, 2, 2)], 4096),
    "swin_t": ([(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)], 768),
    "swin_v2_t": ([(96, 16, 16), (192, 8, 8), (384, 4, 4), (768, 2, 2)], 768),
    "vit_b_16": ([(16, 768)] * 4, 768),
}


@pytest.mark.parametrize("name", SHAPES)
def test_stages_of_each_family(name, site_of):
    with torch.device("meta"):
        network = Student(model=f"torchvision/{name}").build(site_of(64)).eval()
        taps = ("stage1", "stage2", "stage3", "stage4", "embedding", "logits")
        *stages, embedding, logits = network.reader(taps)(torch.rand(2, 3, 64, 64))
    shapes, width = SHAPES[name]
    assert [tuple(each.shape[1:]) for each in stages] == shapes
    assert [network.layout(tap) for tap in taps[:4]] == [
        "b n d" if each.ndim == 3 else "b c h w" for each in stages
    ]
    assert embedding.shape == (2, width)
    assert logits.shape == (2, 10)


def test_families_without_a_table_keep_their_module_paths(site):
    with torch.device("meta"):
        network = Student(model="torchvision/shufflenet_v2_x0_5").build(site)
        assert network.taps() == ("logits", "embedding")
        (stage2,) = network.reader(["stage2"], stop=True)(torch.rand(2, 3, 32, 32))
    assert network.layout("stage2") == ""
    assert stage2.shape == (2, 48, 4, 4)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "swin_t"])
def test_taps_are_those_of_the_plain_model(name, site, modules_run):
    network = Student(model=f"torchvision/{name}").build(site).eval()
    model, image = network.deliverable(), torch.rand(2, 3, 32, 32)
    taps = ("stage4", "logits", "embedding", "stage2")
    whole = network.reader(taps)
    stage4, logits, embedding, stage2 = whole(image)
    assert torch.equal(logits, model(image))
    heads = [each for each in model.modules() if isinstance(each, torch.nn.Linear)]
    assert torch.equal(heads[-1](embedding), logits)
    # global average pooling lies between the two in all of these
    torch.testing.assert_close(stage4.mean((2, 3)), embedding)
    early = network.reader(["stage2"], stop=True)
    assert torch.equal(early(image)[0], stage2)
    assert modules_run(model, early, image) < modules_run(model, whole, image)


def test_vit_leaves_its_class_token_out_of_stages_and_blocks(site):
    model = models.VisionTransformer(32, 8, 6, 2, 16, 32, num_classes=10).eval()
    network = HookNetwork(
        model, image=site.image, passport={}, places=find_places("vit_b_16", model)
    )
    image = torch.rand(2, 3, 32, 32)
    names = ("tokens", "stage4", "block6", "stage3", "block5", "embedding", "logits")
    tokens, stage4, block6, stage3, block5, embedding, logits = network.reader(names)(image)
    assert network.layout("tokens") == network.layout("block1") == "b n d"
    assert tokens.shape == (2, 17, 16)
    assert torch.equal(stage4, tokens[:, 1:])
    assert torch.equal(model.encoder.ln(block6), stage4)
    assert torch.equal(stage3, block5)
    assert torch.equal(embedding, tokens[:, 0])
    assert torch.equal(logits, model(image))


def test_grey_images_are_taken_as_three_channels(site_of):
    network = Student(model="torchvision/resnet18").build(site_of(32, channels=1))
    assert network.image.channels == 3
    assert network.image.mean == (0.5, 0.5, 0.5)
    assert network.passport() == {
        "library": "torchvision",
        "model": "resnet18",
        "args": {"num_classes": 10},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "size": [32, 32],
    }


@pytest.mark.parametrize(
    ("written", "channels", "message"),
    [
        ({"channels": 1}, 1, "torchvision models take 3 channels, not 1"),
        ({}, 5, "torchvision models take 3 channels, not 5"),
    ],
)
def test_other_channels_are_refused(written, channels, message, site_of):
    with pytest.raises(ComponentError) as error:
        Student(model="torchvision/resnet18", **written).build(site_of(32, channels=channels))
    assert str(error.value) == message
    assert error.value.field == "channels"


@pytest.fixture
def no_network(monkeypatch):
    torch.manual_seed(1)
    states = {"resnet18": models.resnet18().state_dict()}

    def get_state_dict(weights, progress, check_hash):
        return states["resnet18"]

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", get_state_dict)
    return states


def test_pretrained_students_get_a_new_head(no_network, site):
    torch.manual_seed(0)
    network = Student(model="torchvision/resnet18", weights="pretrained").build(site)
    state, loaded = network.deliverable().state_dict(), no_network["resnet18"]
    assert torch.equal(state["layer4.1.conv2.weight"], loaded["layer4.1.conv2.weight"])
    assert state["fc.weight"].shape == (10, 512)
    assert network.image.mean == (0.485, 0.456, 0.406)
    assert (network.image.height, network.image.width) == (32, 32)


def test_pretrained_teachers_keep_their_classes(no_network, site):
    with pytest.raises(ComponentError) as error:
        Teacher(model="torchvision/resnet18", weights="pretrained").build(site)
    assert str(error.value) == (
        "the pretrained weights of torchvision/resnet18 have 1000 classes, the data has 10; "
        "write classes: 1000 or use other weights"
    )
    network = Teacher(model="torchvision/resnet18", weights="pretrained", classes=1000).build(site)
    state = network.deliverable().state_dict()
    assert torch.equal(state["fc.weight"], no_network["resnet18"]["fc.weight"])


def test_pretrained_weights_that_do_not_fit_the_args(no_network, site):
    no_network["resnet18"]["conv1.weight"] = torch.zeros(64, 3, 5, 5)
    with pytest.raises(ComponentError) as error:
        Student(model="torchvision/resnet18", weights="pretrained").build(site)
    assert str(error.value) == (
        "the pretrained weights of torchvision/resnet18 do not fit these args (at 'conv1.weight')"
    )


def test_pretrained_weights_without_a_network(monkeypatch, site):
    def fail(weights, progress, check_hash):
        raise ConnectionError("no route")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(ComponentError) as error:
        Student(model="torchvision/resnet18", weights="pretrained").build(site)
    assert str(error.value) == (
        "the pretrained weights of torchvision/resnet18 could not be downloaded "
        "(ConnectionError); write a .safetensors file"
    )
