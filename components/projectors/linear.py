"""Change the number of features by one matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.components.projectors.sizing import last_axis, output_features

if TYPE_CHECKING:
    from torch import nn


@component("projector", "linear")
@attrs.frozen
class Linear:
    """Multiply the last axis by one learnt matrix: y = W x + b.

    Every sample and token meets the same W and b.

    Attributes:
        features: output size, at least 1; empty: the channels of the other side.
        bias: whether b is learnt; without it y = W x.
    """

    ports: ClassVar = (Port("input", "b ... c"),)

    features: int | None = attrs.field(default=None, validator=optional(ge(1)))
    bias: bool = True

    def build(self, site: Site) -> nn.Linear:
        """Build the matrix for one place.

        Args:
            site: source "b ... c"; of the target only the channels are used.

        Returns:
            A module from "b ... c" to "b ... features".

        Raises:
            ComponentError: the source is a grid, or the output size is not known.
        """
        from torch import nn

        inputs = last_axis("linear", site)
        return nn.Linear(inputs, output_features("linear", self.features, site), bias=self.bias)
