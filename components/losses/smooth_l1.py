"""Match values by their squared difference where it is small, else their absolute one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import gt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "smooth_l1")
@attrs.frozen
class SmoothL1:
    """Mean over all elements of x^2 / (2 beta) where |x| < beta, else |x| - beta / 2.

    Here x = student - teacher.

    Source: Girshick, "Fast R-CNN", 2015, arXiv 1504.08083, equation 3, which has beta = 1.

    Attributes:
        beta: where the square ends, the inputs' unit, above 0.
    """

    ports: ClassVar = (Port("student", "..."), Port("teacher", "..."))

    beta: float = attrs.field(default=1.0, validator=gt(0.0))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two tensors.

        Args:
            student: "...".
            teacher: "...", the same sizes; no gradient flows into it.

        Returns:
            "", the inputs' unit.
        """
        from graphkd.kernels import smooth_l1

        return smooth_l1(student, teacher, beta=self.beta)
