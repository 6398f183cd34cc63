"""Built-in augmentations."""

from graphkd.components.augmentations.color import ColorJitter, RandAugment, TrivialAugment
from graphkd.components.augmentations.geometry import (
    RandomAffine,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomRotation,
)
from graphkd.components.augmentations.noise import GaussianNoise, RandomErasing

__all__ = [
    "ColorJitter",
    "GaussianNoise",
    "RandAugment",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "TrivialAugment",
]
