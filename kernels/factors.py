"""Numbers that a launch reads from the device's memory, copied there once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

# settings of a program and the steps of a ramp; what is dropped is copied again
_KEPT = 256


def weights_on_device(
    weights: Sequence[float] | Tensor | None, count: int, device: torch.device
) -> Tensor:
    """Give the factors of terms, "k", float32.

    Args:
        weights: numbers, or "k", float32; None: all 1.
        count: k.
        device: where they are read.
    """
    if isinstance(weights, Tensor):
        return weights.detach().contiguous()
    numbers = (1.0,) * count if weights is None else tuple(float(each) for each in weights)
    return numbers_on_device(numbers, device)


def scale_on_device(scale: float | Tensor, device: torch.device) -> Tensor:
    """Give what gradients are multiplied with, "" or "1", float32."""
    if isinstance(scale, Tensor):
        return scale.detach().float()
    return numbers_on_device((float(scale),), device)


def numbers_on_device(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    """Give numbers as "n", float32, without waiting for the device where they were used before."""
    # a tensor without memory, where only shapes are traced, is nothing to keep
    if torch.compiler.is_compiling() or type(torch.empty(0)) is not Tensor:
        return torch.tensor(numbers, dtype=torch.float32, device=device)
    if is_capturing(device):
        # a graph holds no reference to what is kept here, and no copy from the host is captured
        return torch.stack([torch.full((), each, device=device) for each in numbers])
    return _copied(numbers, device)


def is_capturing(device: torch.device) -> bool:
    """Say whether what is launched now becomes part of a CUDA graph."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()


@lru_cache(_KEPT)
def _copied(numbers: tuple[float, ...], device: torch.device) -> Tensor:
    # an inference tensor could not be saved for a backward later
    with torch.inference_mode(False):
        return torch.tensor(numbers, dtype=torch.float32, device=device)
