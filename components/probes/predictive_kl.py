"""Measure how far the student's class probabilities are from the teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("probe", "predictive_kl")
@attrs.frozen
class PredictiveKL:
    """Mean over the batch of KL(softmax(teacher) || softmax(student)), in nats.

    The temperature is 1, whatever the training uses, so that runs can be compared.

    Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really
    Work?", 2021, arXiv 2106.05945, average predictive KL.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits; no gradient.
            teacher: "b c", logits; no gradient.

        Returns:
            "", nats, 0 or more; 0 for an empty batch.
        """
        from graphkd.kernels import kl

        return kl(student.detach(), teacher, temperature=1.0)
