"""What tells one data set from another, without reading all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from graphkd.component import Samples
from graphkd.run.opened import Opened

FEW = 8
"""Images of each split that are looked at."""


def fingerprint(opened: Opened) -> dict[str, str]:
    """Describe each split: how many images, a hash of the labels, a hash of a few images.

    Args:
        opened: the data of a run, and the further data sets of its phases.

    Returns:
        By split one text; plain data, for a checkpoint.
    """
    return {name: _described(samples) for name, samples in _splits(opened)}


def _splits(opened: Opened) -> Iterator[tuple[str, Samples]]:
    parts = opened.parts
    yield "train", parts.train.samples
    if parts.validation.samples is not parts.train.samples:
        yield "validation", parts.validation.samples
    yield "test", parts.test.samples
    for number, (_, samples) in enumerate(opened.extras, 1):
        yield f"extra {number}", samples


def _described(samples: Samples) -> str:
    count = len(samples)
    chosen = sorted({number * (count - 1) // (FEW - 1) for number in range(FEW)})
    pixels = hash_of(samples[index] for index in chosen)
    labels = "none" if samples.labels is None else hash_of([samples.labels])
    return f"{count} images, labels {labels}, pixels {pixels}"


def hash_of(tensors: Iterable[Tensor]) -> str:
    """Hash the bytes of tensors, one after another, to 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for each in tensors:
        digest.update(_bytes(each))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
