"""Where the stages, the blocks and the head of a timm model lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from torch import Tensor, nn

from graphkd.components.models.stages import STAGES, stage_ends
from graphkd.components.models.watch import Place

# Files of timm in which `forward_head` is: pre-logits, then the one linear layer and nothing else.
# In others a norm or a second head may follow, and the embedding is taken where it enters.
_PLAIN_HEADS = frozenset(
    f"timm.models.{name}"
    for name in (
        "beit",
        "byobnet",
        "convnext",
        "densenet",
        "efficientnet",
        "eva",
        "maxxvit",
        "metaformer",
        "mlp_mixer",
        "mobilenetv3",
        "regnet",
        "resnet",
        "swin_transformer",
        "swin_transformer_v2",
        "vgg",
        "vision_transformer",
        "vision_transformer_relpos",
    )
)
# Files of timm with equal blocks that work on a grid; all other equal blocks work on tokens.
_GRID_BLOCKS = frozenset(("timm.models.convmixer", "timm.models.vision_transformer_sam"))


@attrs.frozen
class Anatomy:
    """Where the taps of a timm model lie.

    Attributes:
        layout: of stages and blocks, "b c h w" or "b n d".
        prefix: number of tokens before those of the image.
        channels_last: whether `forward_features` gives "b h w c".
        indices: index in `forward_intermediates` of each stage and block.
        places: where the taps are read that need hooks.
    """

    layout: str
    prefix: int
    channels_last: bool
    indices: Mapping[str, int]
    places: Mapping[str, tuple[Place, ...]]

    @property
    def taps(self) -> tuple[str, ...]:
        """Name the taps in the order in which they are shown."""
        stages = [tap for tap in STAGES if tap in self.indices or tap in self.places]
        tokens = ["tokens"] if self.layout == "b n d" else []
        blocks = [tap for tap in self.indices if tap.startswith("block")]
        return ("logits", "embedding", *stages, *tokens, *blocks)


def dissect(model: nn.Module) -> Anatomy:
    """Find the stages, the blocks and the head of a timm model."""
    reductions = [each["reduction"] for each in getattr(model, "feature_info", [])]
    file = type(model).__module__
    isotropic = len(reductions) > 1 and len(set(reductions)) == 1
    indices = _block_indices(len(reductions)) if isotropic else _stage_indices(len(reductions))
    places = {} if _plain_head(model) else {"embedding": _classifier_places(model)}
    stem = next((name for name in ("stem", "patch_embed") if hasattr(model, name)), None)
    if len(indices) == 3 and stem:
        places["stage1"] = (Place(stem, "b c h w"),)
    return Anatomy(
        layout="b n d" if isotropic and file not in _GRID_BLOCKS else "b c h w",
        prefix=getattr(model, "num_prefix_tokens", 0),
        channels_last=getattr(model, "output_fmt", "NCHW") == "NHWC",
        indices=indices,
        places=places,
    )


def _stage_indices(count: int) -> dict[str, int]:
    """Give the last four intermediates their names; of three, the stem is stage1."""
    return dict(zip(STAGES[-count:], range(max(0, count - 4), count), strict=False))


def _block_indices(count: int) -> dict[str, int]:
    ends = stage_ends(count)
    stages = {stage: end - 1 for stage, end in zip(STAGES, ends, strict=True)}
    return stages | {f"block{number}": number - 1 for number in range(1, count + 1)}


def _plain_head(model: Any) -> bool:
    """Whether the classifier is one linear layer that reads the pre-logits unchanged."""
    dropout = getattr(model, "drop_rate", 0) > 0 or any(
        isinstance(each, nn.Dropout) and each.p > 0 for each in model.modules()
    )
    return (
        type(model).__module__ in _PLAIN_HEADS
        and isinstance(model.get_classifier(), nn.Linear)
        # where the dropout stands, before or behind the pre-logits, differs from model to model
        and not dropout
    )


def _classifier_places(model: Any) -> tuple[Place, ...]:
    """Say where the embedding enters the classifier, or each of several classifiers."""
    found = model.get_classifier()
    heads = found if isinstance(found, (tuple, list, nn.ModuleList)) else [found]
    names = {module: name for name, module in model.named_modules()}
    places = []
    for head in heads:
        layers = [each for each in head.modules() if isinstance(each, (nn.Linear, nn.Conv2d))]
        places.append(Place(names[layers[-1]], "b d", side="input", convert=_flat))
    return tuple(places)


def _flat(value: Tensor) -> Tensor:
    return value.flatten(1)
