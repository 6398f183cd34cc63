"""Change colours, alone or among other operations; for images with 1 or 3 channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs.validators import and_, ge, gt, le

from graphkd.component import ImageSpec, component, name_of
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor

# torchvision knows this many levels of each operation: magnitudes 0 to 30
_LEVELS = 31


@component("augmentation", "color_jitter")
@attrs.frozen
class ColorJitter:
    """Change brightness, contrast, saturation and hue, in random order.

    Each of the first three is multiplied by a factor uniform in [max(0, 1 - x), 1 + x]; the hue is
    shifted by a part of the colour circle uniform in [-x, x]. Grey images keep saturation and hue.

    Attributes:
        brightness: x, no unit, at least 0.
        contrast: x, no unit, at least 0.
        saturation: x, no unit, at least 0.
        hue: x, in turns of the colour circle, 0 to 0.5.
    """

    brightness: float = attrs.field(default=0.4, validator=ge(0.0))
    contrast: float = attrs.field(default=0.4, validator=ge(0.0))
    saturation: float = attrs.field(default=0.4, validator=ge(0.0))
    hue: float = attrs.field(default=0.0, validator=and_(ge(0.0), le(0.5)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function; ComponentError where the images have other than 1 or 3 channels."""
        from torchvision.transforms import v2

        _need_grey_or_colour(self, image)
        jitter = v2.ColorJitter(self.brightness, self.contrast, self.saturation, self.hue)
        return cast("Callable[[Tensor], Tensor]", jitter)


@component("augmentation", "random_grayscale")
@attrs.frozen
class RandomGrayscale:
    """Take the colour out: each channel becomes 0.299 red + 0.587 green + 0.114 blue.

    Grey images stay as they are.

    Attributes:
        probability: how often, above 0 and at most 1.
    """

    probability: float = attrs.field(default=0.1, validator=and_(gt(0.0), le(1.0)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function; ComponentError where the images have other than 1 or 3 channels."""
        from torchvision.transforms import v2

        _need_grey_or_colour(self, image)
        return cast("Callable[[Tensor], Tensor]", v2.RandomGrayscale(self.probability))


@component("augmentation", "rand_augment")
@attrs.frozen
class RandAugment:
    """Apply a few operations out of fourteen, all of one strength, black outside.

    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
    space", 2020, arXiv 1909.13719. Bilinear where the reference takes the nearest pixel.

    Attributes:
        operations: how many, one after the other, at least 1.
        magnitude: strength, 0 to 30.
    """

    operations: int = attrs.field(default=2, validator=ge(1))
    magnitude: int = attrs.field(default=9, validator=and_(ge(0), le(_LEVELS - 1)))

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function; ComponentError where the images have other than 1 or 3 channels."""
        from torchvision.transforms import v2

        _need_grey_or_colour(self, image)
        policy = v2.RandAugment(
            self.operations,
            self.magnitude,
            num_magnitude_bins=_LEVELS,
            interpolation=v2.InterpolationMode.BILINEAR,
        )
        return cast("Callable[[Tensor], Tensor]", policy)


@component("augmentation", "trivial_augment")
@attrs.frozen
class TrivialAugment:
    """Apply one operation out of fourteen, of random strength, black outside; no parameters.

    Shifts reach 32 pixels, whatever the size of the image.

    Source: Müller, Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation",
    2021, arXiv 2103.10158, the wide space. Bilinear where the reference takes the nearest pixel.
    """

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function; ComponentError where the images have other than 1 or 3 channels."""
        from torchvision.transforms import v2

        _need_grey_or_colour(self, image)
        policy = v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR)
        return cast("Callable[[Tensor], Tensor]", policy)


def _need_grey_or_colour(augmentation: Any, image: ImageSpec) -> None:
    if image.channels not in (1, 3):
        raise ComponentError(
            f"{name_of(augmentation)} changes colours: it needs images with 1 or 3 channels, "
            f"these have {image.channels}"
        )
