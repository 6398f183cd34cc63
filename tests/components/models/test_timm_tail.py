from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from graphkd import register_model
from graphkd.component import ImageSpec, Site, Socket
from graphkd.components.models import Student
from graphkd.components.models.tap_network import TapNetwork
from graphkd.errors import ComponentError
from tests.components.models.tas_networks import (
    CNNS,
    IMAGE,
    MIXERS,
    images,
    network,
    stage,
    timm_network,
)

FAMILIES = (*CNNS, *MIXERS)
# the first module of stage2, stage3 and stage4, behind a down-sampling that stands alone
BEGINNINGS = {
    "resnet": ("layer2", "layer3", "layer4"),
    "mobilenetv2": ("blocks.2", "blocks.3", "blocks.5"),
    "convnext": ("stages.1.blocks", "stages.2.blocks", "stages.3.blocks"),
    "swin": ("layers.1.blocks", "layers.2.blocks", "layers.3.blocks"),
    # six blocks: the stages end after 1, 2, 5 and 6
    "vit": ("blocks.1", "blocks.2", "blocks.5"),
    # four blocks: a stage each
    "deit": ("blocks.1", "blocks.2", "blocks.3"),
    "mixer": ("blocks.1", "blocks.2", "blocks.3"),
    "resmlp": ("blocks.1", "blocks.2", "blocks.3"),
}
CLASS_TOKENS = {"vit": 1, "deit": 2}
EVERY_TAIL = [(family, f"stage{k}") for family in FAMILIES for k in (2, 3, 4)]


def run_whole(owner, family, beginning, taps, batch):
    """Run the model itself, and keep what enters a stage; its class tokens enter as new there."""
    count = CLASS_TOKENS.get(family, 0)
    fresh, entered = [], []

    def keep_fresh(module, inputs):
        fresh.append(inputs[0][:, :count])

    def enter(module, inputs):
        value = inputs[0]
        if family == "swin":
            entered.append(value.permute(0, 3, 1, 2))
            return None
        entered.append(value[:, count:] if count else value)
        return (torch.cat((fresh[0], value[:, count:]), dim=1),) if count else None

    module = owner.model.get_submodule(BEGINNINGS[family][int(beginning[-1]) - 2])
    handles = [module.register_forward_pre_hook(enter)]
    if count:
        handles.append(owner.model.blocks[0].register_forward_pre_hook(keep_fresh))
    found = owner.reader(taps)(batch)
    for handle in handles:
        handle.remove()
    return entered[0], found


@pytest.mark.parametrize(("family", "beginning"), EVERY_TAIL)
def test_a_tail_computes_what_the_model_computes_from_there_on(family, beginning):
    owner = network(family)
    tail = owner.tail(beginning)
    value, expected = run_whole(owner, family, beginning, tail.taps, images())
    found = tail.reader(tail.taps)(value)
    stages = [f"stage{k}" for k in range(int(beginning[-1]), 5)]
    tokens = ["tokens"] if family in MIXERS[1:] else []
    assert tail.taps == ("logits", "embedding", *stages, *tokens)
    for ours, plain in zip(found, expected, strict=True):
        assert torch.equal(ours, plain)
    assert expected[0].std() > 0
    assert tail.socket == Socket(owner.layout("stage1"), tuple(value.shape))


@pytest.mark.parametrize("family", CNNS[:2])
def test_residual_stages_read_the_stage_before(family):
    owner, batch = network(family), images()
    whole = stage(owner, "stage4", batch)
    (ours,) = owner.tail("stage4").reader(["stage4"])(stage(owner, "stage3", batch))
    assert torch.equal(ours, whole)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("vit_tiny_patch16_224", {"reg_tokens": 2, "no_embed_class": True}),
        ("vit_tiny_patch16_224", {"reg_tokens": 3, "pre_norm": True}),
        ("vit_tiny_patch16_224", {"class_token": False, "global_pool": "avg"}),
        ("vit_tiny_patch16_224", {"pos_embed": "none"}),
        ("vit_tiny_patch16_224", {"drop_rate": 0.5}),
    ],
)
def test_class_tokens_enter_as_before_the_first_block(monkeypatch, name, args):
    owner = timm_network(name, depth=4, **args).eval()
    for each in owner.parameters():
        each.add_(torch.randn_like(each), alpha=0.1)
    monkeypatch.setitem(CLASS_TOKENS, "vit", owner.model.num_prefix_tokens)
    monkeypatch.setitem(BEGINNINGS, "vit", BEGINNINGS["deit"])
    tail = owner.tail("stage3")
    value, expected = run_whole(owner, "vit", "stage3", tail.taps, images())
    for ours, plain in zip(tail.reader(tail.taps)(value), expected, strict=True):
        assert torch.equal(ours, plain)


@pytest.mark.parametrize(
    ("name", "shape", "heads"),
    [
        ("resnet18", (256, 14, 14), 0),
        ("mobilenetv2_100", (96, 14, 14), 0),
        ("convnext_tiny", (768, 7, 7), 0),
        ("swin_tiny_patch4_window7_224", (768, 7, 7), 24),
        ("vit_small_patch16_224", (196, 384), 6),
        ("deit_tiny_distilled_patch16_224", (196, 192), 3),
        ("mixer_b16_224", (196, 768), 0),
        ("resmlp_12_224", (196, 384), 0),
    ],
)
def test_sizes_at_224_pixels(name, shape, heads):
    image = ImageSpec(3, 224, 224, (0.5,) * 3, (0.25,) * 3)
    with torch.device("meta"):
        owner = Student(model=f"timm/{name}").build(Site(image=image, classes=7))
    tail = owner.tail("stage4")
    assert tail.socket.shape == (2, *shape)
    assert tail.socket.layout == ("b c h w" if len(shape) == 3 else "b n d")
    assert tail.heads == heads


def test_sizes_are_found_without_touching_the_model():
    owner = network("resnet").train()
    owner.model.layer2.eval()
    owner.half()
    before = copy.deepcopy(owner.state_dict())
    modes = [each.training for each in owner.modules()]
    assert owner.tail("stage3").socket == Socket("b c h w", (2, 48, 8, 8), "float16")
    assert [each.training for each in owner.modules()] == modes
    assert not any(each._forward_pre_hooks for each in owner.modules())
    for key, value in owner.state_dict().items():
        assert torch.equal(value, before[key])


class Holder(nn.Module):
    def __init__(self, tail):
        super().__init__()
        self.tail = tail
        self.read = tail.reader(["logits"])


def test_invariant_1_a_tail_registers_nothing_and_runs_the_networks_own_modules():
    owner = network("swin")
    holder = Holder(owner.tail("stage4"))
    assert not isinstance(holder.tail, nn.Module)
    assert not list(holder.parameters()) and not list(holder.buffers())
    value = torch.rand(holder.tail.socket.shape)
    (before,) = holder.read(value)
    owner.model.head.fc.bias.add_(1.0)
    (after,) = holder.read(value)
    torch.testing.assert_close(after, before + 1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stop_changes_no_value_and_runs_less(family, modules_run):
    owner = network(family)
    tail = owner.tail("stage3")
    value = torch.rand(tail.socket.shape)
    whole = tail.reader(("stage3", "stage4"))
    early = tail.reader(["stage3"], stop=True)
    assert torch.equal(early(value)[0], whole(value)[0])
    assert modules_run(owner.model, early, value) < modules_run(owner.model, whole, value)


@pytest.mark.parametrize("family", ["resnet", "mobilenetv2"])
def test_running_statistics_stay_while_those_of_the_batch_are_used(family):
    owner = network(family).train()
    twin = copy.deepcopy(owner)
    before = copy.deepcopy(dict(owner.named_buffers()))
    value = torch.rand(owner.tail("stage4").socket.shape)
    still = owner.tail("stage4").reader(("logits", "stage4"))(value)
    moved = twin.tail("stage4").reader(("logits", "stage4"), tracking=True)(value)
    for ours, plain in zip(still, moved, strict=True):
        assert torch.equal(ours, plain)
    assert all(torch.equal(value, before[key]) for key, value in owner.named_buffers())
    # only what runs behind the beginning of the stage
    changed = {key for key, value in twin.named_buffers() if not torch.equal(value, before[key])}
    beginnings = {"resnet": ("layer4",), "mobilenetv2": ("blocks.5", "blocks.6", "bn2")}[family]
    assert changed == {key for key in before if key.removeprefix("model.").startswith(beginnings)}
    assert all(each.track_running_stats for each in _norms(owner))


def test_running_statistics_move_again_after_a_failure():
    owner = network("resnet").train()
    with pytest.raises(RuntimeError):
        owner.tail("stage4").reader(["logits"])(torch.rand(2, 7, 4, 4))
    assert all(each.track_running_stats for each in _norms(owner))
    owner.reader(["logits"])(images())
    assert owner.model.layer4[0].bn1.num_batches_tracked == 1


def _norms(owner):
    return [each for each in owner.modules() if isinstance(each, nn.BatchNorm2d)]


@pytest.mark.parametrize("family", FAMILIES)
def test_invariant_2_gradients_pass_through_frozen_stages(family):
    owner = network(family).requires_grad_(False)
    tail = owner.tail("stage4")
    with torch.enable_grad():
        value = torch.rand(tail.socket.shape, requires_grad=True)
        (logits,) = tail.reader(["logits"])(value)
        logits.square().sum().backward()
    assert value.grad.abs().sum() > 0
    assert all(each.grad is None for each in owner.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_separate_tail_is_trained_and_holds_nothing_before_it(family):
    owner = network(family).requires_grad_(False)
    tail = owner.tail("stage4")
    copied = tail.separate()
    assert isinstance(copied, TapNetwork)
    assert not {id(each) for each in copied.parameters()} & {id(p) for p in owner.parameters()}
    value = torch.rand(tail.socket.shape)
    with torch.enable_grad():
        (logits,) = copied.tail("stage4").reader(["logits"])(value)
        logits.square().sum().backward()
    assert torch.equal(logits, tail.reader(["logits"])(value)[0])
    assert all(each.grad is not None for each in copied.parameters())
    assert len(list(copied.parameters())) < len(list(owner.parameters()))


def refused(make):
    with pytest.raises(ComponentError) as error:
        make()
    return str(error.value)


CAN = (
    "timm's models of resnet, efficientnet, convnext, swin_transformer, vision_transformer, "
    "deit, mlp_mixer can"
)


@pytest.mark.parametrize("name", ["timm/test_byobnet", "torchvision/resnet18"])
def test_networks_without_tails_say_which_have_them(name):
    with torch.device("meta"):
        owner = Student(model=name).build(Site(image=IMAGE, classes=10))
    assert refused(lambda: owner.tail("stage4")) == f"{name} cannot run from stage4 on; {CAN}"


def test_registered_models_have_no_tails():
    @register_model("tas_plain")
    def make(num_classes, in_chans):
        return nn.Sequential(nn.Flatten(), nn.Linear(in_chans, num_classes))

    owner = Student(model="tas_plain").build(Site(image=IMAGE, classes=10))
    assert refused(lambda: owner.tail("stage4")) == f"tas_plain cannot run from stage4 on; {CAN}"


def test_refusals():
    owner = network("resnet")
    said = "a tail begins with one of stage2, stage3, stage4, not with 'stage1'"
    assert refused(lambda: owner.tail("stage1")) == said
    said = "timm/test_resnet from stage4 on has no tap 'stage3'; did you mean 'stage4'?"
    assert refused(lambda: owner.tail("stage4").reader(["stage3"])) == said
    shallow = timm_network("vit_tiny_patch16_224", depth=2)
    said = (
        "timm/vit_tiny_patch16_224 has no blocks between stage3 and stage4; "
        "give it at least 4 blocks"
    )
    assert refused(lambda: shallow.tail("stage4")) == said
    assert shallow.tail("stage3").taps[2:] == ("stage3", "stage4", "tokens")
