"""Look at an image from the side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs.validators import and_, gt, le

from graphkd.component import ImageSpec, component

if TYPE_CHECKING:
    from torch import Tensor


@component("augmentation", "random_perspective")
@attrs.frozen
class RandomPerspective:
    """Move the four corners inwards, each at random, bilinearly, black outside.

    Each corner moves uniformly along both axes, by up to x times half of the side.

    Attributes:
        distortion: x, no unit, above 0 and at most 1.
        probability: how often, above 0 and at most 1.
    """

    distortion: float = attrs.field(default=0.5, validator=and_(gt(0.0), le(1.0)))
    probability: float = attrs.field(default=0.5, validator=and_(gt(0.0), le(1.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        return partial(_moved, move=v2.RandomPerspective(self.distortion, self.probability))


def _moved(image: Tensor, *, move: Callable[[Tensor], Tensor]) -> Tensor:
    # where the horizon crosses a pixel, its place is infinite or no number: that is outside
    return move(image).nan_to_num(0.0)
