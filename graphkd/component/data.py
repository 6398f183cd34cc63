"""What a data set component offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs

from graphkd.component.base import ImageSpec

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen
class DataSpec:
    """What is known of a data set without reading it.

    Attributes:
        image: channels, size and statistics of the images.
        classes: number of classes; 0 for a data set without labels.
        samples: number of samples in the training split, before validation is carved out of it;
            None where only reading the data tells. Values of `index` lie below it, but for images
            of further data sets.
        names: of the classes, in their order; empty where they are not known.
    """

    image: ImageSpec
    classes: int
    samples: int | None = None
    names: tuple[str, ...] = ()


class Samples(Protocol):
    """One split of a data set."""

    @property
    def labels(self) -> Tensor | None:
        """Class numbers, "n" int64, known without reading an image; None without labels."""
        ...

    def __len__(self) -> int:
        """Count the samples."""
        ...

    def __getitem__(self, index: int) -> Tensor:
        """Return image `index`, "c h w" float32 in [0, 1], always the same pixels."""
        ...


@attrs.frozen
class Splits:
    """The parts of a data set, kept apart.

    Attributes:
        train: what is learnt from.
        validation: what the best checkpoint is chosen on; None to carve it out of `train`.
        test: what is reported at the end, and never looked at before.
    """

    train: Samples
    validation: Samples | None
    test: Samples


class Dataset(Protocol):
    """What graphkd calls on a data set component."""

    def spec(self, folder: Any) -> DataSpec:
        """Describe the data without reading images; `folder` is where relative paths start."""
        ...

    def splits(self, folder: Any) -> Splits:
        """Open the data; ComponentError when files are absent or a split is empty."""
        ...
