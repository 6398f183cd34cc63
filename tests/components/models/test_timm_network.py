from __future__ import annotations

import copy
import json

import pytest
import timm
import torch

from graphkd.component import Network
from graphkd.components.models import Student
from graphkd.components.models.stages import STAGES, stage_ends

GRID = "b c h w"
TOKENS = "b n d"

# model, args, pixels, layout, the sizes of each stage without the batch
FAMILIES = [
    ("test_resnet", {}, 32, GRID, [(32, 8, 8), (48, 4, 4), (192, 2, 2), (96, 1, 1)]),
    ("test_convnext", {}, 32, GRID, [(24, 8, 8), (32, 4, 4), (48, 2, 2), (64, 1, 1)]),
    ("test_efficientnet", {}, 32, GRID, [(24, 8, 8), (32, 4, 4), (48, 2, 2), (256, 1, 1)]),
    ("test_byobnet", {}, 32, GRID, [(32, 8, 8), (64, 4, 4), (128, 2, 2), (256, 1, 1)]),
    ("test_mambaout", {}, 32, GRID, [(16, 8, 8), (32, 4, 4), (48, 2, 2), (64, 1, 1)]),
    ("mobilenetv2_050", {}, 32, GRID, [(16, 8, 8), (16, 4, 4), (48, 2, 2), (1280, 1, 1)]),
    ("mobilenetv3_small_050", {}, 32, GRID, [(8, 8, 8), (16, 4, 4), (24, 2, 2), (288, 1, 1)]),
    ("vgg11", {"mlp_ratio": 0.01}, 32, GRID, [(256, 8, 8), (512, 4, 4), (512, 2, 2), (512, 1, 1)]),
    ("resnetv2_18", {}, 32, GRID, [(64, 8, 8), (128, 4, 4), (256, 2, 2), (512, 1, 1)]),
    (
        "swin_tiny_patch4_window7_224",
        {"depths": [1, 1, 1, 1], "embed_dim": 12},
        64,
        GRID,
        [(12, 16, 16), (24, 8, 8), (48, 4, 4), (96, 2, 2)],
    ),
    ("levit_128s", {}, 64, GRID, [(128, 4, 4), (128, 4, 4), (256, 2, 2), (384, 1, 1)]),
    ("test_vit", {}, 32, TOKENS, [(4, 64)] * 4),
    ("vit_tiny_patch16_224", {"depth": 4, "drop_rate": 0.5}, 32, TOKENS, [(4, 192)] * 4),
    ("deit_tiny_distilled_patch16_224", {"depth": 4}, 32, TOKENS, [(4, 192)] * 4),
    ("mixer_s32_224", {}, 64, TOKENS, [(4, 512)] * 4),
    ("resmlp_12_224", {}, 32, TOKENS, [(4, 384)] * 4),
    ("eva02_tiny_patch14_224", {"depth": 4}, 28, TOKENS, [(4, 192)] * 4),
]


# one of each further class of timm that builds for 64 pixels
OTHERS = [
    "cait_xxs24_224",
    "coat_tiny",
    "convit_tiny",
    "convmixer_768_32",
    "coatnet_nano_rw_224",
    "cspnext_tiny",
    "davit_tiny",
    "densenet121",
    "dla46x_c",
    "edgenext_xx_small",
    "efficientformerv2_s0",
    "efficientvim_m1",
    "efficientvit_b0",
    "efficientvit_m0",
    "ese_vovnet19b_slim_dw",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_050",
    "gmlp_ti16_224",
    "hgnetv2_b0",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_next_atto",
    "iformer_t",
    "levit_256d",
    "mvitv2_tiny",
    "naflexvit_base_patch16_gap",
    "nest_tiny",
    "pit_ti_224",
    "pvt_v2_b0",
    "qwen3_vit_88m",
    "regnetx_002",
    "repvit_m1",
    "samvit_base_patch16_224",
    "sequencer2d_s",
    "shvit_s1",
    "starnet_s050",
    "swiftformer_xs",
    "swinv2_tiny_window8_256",
    "test_nfnet",
    "tiny_vit_5m_224",
    "tnt_s_legacy_patch16_224",
    "twins_svt_small",
    "visformer_tiny",
    "volo_d1_224",
    "xcit_nano_12_p8_224",
]


def build(site, name, **changes):
    return Student(model=f"timm/{name}", **changes).build(site).eval()


@pytest.fixture(params=FAMILIES, ids=[each[0] for each in FAMILIES])
def family(request, site_of):
    name, args, pixels, layout, shapes = request.param
    network = build(site_of(pixels), name, args=args)
    return network, torch.rand(2, 3, pixels, pixels), layout, shapes


def test_taps_are_those_of_the_plain_model(family):
    network, image, layout, shapes = family
    model = network.deliverable()
    taps = ("embedding", "stage3", "logits", "stage1", "stage4", "stage2")
    embedding, stage3, logits, stage1, stage4, stage2 = network.reader(taps)(image)
    assert isinstance(network, Network)
    assert torch.equal(logits, model(image))
    assert [tuple(each.shape) for each in (stage1, stage2, stage3, stage4)] == [
        (2, *shape) for shape in shapes
    ]
    assert {network.layout(f"stage{number}") for number in range(1, 5)} == {layout}
    assert embedding.ndim == 2


def test_a_stop_changes_no_value_and_runs_less(family, modules_run):
    network, image, _, _ = family
    whole = network.reader(("stage1", "stage2", "stage4"))
    counts = [modules_run(network.model, whole, image)]
    for index, tap in ((2, "stage4"), (1, "stage2"), (0, "stage1")):
        early = network.reader([tap], stop=True)
        assert torch.equal(early(image)[0], whole(image)[index])
        counts.append(modules_run(network.model, early, image))
        early.close()
    assert sorted(counts, reverse=True) == counts
    assert counts[0] > counts[1] > counts[3]


@pytest.mark.parametrize("name", OTHERS)
def test_every_family_has_its_taps(name, site_of):
    axes = {"b c": 2, "b d": 2, "b n d": 3, "b c h w": 4}
    with torch.device("meta"):
        network = build(site_of(64), name)
        assert {"logits", "embedding", *STAGES} <= {*network.taps()}
        found = network.reader(network.taps())(torch.rand(2, 3, 64, 64))
    assert [axes[network.layout(tap)] for tap in network.taps()] == [each.ndim for each in found]
    assert found[0].shape == (2, 10)


def test_the_head_reads_stage4(site):
    network = build(site, "test_resnet")
    model, image = network.deliverable(), torch.rand(2, 3, 32, 32)
    (stage4,) = network.reader(["stage4"], stop=True)(image)
    assert torch.equal(model.forward_head(stage4), model(image))


def test_tokens_are_the_last_sequence_with_the_class_token(site):
    network = build(site, "test_vit")
    model, image = network.deliverable(), torch.rand(2, 3, 32, 32)
    tokens, stage4, block6, stage3, block5 = network.reader(
        ("tokens", "stage4", "block6", "stage3", "block5"), stop=True
    )(image)
    assert network.taps() == (
        *("logits", "embedding", "stage1", "stage2", "stage3", "stage4", "tokens"),
        *(f"block{number}" for number in range(1, 7)),
    )
    assert network.layout("tokens") == "b n d"
    assert torch.equal(tokens, model.forward_features(image))
    assert torch.equal(stage4, tokens[:, 1:])
    assert torch.equal(stage4, model.norm(block6))
    assert torch.equal(stage3, block5)


def test_distilled_heads_share_the_mean_of_their_tokens(site):
    network = build(site, "deit_tiny_distilled_patch16_224", args={"depth": 4})
    model, image = network.deliverable(), torch.rand(2, 3, 32, 32)
    embedding, tokens = network.reader(("embedding", "tokens"))(image)
    assert torch.equal(embedding, (tokens[:, 0] + tokens[:, 1]) / 2)
    assert torch.equal(embedding, model.forward_head(tokens, pre_logits=True))


def test_dropout_is_drawn_once_for_embedding_and_logits(site):
    network = build(site, "mobilenetv3_small_050", args={"drop_rate": 0.5}).train()
    model, image = copy.deepcopy(network.deliverable()), torch.rand(4, 3, 32, 32)
    torch.manual_seed(1)
    embedding, logits = network.reader(("embedding", "logits"))(image)
    torch.manual_seed(1)
    assert torch.equal(logits, model(image))
    assert torch.equal(logits, network.deliverable().classifier(embedding))


def test_without_a_stop_all_running_statistics_move(site):
    network = build(site, "test_resnet").train()
    twin = copy.deepcopy(network.deliverable())
    image = torch.rand(4, 3, 32, 32)
    network.reader(["stage2"])(image)
    twin(image)
    for ours, plain in zip(network.deliverable().buffers(), twin.buffers(), strict=True):
        assert torch.equal(ours, plain)


def test_a_stop_leaves_the_statistics_behind_it(site):
    network = build(site, "test_resnet").train()
    network.reader(["stage2"], stop=True)(torch.rand(4, 3, 32, 32))
    model = network.deliverable()
    assert model.layer2[0].bn1.num_batches_tracked == 1
    assert model.layer3[0].bn1.num_batches_tracked == 0


def test_module_paths_are_taps(site, modules_run):
    network = build(site, "test_resnet")
    image = torch.rand(2, 3, 32, 32)
    assert network.layout("layer2.0") == ""
    assert network.layout("layer9") is None
    assert network.layout("") is None
    mixed = network.reader(("layer2", "logits", "stage2", "stage1"), stop=True)
    path, logits, stage2, _ = mixed(image)
    assert torch.equal(path, stage2)
    assert torch.equal(logits, network.deliverable()(image))
    alone = network.reader(["layer2"], stop=True)
    assert torch.equal(alone(image)[0], stage2)
    assert modules_run(network.model, alone, image) < modules_run(network.model, mixed, image)
    mixed.close()
    alone.close()
    assert not any(each._forward_hooks for each in network.modules())


def test_asking_twice_gives_twice(site):
    network = build(site, "test_resnet")
    reader = network.reader(("stage2", "layer1", "stage2", "layer1"))
    first, path, second, same = reader(torch.rand(2, 3, 32, 32))
    assert first is second
    assert path is same


@pytest.mark.parametrize(
    ("depth", "ends"),
    [
        (12, (2, 4, 10, 12)),
        (24, (4, 8, 20, 24)),
        (6, (1, 2, 5, 6)),
        (5, (1, 2, 4, 5)),
        (4, (1, 2, 3, 4)),
        (2, (1, 1, 2, 2)),
        (1, (1, 1, 1, 1)),
    ],
)
def test_stages_scale_with_the_depth(depth, ends):
    assert stage_ends(depth) == ends


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "levit_128s"])
def test_meta_devices_give_the_same_shapes(name, site_of):
    site, image = site_of(64), torch.rand(2, 3, 64, 64)
    real = build(site, name)
    with torch.device("meta"):
        network = build(site, name)
    taps = network.taps()
    assert taps == real.taps()
    shadows = network.reader(taps)(image.to("meta"))
    assert all(each.is_meta for each in shadows)
    assert [each.shape for each in shadows] == [each.shape for each in real.reader(taps)(image)]


@pytest.mark.parametrize(
    ("pixels", "written", "image"),
    [(32, {}, (32, 32)), (32, {"size": 64}, (64, 64)), (32, {"args": {"img_size": 48}}, (48, 48))],
)
def test_models_of_fixed_size_are_built_for_their_images(pixels, written, image, site_of):
    network = build(site_of(pixels), "test_vit", **written)
    assert (network.image.height, network.image.width) == image
    assert network.deliverable().patch_embed.img_size == image


def test_the_passport_builds_the_model_again(site):
    torch.manual_seed(3)
    network = build(site, "test_vit", args={"depth": 4})
    passport = json.loads(json.dumps(network.passport()))
    assert passport == {
        "library": "timm",
        "model": "test_vit",
        "args": {"num_classes": 10, "in_chans": 3, "img_size": 32, "depth": 4},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "size": [32, 32],
    }
    torch.manual_seed(3)
    again = timm.create_model(passport["model"], **passport["args"]).eval()
    image = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(image), network.deliverable()(image))


def test_gradients_are_those_of_the_plain_model(site):
    network = build(site, "test_resnet")
    twin = copy.deepcopy(network.deliverable())
    image = torch.rand(2, 3, 32, 32)
    with torch.enable_grad():
        logits, stage2 = network.reader(("logits", "stage2"))(image)
        (logits.sum() + stage2.square().sum()).backward()
        final, stages = twin.forward_intermediates(image, indices=[2])
        (twin.forward_head(final).sum() + stages[0].square().sum()).backward()
    for ours, plain in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours.grad, plain.grad)


class Parent(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.reader = network.reader(("logits", "layer1"))


def test_a_reader_registers_no_parameters(site):
    network = build(site, "test_resnet")
    assert len(Parent(network).state_dict()) == len(network.state_dict())
