"""Match the teacher's probability of the label, and the other classes renormalized."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, gt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.kernels.terms import Term


@component("loss", "nkd")
@attrs.frozen
class NKD:
    """Mean over the labelled samples of -p_y log q_y - g T^2 sum_{c != y} ph_c log qh_c, in nats.

    p = softmax(teacher), q = softmax(student), y is the label, g is gamma, and ph, qh are the
    softmax of logits / T over the classes other than y. The least value is not 0 but gamma T^2
    times the entropy of ph. A class number of -1 marks a sample without label; of probabilities the
    largest is the label.

    Source: Yang, Zeng, Li, Zhang, Yuan, Li, "From Knowledge Distillation to Self-Knowledge
    Distillation: A Unified Approach with Normalized Loss and Customized Soft Labels", 2023,
    arXiv 2303.13005, section 3.1, whose cross-entropy with the label is a flow of its own here.

    Attributes:
        temperature: T of the other classes, no unit, above 0. Higher is softer.
        gamma: weight of the other classes, no unit, at least 0.
    """

    ports: ClassVar = (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )
    fusion: ClassVar[str] = "logits"
    mean_over: ClassVar[str] = "label"

    temperature: float = attrs.field(default=1.0, validator=gt(0.0))
    gamma: float = attrs.field(default=1.5, validator=ge(0.0))

    def __call__(self, student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.
            label: "b", class numbers, int64, -1 for none; or "b c", probabilities.

        Returns:
            "", nats.
        """
        from graphkd.kernels.nkd import nkd

        return nkd(student, teacher, label, temperature=self.temperature, gamma=self.gamma)

    def term(self, teacher: int) -> Term:
        """Say what it adds to a fused loss over logits.

        Args:
            teacher: number of the teacher there.
        """
        from graphkd.kernels import terms

        return terms.NKD(teacher, self.temperature, self.gamma)
