"""Where the stages of torchvision's models end."""

from __future__ import annotations

import re
from collections.abc import Mapping

from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from graphkd.components.models.stages import STAGES, stage_ends
from graphkd.components.models.tap_network import last_linear
from graphkd.components.models.watch import Place

_RESNET = ("layer1", "layer2", "layer3", "layer4")
# name pattern -> the modules whose outputs are the four stages; the last is what the head reads
_GRIDS = {
    r"resnet\d+|resnext.*|wide_resnet.*": _RESNET,
    r"regnet_.*": tuple(f"trunk_output.block{number}" for number in (1, 2, 3, 4)),
    r"convnext_.*": ("features.1", "features.3", "features.5", "features"),
    r"efficientnet_.*": ("features.2", "features.3", "features.5", "features"),
    r"mobilenet_v2": ("features.3", "features.6", "features.13", "features"),
    r"mobilenet_v3_large": ("features.3", "features.6", "features.12", "features"),
    r"mobilenet_v3_small": ("features.1", "features.3", "features.8", "features"),
    r"maxvit_.*": ("blocks.0", "blocks.1", "blocks.2", "blocks.3"),
}


def find_places(name: str, model: nn.Module) -> dict[str, Place]:
    """Say where the taps of a torchvision model are read.

    The embedding is what the last linear layer takes. Models of families that are not known here
    have no stages; their module paths are taps all the same.

    Args:
        name: torchvision's name of the model.
        model: that model.
    """
    head = last_linear(model)
    places = {"embedding": Place(head, "b d", side="input")} if head else {}
    return places | dict(_stages(name, model))


def _stages(name: str, model: nn.Module) -> Mapping[str, Place]:
    for pattern, paths in _GRIDS.items():
        if re.fullmatch(pattern, name):
            return _grids(paths)
    if name.startswith("swin_"):
        return _swin()
    if name.startswith("densenet"):
        return _densenet()
    if name.startswith("vgg"):
        return _vgg(model)
    return _vit(model) if name.startswith("vit_") else {}


def _grids(paths: tuple[str, ...]) -> dict[str, Place]:
    return {tap: Place(path, "b c h w") for tap, path in zip(STAGES, paths, strict=True)}


def _swin() -> dict[str, Place]:
    places = _grids(("features.1", "features.3", "features.5", "permute"))
    # only after the final norm torchvision moves the channels to the front
    for tap in STAGES[:3]:
        places[tap] = Place(places[tap].path, "b c h w", convert=_channels_first)
    return places


def _densenet() -> dict[str, Place]:
    blocks = tuple(f"features.denseblock{number}" for number in (1, 2, 3))
    places = _grids((*blocks, "features"))
    # torchvision applies this ReLU in place between the features and the pooling
    places["stage4"] = Place("features", "b c h w", convert=F.relu)
    return places


def _vgg(model: nn.Module) -> dict[str, Place]:
    """Take what enters the third, fourth and fifth pooling, and what leaves the fifth."""
    features = model.get_submodule("features")
    pools = [name for name, each in features.named_children() if isinstance(each, nn.MaxPool2d)]
    places = _grids(("features", "features", "features", "features"))
    for tap, pool in zip(STAGES[:3], pools[2:], strict=True):
        places[tap] = Place(f"features.{pool}", "b c h w", side="input")
    return places


def _vit(model: nn.Module) -> dict[str, Place]:
    layers = [f"encoder.layers.{name}" for name, _ in _children(model, "encoder.layers")]
    blocks = {
        f"block{number}": Place(path, "b n d", convert=_without_class_token)
        for number, path in enumerate(layers, start=1)
    }
    stages = {
        tap: blocks[f"block{end}"] for tap, end in zip(STAGES, stage_ends(len(layers)), strict=True)
    }
    stages["stage4"] = Place("encoder.ln", "b n d", convert=_without_class_token)
    return {**stages, "tokens": Place("encoder.ln", "b n d"), **blocks}


def _children(model: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    return list(model.get_submodule(path).named_children())


def _channels_first(value: Tensor) -> Tensor:
    return rearrange(value, "b h w c -> b c h w")


def _without_class_token(value: Tensor) -> Tensor:
    return value[:, 1:]
