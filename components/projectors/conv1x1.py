"""Change the number of channels of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.components.projectors.sizing import output_features
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("projector", "conv1x1")
@attrs.frozen
class Conv1x1:
    """Mix the channels of a grid, at every place with the same learnt matrix.

    y = activation(norm(W x + b)). With `norm: true` and `activation: relu` it is the usual
    regressor of hint losses.

    Source: Romero, Ballas, Kahou, Chassang, Gatta, Bengio, "FitNets: Hints for Thin Deep Nets",
    2015, arXiv 1412.6550, section 2.2. There the kernel also shrinks the grid to the teacher's;
    here `resize` does that, so that each of the two can be left out.

    Attributes:
        features: output channels, at least 1; empty: the channels of the other side.
        norm: whether batch normalization follows.
        activation: what stands at the end, `none` or `relu`.
        bias: whether b is learnt; empty: yes, unless a norm follows and takes it away.
    """

    ports: ClassVar = (Port("input", "b c h w"),)

    features: int | None = attrs.field(default=None, validator=optional(ge(1)))
    norm: bool = False
    activation: Literal["none", "relu"] = "none"
    bias: bool | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse a bias that the norm would make useless."""
        if self.norm and self.bias:
            raise ComponentError(
                "bias is true, but the norm behind it takes it away again; drop bias", field="bias"
            )

    def build(self, site: Site) -> nn.Sequential:
        """Build the convolution for one place.

        Args:
            site: source "b c h w"; of the target only the channels are used.

        Returns:
            A module from "b c h w" to "b features h w".

        Raises:
            ComponentError: the output size is not known.
        """
        from torch import nn

        outputs = output_features("conv1x1", self.features, site)
        bias = self.bias if self.bias is not None else not self.norm
        layers: list[nn.Module] = [nn.Conv2d(site.source.channels, outputs, 1, bias=bias)]
        if self.norm:
            layers.append(nn.BatchNorm2d(outputs))
        if self.activation == "relu":
            layers.append(nn.ReLU())
        return nn.Sequential(*layers)
