"""Further data sets, whose images join training batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import attrs
import torch
from torch import Tensor

from graphkd.blueprint import Extra
from graphkd.component import DataSpec, ImageSpec, Samples, Splits, name_of
from graphkd.errors import ComponentError
from graphkd.run.mixing import rows_of
from graphkd.run.reader import read_images
from graphkd.run.rows import ExtraRows


@attrs.define(eq=False)
class Resized:
    """Samples at another size, bilinearly and antialiased.

    Attributes:
        samples: what is resized.
        height: in pixels.
        width: in pixels.
        labels: always None.
    """

    samples: Samples
    height: int
    width: int
    labels: Tensor | None = None

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        """Return image `index`, "c h w" float32 in [0, 1]."""
        from torchvision.transforms.v2 import functional

        image: Tensor = functional.resize(
            self.samples[index], [self.height, self.width], antialias=True
        )
        # bilinear weights sum to one only up to rounding
        return image.clamp(0.0, 1.0)


@attrs.define(eq=False)
class Joined:
    """Several data sets as one, one behind the other.

    Attributes:
        parts: the data sets.
        labels: always None: who joins them knows which labels count.
    """

    parts: tuple[Samples, ...]
    labels: Tensor | None = None

    def __len__(self) -> int:
        """Count the samples of all."""
        return sum(map(len, self.parts))

    def __getitem__(self, index: int) -> Tensor:
        """Return image `index`, "c h w" float32 in [0, 1]."""
        return self.batch(torch.tensor([index]))[0]

    def batch(self, indices: Tensor) -> Tensor:
        """Return many images at once.

        Args:
            indices: "b" int64, at least one.

        Returns:
            "b c h w" float32 in [0, 1].
        """
        ends = torch.tensor([*accumulate(map(len, self.parts))])
        owner = torch.bucketize(indices, ends, right=True)
        pieces: list[Tensor] = []
        places: list[Tensor] = []
        for number, part in enumerate(self.parts):
            mine = (owner == number).nonzero().flatten()
            if len(mine):
                pieces.append(read_images(part, indices[mine] - ends[number] + len(part)))
                places.append(mine)
        return torch.cat(pieces)[torch.cat(places).argsort()]


def open_extra(extra: Extra, image: ImageSpec, folder: Path) -> Samples:
    """Open the training images of a further data set.

    Args:
        extra: which one.
        image: channels and size of the main data set's images; others are resized.
        folder: where relative paths start.

    Raises:
        ComponentError: files are absent, there are no images, or their channels differ.
    """
    spec: DataSpec = extra.component.spec(folder)
    if spec.image.channels != image.channels:
        raise ComponentError(
            f"images of {name_of(extra.component)} have {_channels(spec.image)}, those of the "
            f"data set {_channels(image)}; take one with {_channels(image)}"
        )
    splits: Splits = extra.component.splits(folder)
    if not len(splits.train):
        raise ComponentError("the data set's train split is empty")
    if (spec.image.height, spec.image.width) == (image.height, image.width):
        return splits.train
    return Resized(splits.train, image.height, image.width)


def _channels(image: ImageSpec) -> str:
    return "1 channel" if image.channels == 1 else f"{image.channels} channels"


def join(
    samples: Samples,
    extras: Sequence[Extra],
    opened: Sequence[Samples],
    *,
    in_play: int,
    batch_size: int,
) -> tuple[Samples, tuple[ExtraRows, ...], int]:
    """Put further data sets behind a split, and divide the rows of a batch.

    A data set with a share rho gets floor(rho * batch_size) rows. What is left is divided among the
    split and the data sets without a share by their numbers of images, rounded down; the split
    gets the remainder.

    Args:
        samples: the split.
        extras: what joins it.
        opened: their images.
        in_play: how many of the split's samples an epoch goes through.
        batch_size: rows of a batch.

    Returns:
        All samples, the rows of each data set, and those that are left for the split.

    Raises:
        ComponentError: somebody gets no row; `field` is `extra`, or `extra.N` with the number of
            the data set, from 0.
    """
    shared = [0 if each.share is None else rows_of(each.share, batch_size) for each in extras]
    left = batch_size - sum(shared)
    if left < 1:
        text = f"extra leaves no row of a batch of {batch_size} for the data set itself"
        raise ComponentError(f"{text}; lower the shares", field="extra")
    sizes = [
        len(each) if one.share is None else 0 for each, one in zip(opened, extras, strict=True)
    ]
    total = in_play + sum(sizes)
    rows = [some or left * size // total for some, size in zip(shared, sizes, strict=True)]
    firsts = accumulate(map(len, opened[:-1]), initial=len(samples))
    made = [
        ExtraRows(first, len(each), count)
        for first, each, count in zip(firsts, opened, rows, strict=True)
    ]
    for number, count in enumerate(rows):
        if not count:
            text = f"gets no row of a batch of {batch_size}"
            least = math.ceil(1000 / batch_size) / 1000
            hint = f"write share: {least} or more, or a larger batch_size"
            raise ComponentError(f"{text}; {hint}", field=f"extra.{number}")
    return Joined((samples, *opened)), tuple(made), batch_size - sum(rows)
