"""Match the teacher's softened class probabilities, smoothed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, gt, lt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "soft_cross_entropy")
@attrs.frozen
class SoftCrossEntropy:
    """-T^2 times the mean over the batch of sum_c q_c log p_c, in nats.

    p = softmax(student / T) and q = (1 - s) softmax(teacher / T) + s / c, with the smoothing s over
    c classes; for direction reverse the sum is sum_c p_c log q_c. Without smoothing and forward it
    has the gradient of the KL loss, and differs from it by T^2 times the entropy of q.

    Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really
    Work?", 2021, arXiv 2106.05945, both directions; "Gap Preserving Distillation" (GPD), 2024,
    arXiv 2410.04140, whose code smooths the target by 0.1.

    Attributes:
        temperature: T, no unit, above 0. Higher is softer.
        smoothing: s, share of the target that all classes have alike, no unit, from 0 to below 1.
        direction: forward covers all the teacher finds likely, reverse keeps off what it finds
            unlikely.
    """

    ports: ClassVar = (Port("student", "b c"), Port("teacher", "b c"))

    temperature: float = attrs.field(default=1.0, validator=gt(0.0))
    smoothing: float = attrs.field(default=0.0, validator=[ge(0.0), lt(1.0)])
    direction: Literal["forward", "reverse"] = "forward"

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.

        Returns:
            "", nats.
        """
        from torch.nn import functional as F

        log_student = F.log_softmax(student.float() / self.temperature, dim=-1)
        log_teacher = F.log_softmax(teacher.detach().float() / self.temperature, dim=-1)
        if self.smoothing:
            share = self.smoothing / log_teacher.shape[-1]
            log_teacher = ((1.0 - self.smoothing) * log_teacher.exp() + share).log()
        given, compared = log_teacher, log_student
        if self.direction == "reverse":
            given, compared = log_student, log_teacher
        return -(self.temperature**2) * (given.exp() * compared).sum(dim=-1).mean()
