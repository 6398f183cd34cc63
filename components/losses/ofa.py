"""Match the teacher's class probabilities, the more closely the surer it is of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import gt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.kernels.terms import Term


@component("loss", "ofa")
@attrs.frozen
class OFA:
    """Mean over the labelled samples of -((1 + p_y)^g - 1) log q_y - sum_{c != y} w_c log q_c.

    It is in nats. p = softmax(teacher / T), q = softmax(student / T), y is the label, g is gamma
    and w_c = p_c^g, or p_c without `nontarget_power`. There is no factor T^2. With gamma 1 it is
    the cross-entropy with p. A class number of -1 marks a sample without label; of probabilities
    the largest is the label.

    Source: Hao, Guo, Han, Tang, Hu, Wang, Xu, "One-for-All: Bridge the Gap Between Heterogeneous
    Architectures in Knowledge Distillation", 2023, arXiv 2310.19444, equation 6, whose hard label
    is a `cross_entropy` flow of its own here; the power on the other classes is in the authors'
    code only.

    Attributes:
        temperature: T, no unit, above 0. Higher is softer.
        gamma: the power, no unit, above 0. Higher follows an unsure teacher less.
        nontarget_power: the power acts on the other classes too.
    """

    ports: ClassVar = (
        Port("student", "b c"),
        Port("teacher", "b c"),
        Port("label", "b | b c", index="c"),
    )
    fusion: ClassVar[str] = "logits"
    mean_over: ClassVar[str] = "label"

    temperature: float = attrs.field(default=1.0, validator=gt(0.0))
    gamma: float = attrs.field(default=1.0, validator=gt(0.0))
    nontarget_power: bool = True

    def __call__(self, student: Tensor, teacher: Tensor, label: Tensor) -> Tensor:
        """Compare two sets of logits.

        Args:
            student: "b c", logits.
            teacher: "b c", logits; no gradient flows into it.
            label: "b", class numbers, int64, -1 for none; or "b c", probabilities.

        Returns:
            "", nats.
        """
        from graphkd.kernels.ofa import ofa

        return ofa(
            student,
            teacher,
            label,
            temperature=self.temperature,
            gamma=self.gamma,
            nontarget_power=self.nontarget_power,
        )

    def term(self, teacher: int) -> Term:
        """Say what it adds to a fused loss over logits.

        Args:
            teacher: number of the teacher there.
        """
        from graphkd.kernels import terms

        return terms.OFA(teacher, self.temperature, self.gamma, self.nontarget_power)
