"""What tells one data set from another, without reading all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from graphkd.component import Samples
from graphkd.run.opened import Opened
from graphkd.run.unreadable import peek

FEW = 8
"""Images of a data set that are looked at."""


def fingerprint(opened: Opened) -> dict[str, str]:
    """Describe each split: how many images, a hash of the labels, a hash of a few images.

    Only training images are looked at: those of the test are read at the end alone.

    Args:
        opened: the data of a run, and the further data sets of its phases.

    Returns:
        By split one text; plain data, for a checkpoint.

    Raises:
        DataError: one of these cannot be read, and is not to be skipped.
    """
    parts = opened.parts
    skipping = opened.blueprint.data.unreadable == "skip"
    found = {"train": _looked_at(parts.train.samples, skipping=skipping)}
    if parts.validation.samples is not parts.train.samples:
        found["validation"] = _described(parts.validation.samples)
    found["test"] = _described(parts.test.samples)
    extras = {
        f"extra {number}": _looked_at(samples, skipping=skipping)
        for number, (_, samples) in enumerate(opened.extras, 1)
    }
    return found | extras


def _described(samples: Samples) -> str:
    labels = "none" if samples.labels is None else hash_of([samples.labels])
    return f"{len(samples)} images, labels {labels}"


def _looked_at(samples: Samples, *, skipping: bool) -> str:
    chosen = sorted({number * (len(samples) - 1) // (FEW - 1) for number in range(FEW)})
    pixels = hash_of(peek(samples, chosen, skipping=skipping))
    return f"{_described(samples)}, pixels {pixels}"


def hash_of(tensors: Iterable[Tensor]) -> str:
    """Hash the bytes of tensors, one after another, to 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for each in tensors:
        digest.update(_bytes(each))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
