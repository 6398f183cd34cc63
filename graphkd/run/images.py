"""Bring images to what a model expects."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.component import ImageSpec


def converter(image: ImageSpec) -> Callable[[Tensor], Tensor]:
    """Make the function that brings images in [0, 1] to what a model expects."""
    wanted = (image.channels, image.height, image.width)
    statistics: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def convert(pixels: Tensor) -> Tensor:
        if pixels.shape[1:] != wanted:
            pixels = resize_image(pixels, image)
        key = (pixels.device, pixels.dtype)
        if key not in statistics:
            statistics[key] = (
                torch.tensor(image.mean, device=key[0], dtype=key[1]).view(1, -1, 1, 1),
                torch.tensor(image.std, device=key[0], dtype=key[1]).view(1, -1, 1, 1),
            )
        mean, std = statistics[key]
        return (pixels - mean) / std

    return convert


def resize_image(pixels: Tensor, image: ImageSpec) -> Tensor:
    """Bring images to a size and a number of channels.

    Args:
        pixels: "b c h w".
        image: what is wanted; one channel is repeated.

    Returns:
        "b c h w".
    """
    if pixels.shape[-2:] != (image.height, image.width):
        size = (image.height, image.width)
        pixels = F.interpolate(pixels, size=size, mode="bilinear", antialias=True)
    if pixels.shape[1] != image.channels:
        if pixels.shape[1] != 1:
            raise ValueError(
                f"images have {pixels.shape[1]} channels, the model takes {image.channels}"
            )
        pixels = pixels.expand(-1, image.channels, -1, -1)
    return pixels
