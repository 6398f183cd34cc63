"""Change where things are in an image: shift, mirror, turn, scale, cut out.

Like every augmentation: what `build` returns takes one image, "c h w" float32 in [0, 1], leaves it
unchanged, returns a new one of the same shape, and draws from torch's global CPU generator alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

import attrs
from attrs.validators import and_, ge, gt, le, lt

from graphkd.component import ImageSpec, component
from graphkd.components.augmentations.ranges import rising

if TYPE_CHECKING:
    from torch import Tensor


@component("augmentation", "random_crop")
@attrs.frozen
class RandomCrop:
    """Pad with black, then cut out a window of the image's size at a random place.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, arXiv 1512.03385,
    section 4.2.

    Attributes:
        padding: pixels on each side, at least 1; the image shifts by up to as many.
    """

    padding: int = attrs.field(default=4, validator=ge(1))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function for images of this size."""
        from torchvision.transforms import v2

        crop = v2.RandomCrop((image.height, image.width), padding=self.padding)
        return cast("Callable[[Tensor], Tensor]", crop)


@component("augmentation", "random_flip")
@attrs.frozen
class RandomFlip:
    """Mirror left and right.

    Attributes:
        probability: how often, above 0 and at most 1.
    """

    probability: float = attrs.field(default=0.5, validator=and_(gt(0.0), le(1.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        return cast("Callable[[Tensor], Tensor]", v2.RandomHorizontalFlip(self.probability))


@component("augmentation", "random_vertical_flip")
@attrs.frozen
class RandomVerticalFlip:
    """Mirror top and bottom.

    Attributes:
        probability: how often, above 0 and at most 1.
    """

    probability: float = attrs.field(default=0.5, validator=and_(gt(0.0), le(1.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        return cast("Callable[[Tensor], Tensor]", v2.RandomVerticalFlip(self.probability))


@component("augmentation", "random_affine")
@attrs.frozen
class RandomAffine:
    """Turn, shift and scale about the centre, bilinearly, black outside.

    The angle, both shifts and the factor are drawn uniformly, each on its own.

    Attributes:
        degrees: largest turn to either side, in degrees, 0 to 180.
        translate: largest shift along each axis, in pixels, at least 0.
        scale: largest change of size, no unit, from 0 to below 1: 0.1 scales by 0.9 to 1.1.
    """

    degrees: float = attrs.field(default=10.0, validator=and_(ge(0.0), le(180.0)))
    translate: float = attrs.field(default=2.0, validator=ge(0.0))
    scale: float = attrs.field(default=0.1, validator=and_(ge(0.0), lt(1.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        return partial(_affine, degrees=self.degrees, translate=self.translate, scale=self.scale)


def _affine(image: Tensor, *, degrees: float, translate: float, scale: float) -> Tensor:
    import torch
    from torchvision.transforms.v2 import InterpolationMode, functional

    # half the time of v2.RandomAffine, which also rounds shifts to whole pixels
    angle, right, down, size = (torch.rand(4) * 2 - 1).tolist()
    moved = functional.affine(
        image,
        angle * degrees,
        [right * translate, down * translate],
        1 + size * scale,
        [0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    return cast("Tensor", moved)


@component("augmentation", "random_rotation")
@attrs.frozen
class RandomRotation:
    """Turn about the centre by a uniform angle, bilinearly, black outside.

    Attributes:
        degrees: largest turn to either side, in degrees, above 0 and at most 180.
    """

    degrees: float = attrs.field(default=15.0, validator=and_(gt(0.0), le(180.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function."""
        from torchvision.transforms import v2

        turn = v2.RandomRotation(self.degrees, interpolation=v2.InterpolationMode.BILINEAR)
        return cast("Callable[[Tensor], Tensor]", turn)


@component("augmentation", "random_resized_crop")
@attrs.frozen
class RandomResizedCrop:
    """Cut out a random part and resize it to the image's size, bilinearly and antialiased.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, arXiv 1409.4842, section 6.

    Attributes:
        scale_min: smallest part of the area, above 0 and at most 1; the largest is all of it.
        ratio: lowest and highest width / height of the part, log-uniform, above 0.
    """

    scale_min: float = attrs.field(default=0.08, validator=and_(gt(0.0), le(1.0)))
    ratio: tuple[float, float] = attrs.field(default=(3 / 4, 4 / 3), validator=rising)

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function for images of this size."""
        from torchvision.transforms import v2

        crop = v2.RandomResizedCrop(
            (image.height, image.width), scale=(self.scale_min, 1.0), ratio=self.ratio
        )
        return cast("Callable[[Tensor], Tensor]", crop)
