"""Scanned handwritten digits that come with scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge

from graphkd.component import DataSpec, ImageSpec, Splits, component
from graphkd.components.datasets.stored import Stored

if TYPE_CHECKING:
    import numpy as np

_TRAIN = 1000
_VALIDATION = 197
_TEST = 600


@component("dataset", "digits")
@attrs.frozen
class Digits:
    """1797 scans of handwritten digits, 10 classes, 1 channel; nothing is downloaded.

    The scans are 8x8 with values 0 to 16; they are divided by 16 and enlarged bilinearly. The split
    is fixed: 1000 images for training, 197 for validation, 600 for the test, the classes spread
    evenly over the three. The statistics are those of the training images at the default size; at
    sizes 16 to 224 the standard deviation is within 3 percent of it, at 8 it is 0.38.

    Source: Alpaydin, Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998; the test part of it, as in scikit-learn's `load_digits`.

    Attributes:
        size: height and width in pixels, at least 8.
    """

    size: int = attrs.field(default=32, validator=ge(8))

    def spec(self, folder: Any) -> DataSpec:
        """Describe the data without reading it."""
        image = ImageSpec(1, self.size, self.size, mean=(0.3049,), std=(0.3238,))
        return DataSpec(image, classes=10, samples=_TRAIN, names=tuple("0123456789"))

    def splits(self, folder: Any) -> Splits:
        """Read the scans from the scikit-learn package."""
        import torch
        from sklearn.datasets import load_digits
        from torch.nn import functional as F

        scans = load_digits()
        images = torch.from_numpy(scans.images).float().unsqueeze(1) / 16
        images = F.interpolate(images, size=(self.size, self.size), mode="bilinear")
        labels = torch.from_numpy(scans.target).long()
        train, validation, test = (
            Stored(images[part], labels[part]) for part in _fixed_split(scans.target)
        )
        return Splits(train, validation, test)


def _fixed_split(labels: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Shuffle within each class, then deal the classes out evenly.

    Args:
        labels: "n", class numbers.

    Returns:
        Ascending indices for training, validation and test; disjoint, together all of them.
    """
    import numpy as np

    # RandomState's stream is frozen for good, so published numbers keep their meaning
    order = np.random.RandomState(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    test = _evenly(len(order), _TEST)
    rest = order[~test]
    validation = _evenly(len(rest), _VALIDATION)
    return np.sort(rest[~validation]), np.sort(rest[validation]), np.sort(order[test])


def _evenly(count: int, wanted: int) -> np.ndarray[Any, Any]:
    """Mark exactly `wanted` of `count` places, evenly spaced."""
    import numpy as np

    steps = np.arange(count + 1) * wanted // count
    return np.diff(steps) > 0
