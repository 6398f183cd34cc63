"""Built-in augmentations."""

from graphkd.components.augmentations.blur import GaussianBlur
from graphkd.components.augmentations.color import (
    ColorJitter,
    RandAugment,
    RandomGrayscale,
    TrivialAugment,
)
from graphkd.components.augmentations.geometry import (
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
)
from graphkd.components.augmentations.noise import GaussianNoise, RandomErasing
from graphkd.components.augmentations.perspective import RandomPerspective

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "RandAugment",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomGrayscale",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "TrivialAugment",
]
