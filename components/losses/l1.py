"""Match values by their absolute difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "l1")
@attrs.frozen
class L1:
    """Mean over all elements of |student - teacher|.

    Outliers pull less than under `mse`: each element's gradient has the same size.
    """

    ports: ClassVar = (Port("student", "..."), Port("teacher", "..."))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two tensors.

        Args:
            student: "...".
            teacher: "...", the same sizes; no gradient flows into it.

        Returns:
            "", the inputs' unit.
        """
        from graphkd.kernels import l1

        return l1(student, teacher)
