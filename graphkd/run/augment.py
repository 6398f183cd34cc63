"""The steps of augmentation as one function of an image."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import torch
from torch import Tensor

from graphkd.blueprint import Data
from graphkd.component import ImageSpec
from graphkd.errors import ComponentError


@attrs.frozen
class Chain:
    """Steps of augmentation, one after another, or none of them.

    Attributes:
        steps: each from one "c h w" image to another, by torch's global CPU generator alone.
        probability: how often all of them are taken, no unit, above 0 and at most 1.
    """

    steps: tuple[Callable[[Tensor], Tensor], ...]
    probability: float

    def __call__(self, image: Tensor) -> Tensor:
        """Augment an image, "c h w" float32 in [0, 1]."""
        # with probability 1 nothing is drawn: the steps see the stream from its beginning
        if self.probability < 1.0 and torch.rand(()) >= self.probability:
            return image
        for step in self.steps:
            image = step(image)
        return image


def augmentation_of(data: Data, image: ImageSpec) -> Callable[[Tensor], Tensor] | None:
    """Make what augments a training image; None where nothing does.

    Args:
        data: says how.
        image: channels and size of the images.

    Raises:
        ComponentError: a step cannot work on such images; `field` is `augment.N`, with the number
            of the step, from 0, or a parameter of it.
    """
    steps = []
    for number, each in enumerate(data.augment):
        try:
            steps.append(each.component.build(image))
        except ComponentError as error:
            field = f"augment.{number}.{error.field}".removesuffix(".")
            raise ComponentError(str(error), field=field) from error
    return Chain(tuple(steps), data.augment_probability) if steps else None
