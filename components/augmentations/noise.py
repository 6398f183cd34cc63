"""Destroy a part of an image: blank a rectangle, add noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs.validators import and_, gt, le

from graphkd.component import ImageSpec, component
from graphkd.components.augmentations.ranges import rising

if TYPE_CHECKING:
    from torch import Tensor


@component("augmentation", "random_erasing")
@attrs.frozen
class RandomErasing:
    """Blank a random rectangle with black.

    Source: Zhong et al., "Random Erasing Data Augmentation", 2020, arXiv 1708.04896.

    Attributes:
        probability: how often, above 0 and at most 1.
        area: smallest and largest part of the image, above 0 and at most 1.
        ratio: lowest and highest height / width of the rectangle, log-uniform, above 0.
    """

    probability: float = attrs.field(default=0.25, validator=and_(gt(0.0), le(1.0)))
    area: tuple[float, float] = attrs.field(default=(0.02, 0.33), validator=rising)
    ratio: tuple[float, float] = attrs.field(default=(0.3, 3.3), validator=rising)

    @area.validator
    def _part_of_the_image(self, attribute: Any, value: tuple[float, float]) -> None:
        if value[1] > 1.0:
            raise ValueError(f"'area' must be at most 1: {value}")

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        erase = v2.RandomErasing(self.probability, scale=self.area, ratio=self.ratio)
        return cast("Callable[[Tensor], Tensor]", erase)


@component("augmentation", "gaussian_noise")
@attrs.frozen
class GaussianNoise:
    """Add independent Gaussian noise to every value and clip to [0, 1].

    Attributes:
        std: standard deviation, in units of the values, which are in [0, 1]; above 0.
    """

    std: float = attrs.field(default=0.05, validator=gt(0.0))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        return cast("Callable[[Tensor], Tensor]", v2.GaussianNoise(sigma=self.std))
