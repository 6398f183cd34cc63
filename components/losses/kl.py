"""Match the teacher's softened class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import gt

from graphkd import kernels
from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "kl")
@attrs.frozen
class KL:
    """T^2 times the mean over the batch of KL(teacher / T || student / T), in nats.

    The factor T^2 keeps the size of the gradient when T changes.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural
    Network", 2015, arXiv 1503.02531, section 2.

    Attributes:
        temperature: T, no unit, above 0. Higher is softer.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))

    temperature: float = attrs.field(default=4.0, validator=gt(0.0))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.

        Returns:
            "", nats.
        """
        return kernels.kl(student, teacher, temperature=self.temperature)
