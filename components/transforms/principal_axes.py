"""Principal directions that are summed up batch by batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

NOTHING = 1e-10
"""Variance that is taken for 0, as a share of the largest."""
ROUNDING = 1e-14
"""The same, as a share of the squared mean: that of values with seven digits."""


class PrincipalAxes(nn.Module):
    """Mean and principal directions of vectors.

    Args:
        width: D, size of the vectors.
        directions: the most that there may be; None for D.
        keep: share of the variance that is kept at least, above 0 to 1.
        whiten: whether coordinates are divided by their standard deviation.

    Attributes:
        mean: "D".
        basis: "D k", orthonormal columns by falling variance; 0 past the rank.
        variance: "k", along each direction.
        kept: "k", bool, which directions are in use.
        gain: "k", what coordinates are multiplied with: 1 or one over the standard deviation, and
            0 for directions that are not in use.
        scale: "", root mean square distance from the mean, over all D directions.
    """

    mean: Tensor
    basis: Tensor
    variance: Tensor
    kept: Tensor
    gain: Tensor
    scale: Tensor

    def __init__(
        self, width: int, directions: int | None = None, *, keep: float = 1.0, whiten: bool = False
    ) -> None:
        super().__init__()
        self.keep = keep
        self.whiten = whiten
        self.demanded = directions is not None
        count = min(directions or width, width)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("basis", torch.zeros(width, count))
        self.register_buffer("variance", torch.zeros(count))
        self.register_buffer("kept", torch.zeros(count, dtype=torch.bool))
        self.register_buffer("gain", torch.zeros(count))
        self.register_buffer("scale", torch.zeros(()))
        self._sums: tuple[Tensor, Tensor, Tensor] | None = None

    def begin(self) -> None:
        """Forget what was summed."""
        width = len(self.mean)
        zero = torch.zeros((), dtype=torch.float64, device=self.mean.device)
        self._sums = zero, zero.new_zeros(width), zero.new_zeros(width, width)

    def update(self, value: Tensor) -> None:
        """Add a batch.

        Args:
            value: "b d".
        """
        assert self._sums is not None
        count, total, products = self._sums
        exact = value.double()
        count += len(exact)
        total += exact.sum(dim=0)
        products.addmm_(exact.T, exact)

    def finish(self) -> None:
        """Find the directions of what was summed, over the batches of all processes.

        Raises:
            ValueError: there were too few samples, or they do not differ.
        """
        assert self._sums is not None
        if dist.is_available() and dist.is_initialized():
            for each in self._sums:
                dist.all_reduce(each)
        # on the CPU, so that the directions do not depend on the device
        count, total, products = (each.cpu() for each in self._sums)
        self._sums = None
        number = int(count)
        self._require_enough(number)
        mean = total / number
        covariance = (products - number * torch.outer(mean, mean)) / (number - 1)
        self._take(mean, covariance, most=number - 1)

    def forward(self, value: Tensor) -> Tensor:
        """Give the coordinates of vectors.

        Args:
            value: "b d".

        Returns:
            "b k", 0 for directions that are not in use.
        """
        return self.rotate(value - self.mean)

    def rotate(self, difference: Tensor) -> Tensor:
        """Give the coordinates of differences from the mean, "b d" to "b k"."""
        return difference @ self.basis * self.gain

    def _require_enough(self, number: int) -> None:
        if number < 2:
            raise ValueError(f"coordinates saw {number} samples, but a variance needs 2 or more")
        count = len(self.variance)
        if self.demanded and number <= count:
            raise ValueError(
                f"coordinates saw {number} samples, but {count} directions need {count + 1} or "
                f"more; fit it on more samples, or write directions: {number - 1}"
            )

    def _take(self, mean: Tensor, covariance: Tensor, *, most: int) -> None:
        """Keep the first of at most so many directions."""
        if not covariance.isfinite().all():
            raise ValueError("coordinates saw values that are not finite")
        values, vectors = torch.linalg.eigh(covariance)
        values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
        # beside a large mean the sums leave some rounding
        if values[0] <= ROUNDING * mean.square().sum():
            raise ValueError("coordinates saw samples that are all the same")
        rank = min(int((values >= NOTHING * values[0]).sum()), most)
        used = min(_enough(values, self.keep), rank, len(self.variance))
        inside = torch.arange(len(self.variance)) < rank
        values, vectors = values[: len(inside)] * inside, vectors[:, : len(inside)] * inside
        kept = torch.arange(len(inside)) < used
        self.mean.copy_(mean)
        self.basis.copy_(vectors * _signs(vectors))
        self.variance.copy_(values)
        self.kept.copy_(kept)
        self.gain.copy_(torch.where(kept, values, 1.0).rsqrt() * kept if self.whiten else kept)
        self.scale.copy_(covariance.trace().sqrt())


def _enough(values: Tensor, share: float) -> int:
    """Count the largest variances that together have that share of all."""
    if share == 1.0:
        return len(values)
    reached = values.cumsum(0) >= share * values.sum()
    return int((~reached).sum()) + 1


def _signs(vectors: Tensor) -> Tensor:
    """Say by which sign each column's largest entry becomes positive."""
    largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    return torch.where(largest < 0, -1.0, 1.0)
