"""A table of class means that is summed up batch by batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class ClassTable(nn.Module):
    """The mean vector of each class.

    Attributes:
        mean: "c d", float32; 0 before the fit.
    """

    mean: Tensor

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(classes, width))
        self._sum, self._count = self._empty()

    def _empty(self) -> tuple[Tensor, Tensor]:
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        return total, total.new_zeros(len(total))

    def begin(self) -> None:
        """Forget what was summed."""
        self._sum, self._count = self._empty()

    def update(self, value: Tensor, label: Tensor) -> None:
        """Add a batch.

        Args:
            value: "b d".
            label: "b", class numbers, -1 for none, or "b c", probabilities.
        """
        shares = self._shares(label).double()
        self._sum += shares.T @ value.double()
        self._count += shares.sum(dim=0)

    def finish(self) -> None:
        """Turn sums into means, over the batches of all processes.

        Raises:
            ValueError: a class had no sample.
        """
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(self._sum)
            dist.all_reduce(self._count)
        absent = (self._count == 0).nonzero().flatten().tolist()
        if absent:
            listed = ", ".join(map(str, absent))
            raise ValueError(
                f"class_means saw no labelled sample of class {listed}; fit it on samples of every "
                "class, as with data: {labels_per_class: null} in that phase"
            )
        self.mean.copy_(self._sum / self._count.unsqueeze(1))

    def forward(self, label: Tensor) -> Tensor:
        """Give each sample its class mean.

        Args:
            label: "b", class numbers, -1 for none, or "b c", probabilities.

        Returns:
            "b d", float32; 0 for a sample without label.
        """
        return self._shares(label).to(self.mean.dtype) @ self.mean

    def _shares(self, label: Tensor) -> Tensor:
        """Give labels as probabilities, "b c"; all 0 for none."""
        if label.is_floating_point():
            return label
        return label.unsqueeze(1) == torch.arange(len(self.mean), device=label.device)
