"""The convolutions of an exit branch, for stages that are grids."""

from __future__ import annotations

from itertools import pairwise

from einops.layers.torch import Reduce
from timm.layers.separable_conv import SeparableConvNormAct
from torch import nn

from graphkd.components.projectors.exit_branch_weights import initialize


def convolution_branch(channels: int, *, stage: int, width: int, outputs: int) -> nn.Sequential:
    """Make the exit branch of a stage that is a grid.

    Args:
        channels: of the stage.
        stage: its number, 1 to 4.
        width: channels before the classifier.
        outputs: number of classes.

    Returns:
        A module from "b c h w" to "b outputs".
    """
    branch = nn.Sequential(
        *_trunk(channels, count=4 - stage, width=width),
        Reduce("b c h w -> b c", "mean"),
        nn.Linear(width, outputs),
    )
    initialize(branch)
    return branch


def _trunk(channels: int, *, count: int, width: int) -> list[nn.Module]:
    if count == 0:
        return [nn.Conv2d(channels, width, 1)]
    sizes = [channels * 2**number for number in range(count)] + [width]
    return [_halving(before, after) for before, after in pairwise(sizes)]


def _halving(before: int, after: int) -> nn.Sequential:
    """Halve the grid, then change the channels: two separable convolutions, norm, ReLU."""
    return nn.Sequential(
        SeparableConvNormAct(before, before, stride=2), SeparableConvNormAct(before, after)
    )
