"""Made-up images, for tests and for measuring speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from attrs.validators import ge

from graphkd.component import DataSpec, ImageSpec, Splits, component

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_CELLS = 4
_LOW, _HIGH, _NOISE = 0.2, 0.8, 0.1


@component("dataset", "fake")
@attrs.frozen
class Fake:
    """Deterministic images: a pattern of the class, plus noise of the sample.

    A class is a 4x4 chequer of values uniform in [0.2, 0.8] in each channel, enlarged to the size.
    A sample adds Gaussian noise of standard deviation 0.1 and is clipped to [0, 1]. So classes are
    easy to learn; a pixel has mean 0.5 and standard deviation sqrt(0.6^2 / 12 + 0.1^2) = 0.2.
    Images are made when they are read; classes follow each other in turn. Validation and test
    have a fifth of the training images each, on top of them.

    Attributes:
        classes: number of classes, at least 2.
        size: height and width in pixels, at least 4.
        channels: number of channels, at least 1.
        samples: number of training images, at least 5.
        seed: another seed gives other patterns and other noise, at least 0.
    """

    classes: int = attrs.field(default=10, validator=ge(2))
    size: int = attrs.field(default=32, validator=ge(_CELLS))
    channels: int = attrs.field(default=3, validator=ge(1))
    samples: int = attrs.field(default=1000, validator=ge(5))
    seed: int = attrs.field(default=0, validator=ge(0))

    def spec(self, folder: Any) -> DataSpec:
        """Describe the images."""
        mean, std = (0.5,) * self.channels, (0.2,) * self.channels
        image = ImageSpec(self.channels, self.size, self.size, mean=mean, std=std)
        return DataSpec(image, classes=self.classes, samples=self.samples)

    def splits(self, folder: Any) -> Splits:
        """Make the patterns; the images are made when they are read."""
        import numpy as np

        shape = (self.classes, self.channels, _CELLS, _CELLS)
        patterns = np.random.default_rng(self.seed).uniform(_LOW, _HIGH, shape)
        counts = (self.samples, self.samples // 5, self.samples // 5)
        train, validation, test = (
            _made(patterns.astype(np.float32), count, size=self.size, stream=(self.seed, split))
            for split, count in enumerate(counts)
        )
        return Splits(train, validation, test)


# not frozen: the Samples protocol asks for a settable `labels`
@attrs.define(eq=False)
class FakeSamples:
    """One split of made-up images.

    Attributes:
        labels: "n" int64.
        patterns: "classes c 4 4" float32.
        size: height and width in pixels.
        stream: what the noise depends on besides the index.
        count: number of samples.
    """

    labels: Tensor | None
    patterns: np.ndarray[Any, Any]
    size: int
    stream: tuple[int, ...]
    count: int

    def __len__(self) -> int:
        """Count the samples."""
        return self.count

    def __getitem__(self, index: int) -> Tensor:
        """Make image `index`, "c h w" float32 in [0, 1]."""
        import numpy as np
        import torch

        cell = np.arange(self.size) * _CELLS // self.size
        image = self.patterns[index % len(self.patterns)][:, cell[:, None], cell]
        noise = np.random.default_rng((*self.stream, index))
        image += _NOISE * noise.standard_normal(image.shape, dtype=np.float32)
        return torch.from_numpy(image.clip(0.0, 1.0))


def _made(
    patterns: np.ndarray[Any, Any], count: int, *, size: int, stream: tuple[int, ...]
) -> FakeSamples:
    import torch

    labels = torch.arange(count) % len(patterns)
    return FakeSamples(labels, patterns, size, stream, count)
