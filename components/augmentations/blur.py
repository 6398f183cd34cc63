"""Blur an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs.validators import ge

from graphkd.component import ImageSpec, component
from graphkd.components.augmentations.ranges import rising
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor


@component("augmentation", "gaussian_blur")
@attrs.frozen
class GaussianBlur:
    """Average each pixel with its neighbours, weighted by a Gaussian; mirrored at the edges.

    Attributes:
        kernel: side of the square of neighbours, in pixels, odd and at least 3.
        sigma: smallest and largest standard deviation, in pixels, above 0; uniform between.
    """

    kernel: int = attrs.field(default=3, validator=ge(3))
    sigma: tuple[float, float] = attrs.field(default=(0.1, 2.0), validator=rising)

    @kernel.validator
    def _odd(self, attribute: Any, value: int) -> None:
        if value % 2 == 0:
            raise ValueError(f"'kernel' must be odd: {value}")

    def build(self, image: ImageSpec) -> Callable[[Tensor], Tensor]:
        """Make the function; ComponentError where the images are too small to be mirrored."""
        from torchvision.transforms import v2

        if self.kernel // 2 >= min(image.height, image.width):
            raise ComponentError(
                f"a kernel of {self.kernel} pixels is too large for images of "
                f"{image.height}x{image.width}; lower it",
                field="kernel",
            )
        return cast("Callable[[Tensor], Tensor]", v2.GaussianBlur(self.kernel, list(self.sigma)))
