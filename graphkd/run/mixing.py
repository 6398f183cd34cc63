"""MixUp and CutMix on the first rows of a batch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.blueprint import Data

if TYPE_CHECKING:
    from timm.data.mixup import Mixup


@attrs.frozen
class Mixing:
    """Mix each of the first rows with its mirror among them: x_i with x_(k - 1 - i).

    One share of the mixture holds for a batch. Views of the images are not mixed.

    Attributes:
        mix: draws the share, by numpy's global generator, and mixes an even number of rows.
        share: part of the batch that is mixed, no unit, above 0 and at most 1.
        classes: number of classes; 0 where nobody reads labels, which then stay as they are.
    """

    mix: Mixup
    share: float
    classes: int

    def __call__(
        self, image: Tensor, label: Tensor, *, count: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mix in place.

        Args:
            image: "b c h w".
            label: "b" int64; none is hidden where `classes` is not 0.
            count: how many rows are mixed, from the first on; by default those of `share`.

        Returns:
            The images, "b c h w", and the labels: "b c", probabilities, or `label` itself.
        """
        count = rows_of(self.share, len(image), up=True) if count is None else count
        # timm takes pairs: the middle of an odd number of rows comes twice, and meets itself
        middle = count // 2
        pairs = [*range(count)] if count % 2 == 0 else sorted([*range(count), middle])
        rows = torch.tensor(pairs)
        own = label[rows] if self.classes else torch.zeros(len(rows), dtype=torch.int64)
        mixed, soft = self.mix(image[rows], own)
        once = torch.tensor([pairs.index(row) for row in range(count)])
        image[:count] = mixed[once]
        if not self.classes:
            return image, label
        plain = F.one_hot(label[count:], self.classes).to(soft.dtype)
        return image, torch.cat([soft[once], plain])


def rows_of(share: float, size: int, *, up: bool = False) -> int:
    """Say how many of so many rows a share is, in whole rows.

    Args:
        share: no unit, 0 to 1.
        size: how many there are.
        up: rounded up; otherwise down.
    """
    # 0.29 * 100 is 28.999999999999996 to a computer
    slack = 1e-9
    return math.ceil(share * size - slack) if up else math.floor(share * size + slack)


def mixing_of(data: Data, *, classes: int) -> Mixing | None:
    """Make what mixes batches; None where nothing is mixed.

    Args:
        data: says how.
        classes: number of classes; 0 where nobody reads labels.
    """
    if not data.mixup_share or not (data.mixup or data.cutmix):
        return None
    from timm.data.mixup import Mixup

    mix = Mixup(
        mixup_alpha=data.mixup,
        cutmix_alpha=data.cutmix,
        label_smoothing=0.0,
        num_classes=classes or 1,
    )
    return Mixing(mix, data.mixup_share, classes)
