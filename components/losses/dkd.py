"""Match the teacher's probability of the label and, apart from it, those of the other classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, gt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.kernels.terms import Term


@component("loss", "dkd")
@attrs.frozen
class DKD:
    """T^2 times the mean over the labelled samples of alpha TCKD + beta NCKD, in nats.

    With p = softmax(teacher / T), q = softmax(student / T), y the label, and ph, qh the softmax
    over the classes other than y:

    - TCKD = p_y log(p_y / q_y) + (1 - p_y) log((1 - p_y) / (1 - q_y))
    - NCKD = sum_{c != y} ph_c log(ph_c / qh_c)

    `kl` is TCKD + (1 - p_y) NCKD: there the other classes count the less, the surer the teacher is.
    A class number of -1 marks a sample without label; of probabilities the largest is the label.

    Source: Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", 2022, arXiv 2203.08679,
    equation 7. The paper adds a cross-entropy with the label, and lets this loss grow over the
    first 20 epochs: a flow of its own, and a ramp as weight.

    Attributes:
        temperature: T, no unit, above 0. Higher is softer.
        alpha: weight of TCKD, no unit, at least 0.
        beta: weight of NCKD, no unit, at least 0.
    """

    ports: ClassVar = (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )
    fusion: ClassVar[str] = "logits"
    mean_over: ClassVar[str] = "label"

    temperature: float = attrs.field(default=4.0, validator=gt(0.0))
    alpha: float = attrs.field(default=1.0, validator=ge(0.0))
    beta: float = attrs.field(default=8.0, validator=ge(0.0))

    def __call__(self, student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.
            label: "b", class numbers, int64, -1 for none; or "b c", probabilities.

        Returns:
            "", nats.
        """
        from graphkd.kernels.dkd import dkd

        return dkd(
            student,
            teacher,
            label,
            temperature=self.temperature,
            alpha=self.alpha,
            beta=self.beta,
        )

    def term(self, teacher: int) -> Term:
        """Say what it adds to a fused loss over logits.

        Args:
            teacher: number of the teacher there.
        """
        from graphkd.kernels import terms

        return terms.DKD(teacher, self.temperature, self.alpha, self.beta)
