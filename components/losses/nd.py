"""Turn an embedding towards its class, and make it as long as the teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "nd")
@attrs.frozen
class ND:
    """Mean over the samples of 1 - <s, e> / max(|s|, |t|), no unit, 0 to 2.

    s and t are the embeddings of student and teacher, e the class mean at length 1. A student's
    vector that is shorter than the teacher's is rewarded for growing and for turning towards e, a
    longer one for turning only. A sample whose class mean is the zero vector has no class and
    counts for nothing; where none has one the loss and its gradient are 0. Where both lengths are
    equal the gradient is that of the longer one.

    Source: Wang, Zheng, Zhang, Tan, Wang, "Improving Knowledge Distillation via Regularizing
    Feature Norm and Direction", 2023, arXiv 2305.17007.
    """

    ports: ClassVar = (Port("student", "b d"), Port("teacher", "b d"), Port("centre", "b d"))

    def __call__(self, student: Tensor, teacher: Tensor, centre: Tensor) -> Tensor:
        """Compare embeddings.

        Args:
            student: "b d".
            teacher: "b d", read for its length; no gradient flows into it.
            centre: "b d", the mean of each sample's class, of any length, or 0 for no class; no
                gradient flows into it.

        Returns:
            "", no unit.
        """
        from graphkd.kernels import norm_and_direction

        return norm_and_direction(student, teacher, centre)
