"""Samples that lie in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from torch import Tensor


# not frozen: the Samples protocol asks for a settable `labels`
@attrs.define(eq=False)
class Stored:
    """One split held as a single tensor.

    Attributes:
        images: "n c h w", float32 in [0, 1], or uint8 in 0 to 255.
        labels: "n" int64.
    """

    images: Tensor
    labels: Tensor | None

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        """Return image `index`, "c h w" float32 in [0, 1]."""
        return _as_float(self.images[index])

    def batch(self, indices: Tensor) -> Tensor:
        """Return many images at once, bit for bit those of `[]`.

        Args:
            indices: "b" int64.

        Returns:
            "b c h w" float32 in [0, 1].
        """
        return _as_float(self.images[indices])


def _as_float(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images.float() / 255
