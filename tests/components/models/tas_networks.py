"""Small networks of the families that can be cut at a stage, for 64 x 64 images of 10 classes."""

from __future__ import annotations

from functools import partial

import torch
from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock

from graphkd.component import ImageSpec, Site, Socket
from graphkd.components.models import HybridAssistant, Student
from graphkd.components.models.timm_network import TimmNetwork
from graphkd.graph.ports import layout_of

PIXELS = 64
IMAGE = ImageSpec(3, PIXELS, PIXELS, (0.5,) * 3, (0.25,) * 3)
SWIN = {"depths": [1, 1, 1, 2], "embed_dim": 12, "num_heads": [1, 2, 3, 4]}
CNNS = ("resnet", "mobilenetv2", "convnext")
MIXERS = ("swin", "vit", "deit", "mixer", "resmlp")


def timm_network(name, **args):
    site = Site(image=IMAGE, classes=10, load_weights=False)
    return Student(model=f"timm/{name}", args=args).build(site)


def mixer_network(**args):
    """timm's names for these fix depth and width, and are large."""
    model = MlpMixer(10, img_size=PIXELS, num_blocks=4, embed_dim=32, **args)
    return TimmNetwork(model, image=IMAGE, passport={"library": "timm", "model": "small_mixer"})


RESMLP = {"mlp_ratio": 4.0, "block_layer": ResBlock, "norm_layer": Affine}
NETWORKS = {
    "resnet": partial(timm_network, "test_resnet"),
    "mobilenetv2": partial(timm_network, "mobilenetv2_035"),
    "convnext": partial(timm_network, "test_convnext"),
    "swin": partial(timm_network, "swin_tiny_patch4_window7_224", **SWIN),
    "vit": partial(timm_network, "test_vit"),
    "deit": partial(timm_network, "deit_tiny_distilled_patch16_224", depth=4),
    "mixer": mixer_network,
    "resmlp": partial(mixer_network, **RESMLP),
}


def network(family):
    """Make a network in eval mode, none of whose weights is so small that a branch does nothing."""
    made = NETWORKS[family]().eval()
    for each in made.parameters():
        each.add_(torch.randn_like(each), alpha=0.1)
    return made


def images(count=2):
    return torch.rand(count, 3, PIXELS, PIXELS)


def stage(owner, tap, batch):
    (value,) = owner.reader([tap], stop=True)(batch)
    return value


def site_of(early, late, tap="stage3"):
    """Make an assistant's site from the networks of the two nodes, as the core does."""
    device = next(early.parameters()).device
    spec = early.image
    (value,) = early.reader([tap], stop=True)(
        torch.zeros(2, spec.channels, spec.height, spec.width, device=device)
    )
    layout = early.layout(tap) or layout_of(value.shape)
    return Site(
        inputs={"early": (Socket(layout, tuple(value.shape)),)},
        modules={"early": early, "late": late},
    )


def assistant(early, late, tap="stage3", beginning="stage4", **settings):
    component = HybridAssistant(early=f"student.{tap}", late=f"teacher.{beginning}", **settings)
    return component.build(site_of(early, late, tap))
