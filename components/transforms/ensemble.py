"""Average the class predictions of several models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

import attrs

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor, nn


def _can_average(_: object, __: object, weights: tuple[float, ...]) -> None:
    if weights and not (all(each >= 0 for each in weights) and 0 < sum(weights) < math.inf):
        listed = ", ".join(f"{each:g}" for each in weights)
        raise ValueError(f"({listed}) must all be 0 or more, with a finite sum above 0")


@component("transform", "ensemble")
@attrs.frozen
class Ensemble:
    """Average the class predictions of several models.

    With logits z_i, and weights w_i divided by their sum: `probabilities` gives log-probabilities,
        log p = logsumexp_i(log_softmax(z_i) + log w_i),
    which serve as logits, since softmax(log p) = p. A loss's temperature thus softens the mean; it
    is no mean of softened predictions. `logits` gives sum_i w_i z_i.

    Source: Stanton, Izmailov, Kirichenko, Alemi, Wilson, "Does Knowledge Distillation Really
    Work?", 2021, arXiv 2106.05945, the teacher ensembles. There all inputs weigh the same; weights
    are for models of unequal quality.

    Attributes:
        of: what is averaged, `probabilities` or `logits`.
        weights: one number an input, no unit, 0 or more, above 0 in sum; empty: all the same.
    """

    ports: ClassVar = (Port("input", "b c", many=True),)

    of: Literal["probabilities", "logits"] = "probabilities"
    weights: tuple[float, ...] = attrs.field(default=(), validator=_can_average)

    def build(self, site: Site) -> nn.Module:
        """Build the mean for these inputs.

        Args:
            site: inputs "b c", logits, with the same c.

        Returns:
            A module from the inputs to "b c" in float32; gradient flows through it.

        Raises:
            ComponentError: the number of weights is not that of the inputs.
        """
        import torch
        from torch import nn
        from torch.nn import functional as F

        of = self.of
        shares = self._shares(len(site.inputs["input"]))

        class Mean(nn.Module):
            def forward(self, *logits: Tensor) -> Tensor:
                # what has no share is left out, so that its infinities cannot become nan
                kept = [(z.float(), w) for z, w in zip(logits, shares, strict=True) if w > 0]
                if of == "logits":
                    return torch.stack([w * z for z, w in kept]).sum(dim=0)
                terms = [F.log_softmax(z, dim=-1) + math.log(w) for z, w in kept]
                return torch.logsumexp(torch.stack(terms), dim=0)

        return Mean()

    def _shares(self, count: int) -> tuple[float, ...]:
        weights = self.weights or (1.0,) * count
        if len(weights) != count:
            raise ComponentError(
                f"{len(weights)} weights for {count} inputs; write {count}, or none for equal ones",
                field="weights",
            )
        total = sum(weights)
        return tuple(each / total for each in weights)
