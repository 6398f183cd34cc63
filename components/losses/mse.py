"""Match values by their squared difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "mse")
@attrs.frozen
class MSE:
    """Mean over all elements of (student - teacher)^2.

    Source: for features, Romero, Ballas, Kahou, Chassang, Gatta, Bengio, "FitNets: Hints for Thin
    Deep Nets", 2015, arXiv 1412.6550, equation 3. There it is half the sum over a sample; the mean
    keeps a weight's meaning when sizes change.
    """

    ports: ClassVar = (Port("student", "..."), Port("teacher", "..."))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two tensors.

        Args:
            student: "...".
            teacher: "...", the same sizes; no gradient flows into it.

        Returns:
            "", the square of the inputs' unit.
        """
        from graphkd.kernels import mse

        return mse(student, teacher)
