"""Which modules of a timm model run from the beginning of a stage on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from timm.models.convnext import ConvNeXt
from timm.models.efficientnet import EfficientNet
from timm.models.mlp_mixer import MlpMixer
from timm.models.resnet import ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

from graphkd.components.models.stages import STAGES
from graphkd.components.models.timm_anatomy import Anatomy

Step = tuple[int, tuple[str, ...]]


@attrs.frozen
class Course:
    """How a timm model goes on from the beginning of a stage.

    Attributes:
        steps: in their order, indices of `forward_intermediates` and the modules, one behind the
            other, that lead there from the index before.
        finish: the modules between the last of them and what the head reads.
        early: modules and parameters that none of this uses, nor the head.
    """

    steps: tuple[Step, ...]
    finish: tuple[str, ...]
    early: tuple[str, ...]

    @property
    def entry(self) -> str:
        """Name the first module."""
        paths = [path for _, each in self.steps for path in each]
        return (*paths, *self.finish)[0]


def find_course(model: Any, anatomy: Anatomy, stage: str) -> Course | None:
    """Say how a model goes on from a stage; None for families that are not known here.

    Args:
        model: made by timm.
        anatomy: of that model.
        stage: `stage2` to `stage4`.
    """
    families = [_FAMILIES[cls] for cls in type(model).__mro__ if cls in _FAMILIES]
    before = STAGES[STAGES.index(stage) - 1]
    # with fewer than four stages of its own, a model's stem is stage1
    index = anatomy.indices.get(before, -1)
    return families[0](model, index) if families and stage in anatomy.indices else None


def _resnet(model: Any, before: int) -> Course:
    layers = [f"layer{number}" for number in range(1, len(model.feature_info))]
    return Course(
        # index 0 is the stem
        steps=tuple((i, (path,)) for i, path in enumerate(layers, 1) if i > before),
        finish=(),
        early=("conv1", "bn1", "act1", "maxpool", *layers[:before]),
    )


def _efficientnet(model: Any, before: int) -> Course:
    """Cut where `stage_ends` counts blocks, of which each holds several layers."""
    ends = [*model.stage_ends[:-1], len(model.blocks)]
    blocks = [f"blocks.{number}" for number in range(ends[-1])]
    starts = [0, *ends[:-1]]
    return Course(
        steps=tuple(
            (i, tuple(blocks[start:end]))
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
            if i > before
        ),
        finish=("conv_head", "bn2"),
        early=("conv_stem", "bn1", *blocks[: starts[before + 1]]),
    )


def _convnext(model: Any, before: int) -> Course:
    return _with_downsample("stages", len(model.stages), before, stem="stem", finish="norm_pre")


def _swin(model: Any, before: int) -> Course:
    return _with_downsample("layers", len(model.layers), before, stem="patch_embed", finish="norm")


def _with_downsample(holder: str, count: int, before: int, *, stem: str, finish: str) -> Course:
    """Leave out the down-sampling with which the first stage begins."""
    stages = [f"{holder}.{number}" for number in range(count)]
    first = before + 1
    later = tuple((i, (stages[i],)) for i in range(first + 1, count))
    return Course(
        steps=((first, (f"{stages[first]}.blocks",)), *later),
        finish=(finish,),
        early=(stem, *stages[:first], f"{stages[first]}.downsample"),
    )


def _mixer(model: Any, before: int) -> Course:
    return _equal_blocks(len(model.blocks), before, early=("stem",))


def _vit(model: Any, before: int) -> Course:
    early = ["patch_embed"]
    # class tokens take their positions and the first norm with them
    if model.no_embed_class or not model.num_prefix_tokens:
        early.append("pos_embed")
    if not model.num_prefix_tokens:
        early.append("norm_pre")
    return _equal_blocks(len(model.blocks), before, early=tuple(early))


def _equal_blocks(count: int, before: int, *, early: tuple[str, ...]) -> Course:
    blocks = [f"blocks.{number}" for number in range(count)]
    return Course(
        steps=tuple((i, (path,)) for i, path in enumerate(blocks) if i > before),
        finish=("norm",),
        early=(*early, *blocks[: before + 1]),
    )


_FAMILIES: dict[type, Callable[[Any, int], Course]] = {
    ResNet: _resnet,
    EfficientNet: _efficientnet,
    ConvNeXt: _convnext,
    SwinTransformer: _swin,
    # and with it deit's, which is made of it
    VisionTransformer: _vit,
    MlpMixer: _mixer,
}
