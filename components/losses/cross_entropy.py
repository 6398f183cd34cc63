"""Learn the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, lt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor

    from graphkd.kernels.terms import Term


@component("loss", "cross_entropy")
@attrs.frozen
class CrossEntropy:
    """Mean over the labelled samples of -sum_c y_c log softmax(student)_c, in nats.

    y is the label as probabilities, after smoothing (1 - e) y + e / c. A class number of -1 marks a
    sample without label; where no sample has one, the loss and its gradient are 0.

    Source: the smoothing is that of Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the
    Inception Architecture for Computer Vision", 2016, arXiv 1512.00567, section 7.

    Attributes:
        label_smoothing: e, no unit, from 0 to below 1. Higher is softer.
    """

    ports: ClassVar = (Port("student", "b c"), Port("label", "b | b c", index="c"))
    fusion: ClassVar[str] = "logits"
    mean_over: ClassVar[str] = "label"

    label_smoothing: float = attrs.field(default=0.0, validator=[ge(0.0), lt(1.0)])

    def __call__(self, student: Tensor, label: Tensor) -> Tensor:
        """Compare logits with labels.

        Args:
            student: "b c", logits.
            label: "b", class numbers, int64, -1 for none; or "b c", probabilities. No gradient
                flows into it.

        Returns:
            "", nats.
        """
        from graphkd.kernels import cross_entropy

        return cross_entropy(student, label, label_smoothing=self.label_smoothing)

    def term(self, teacher: int) -> Term:
        """Say what it adds to a fused loss over logits.

        Args:
            teacher: not looked at, as it compares with the label alone.
        """
        from graphkd.kernels import terms

        return terms.CrossEntropy(self.label_smoothing)
