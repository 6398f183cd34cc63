"""Measure how often student and teacher answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("probe", "agreement")
@attrs.frozen
class Agreement:
    """Share of samples in which student and teacher find the same class most likely, 0 to 1.

    Whether that class is right does not matter. Among equal logits the lowest class number counts.

    Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really
    Work?", 2021, arXiv 2106.05945, average top-1 agreement; there in percent.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits; no gradient.
            teacher: "b c", logits; no gradient.

        Returns:
            "", no unit, 0 to 1; 0 for an empty batch.
        """
        from graphkd.kernels import agreement

        return agreement(student, teacher)
