"""Give samples without label the class that a model finds likeliest."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, lt

from graphkd.component import Port, component

if TYPE_CHECKING:
    from torch import Tensor


@component("transform", "pseudo_labels")
@attrs.frozen
class PseudoLabels:
    """The label where there is one, else argmax_c of the logits.

    With a threshold, a sample whose largest probability is not above it stays without label. A loss
    that needs a label, as `ofa`, then reads all samples: `with: {label: NODE}`.

    Source: Lee, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep
    Neural Networks", 2013, section 2.2; there the network that learns labels for itself.

    Attributes:
        threshold: probability that the class must exceed, no unit, 0 to below 1.
    """

    ports: ClassVar = (Port("input", "b c"), Port("label", "b", index="c"))

    threshold: float = attrs.field(default=0.0, validator=[ge(0.0), lt(1.0)])

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """Fill in the labels that are absent.

        Args:
            logits: "b c"; no gradient.
            label: "b", class numbers, int64, -1 for none.

        Returns:
            "b", class numbers, int64, -1 for none.
        """
        probability, guess = logits.detach().float().softmax(dim=-1).max(dim=-1)
        sure = (probability > self.threshold) & (label < 0)
        return guess.where(sure, label)
