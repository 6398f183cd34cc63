"""Change the number of features by a small fully connected network."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.components.projectors.sizing import last_axis, output_features

if TYPE_CHECKING:
    from torch import nn


@component("projector", "mlp")
@attrs.frozen
class MLP:
    """Send the last axis through a small fully connected network.

    y = W_depth a(... a(W_1 x + b_1) ...) + b_depth, with the activation a; every sample and token
    meets the same weights.

    Attributes:
        features: output size, at least 1; empty: the channels of the other side.
        hidden: size between two matrices, at least 1; empty: the larger of input and output.
        depth: number of matrices, at least 1; 1 is `linear`.
        activation: what stands between two matrices, `relu` or `gelu`; nothing follows the last.
    """

    ports: ClassVar = (Port("input", "b ... c"),)

    features: int | None = attrs.field(default=None, validator=optional(ge(1)))
    hidden: int | None = attrs.field(default=None, validator=optional(ge(1)))
    depth: int = attrs.field(default=2, validator=ge(1))
    activation: Literal["relu", "gelu"] = "relu"

    def build(self, site: Site) -> nn.Sequential:
        """Build the network for one place.

        Args:
            site: source "b ... c"; of the target only the channels are used.

        Returns:
            A module from "b ... c" to "b ... features".

        Raises:
            ComponentError: the source is a grid, or the output size is not known.
        """
        from torch import nn

        inputs = last_axis("mlp", site)
        outputs = output_features("mlp", self.features, site)
        hidden = self.hidden if self.hidden is not None else max(inputs, outputs)
        activation = {"relu": nn.ReLU, "gelu": nn.GELU}[self.activation]
        layers: list[nn.Module] = []
        for before, after in pairwise([inputs, *[hidden] * (self.depth - 1), outputs]):
            layers += [nn.Linear(before, after), activation()]
        return nn.Sequential(*layers[:-1])
