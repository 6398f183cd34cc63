"""Match bits, or chances of bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("loss", "binary_cross_entropy")
@attrs.frozen
class BinaryCrossEntropy:
    """Mean over batch and bits of -q log p - (1 - q) log(1 - p), p = sigmoid(student), in nats.

    Source: for codes of features, Wang, Ge, Wu, "Distilling Knowledge by Mimicking Features", 2020,
    arXiv 2011.01424.
    """

    ports: ClassVar = (Port("student", "b m"), Port("teacher", "b m"))

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compare logits of bits with bits.

        Args:
            student: "b m", logits.
            teacher: "b m", q, from 0 to 1; no gradient flows into it.

        Returns:
            "", nats.
        """
        from torch.nn import functional as F

        return F.binary_cross_entropy_with_logits(student.float(), teacher.detach().float())
