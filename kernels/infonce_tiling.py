"""How large a tile a program of the InfoNCE kernels takes, for each kind of GPU."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

import torch

Chip = Literal["hopper", "ampere", "amd", "interpreter"]


class Tiling(NamedTuple):
    """What a program of a kernel that multiplies works on.

    Attributes:
        rows: of a program.
        columns: of a step of its loop.
        width: features of its result; where the vectors have more, several programs share a row
            and each makes all of its scores.
        step: features that are multiplied at a time; 0 for all, which are then kept on the chip.
        warps: of a program.
        stages: steps whose loads are under way at the same time.
    """

    rows: int
    columns: int
    width: int
    step: int
    warps: int
    stages: int


def chip_of(device: torch.device) -> Chip:
    """Tell the kind of GPU; a device without kernels counts as the interpreter."""
    return _chip_of_cuda(device) if device.type == "cuda" else "interpreter"


@cache
def _chip_of_cuda(device: torch.device) -> Chip:
    if torch.version.hip is not None:
        return "amd"
    shared = torch.cuda.get_device_properties(device).shared_memory_per_block_optin
    return "hopper" if shared >= 232448 else "ampere"


def tiling_for(chip: Chip, dtype: torch.dtype, num_features: int, *, masked: bool) -> Tiling:
    """Choose the tile sizes.

    Args:
        chip: the kind of GPU.
        dtype: of the vectors.
        num_features: width of the vectors.
        masked: each pair is looked up, which takes registers.
    """
    whole = max(16, 1 << (num_features - 1).bit_length())
    if chip == "interpreter":
        return Tiling(32, 32, min(whole, 64), 0 if whole <= 64 else 32, warps=4, stages=1)
    stages = 1 if chip == "amd" else 2
    if dtype.itemsize == 4:
        # three products for one take registers too
        fits = whole <= (64 if chip == "hopper" else 32)
        return Tiling(64, 32, min(whole, 128), 0 if fits else 32, 8, stages)
    if chip == "hopper" and not masked and whole <= 256:
        return Tiling(128, 64, whole, 0, 8, 3 if whole <= 128 else 2)
    if whole <= 128:
        return Tiling(64, 32, whole, 0, 4, stages)
    if chip == "hopper" and whole == 512:
        return Tiling(64, 32, 256 if masked else 512, 0, 8, 2)
    return Tiling(64, 32, 256, 0 if whole == 256 else 64, 8, stages)
