"""The transformer blocks of an exit branch, for stages that are tokens."""

from __future__ import annotations

import torch
from einops import rearrange, reduce
from timm.models.swin_transformer import PatchMerging
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from graphkd.components.projectors.exit_branch_weights import initialize


class TransformerBranch(nn.Module):
    """Merges patches, lets all tokens meet in blocks, and classifies.

    Args:
        channels: of the stage.
        grid: makes "b c h w" of the stage, without the class tokens.
        prefix: number of class tokens.
        mergings: how often 2 x 2 patches become one.
        width: of the blocks.
        heads: of each block.
        depth: number of blocks.
        outputs: number of classes.
    """

    def __init__(
        self,
        channels: int,
        *,
        grid: nn.Module,
        prefix: int,
        mergings: int,
        width: int,
        heads: int,
        depth: int,
        outputs: int,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.prefix = prefix
        self.mergings = nn.Sequential(*_mergings(channels, mergings, width))
        self.blocks = nn.Sequential(*(Block(width, num_heads=heads) for _ in range(depth)))
        self.classifier = nn.Linear(width, outputs)
        initialize(self)

    def forward(self, stage: Tensor) -> Tensor:
        """Classify.

        Args:
            stage: "b n d" with the class tokens first, or "b c h w".

        Returns:
            "b outputs", logits.
        """
        patches = self.mergings(rearrange(self.grid(stage), "b c h w -> b h w c"))
        patches = rearrange(patches, "b h w d -> b (h w) d")
        if self.prefix:
            patches = torch.cat((stage[:, : self.prefix], patches), dim=1)
        tokens = self.blocks(patches)
        read = tokens[:, : self.prefix] if self.prefix else tokens
        logits: Tensor = self.classifier(reduce(read, "b n d -> b d", "mean"))
        return logits


def _mergings(channels: int, count: int, width: int) -> list[nn.Module]:
    """Make the mergings of "b h w d"; the last of several has no activation behind it."""
    layers: list[nn.Module] = []
    for number in range(count):
        layers.append(PatchMerging(channels if number == 0 else width, width))
        if number == 0 or number < count - 1:
            layers.append(nn.GELU())
    return layers
