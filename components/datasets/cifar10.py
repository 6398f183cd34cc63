"""Small photographs in 10 classes, read from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from attrs.validators import min_len

from graphkd.component import DataSpec, ImageSpec, Splits, component
from graphkd.components.datasets.cifar import open_cifar
from graphkd.components.datasets.cifar_names import TEN


@component("dataset", "cifar10")
@attrs.frozen
class CIFAR10:
    """60,000 colour photographs of 32x32, 10 classes of 6,000; the files must be there already.

    50,000 images for training and 10,000 for the test; graphkd carves validation out of training.
    The statistics are those of the 50,000.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Attributes:
        root: folder that holds the unpacked archive, relative to the blueprint file.
    """

    root: str = attrs.field(default="data", validator=min_len(1))

    def spec(self, folder: Any) -> DataSpec:
        """Describe the data without reading it."""
        mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
        image = ImageSpec(3, 32, 32, mean=mean, std=std)
        return DataSpec(image, classes=len(TEN), samples=50_000, names=TEN)

    def splits(self, folder: Any) -> Splits:
        """Read the files; ComponentError when they are absent or damaged."""
        from torchvision import datasets

        return open_cifar(datasets.CIFAR10, Path(folder) / Path(self.root).expanduser())
