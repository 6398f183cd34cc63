"""Bring an embedding to the teacher's width for the ND loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, lt, optional

from graphkd.component import Port, Site, component
from graphkd.components.projectors.sizing import last_axis, output_features

if TYPE_CHECKING:
    from torch import nn


@component("projector", "nd_head")
@attrs.frozen
class NDHead:
    """Normalize over the batch, drop some features, and multiply by one learnt matrix.

    y = W dropout(BN(x)) + b, b from 0 on.

    Source: Wang, Zheng, Zhang, Tan, Wang, "Improving Knowledge Distillation via Regularizing
    Feature Norm and Direction", 2023, arXiv 2305.17007, the embedding head of their code.

    Attributes:
        features: output size, at least 1; empty: the channels of the other side.
        dropout: share of features that are 0 while training, no unit, 0 to below 1.
    """

    ports: ClassVar = (Port("input", "b c"),)

    features: int | None = attrs.field(default=None, validator=optional(ge(1)))
    dropout: float = attrs.field(default=0.5, validator=[ge(0.0), lt(1.0)])

    def build(self, site: Site) -> nn.Module:
        """Build the head for one place.

        Args:
            site: source "b c"; of the target only the channels are used.

        Returns:
            A module from "b c" to "b features".

        Raises:
            ComponentError: the output size is not known.
        """
        from torch import nn

        inputs = last_axis("nd_head", site)
        linear = nn.Linear(inputs, output_features("nd_head", self.features, site))
        nn.init.zeros_(linear.bias)
        return nn.Sequential(nn.BatchNorm1d(inputs), nn.Dropout(self.dropout), linear)
