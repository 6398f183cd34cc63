"""Match the teacher's softened class probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import gt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.kernels.terms import Term


@component("loss", "kl")
@attrs.frozen
class KL:
    """T^2 times the mean over the batch of KL(teacher / T || student / T), in nats.

    With p = softmax(teacher / T), q = softmax(student / T) and m = (p + q) / 2, the divergence is
    KL(p || q) = sum_c p_c log(p_c / q_c) for direction forward, KL(q || p) for reverse, and
    KL(p || m) / 2 + KL(q || m) / 2 for jensen_shannon. The factor T^2 keeps the size of the
    gradient when T changes.

    Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural
    Network", 2015, arXiv 1503.02531, section 2; the paper has forward only.

    Attributes:
        temperature: T, no unit, above 0. Higher is softer.
        direction: forward covers all the teacher finds likely, reverse keeps off what it finds
            unlikely, jensen_shannon is the bounded mean of both.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))
    fusion: ClassVar[str] = "logits"

    temperature: float = attrs.field(default=4.0, validator=gt(0.0))
    direction: Literal["forward", "reverse", "jensen_shannon"] = "forward"

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.

        Returns:
            "", nats.
        """
        from graphkd.kernels import kl

        return kl(student, teacher, temperature=self.temperature, direction=self.direction)

    def term(self, teacher: int) -> Term:
        """Say what it adds to a fused loss over logits.

        Args:
            teacher: number of the teacher there.
        """
        from graphkd.kernels import terms

        return terms.KL(teacher, self.temperature, self.direction)
