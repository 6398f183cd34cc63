"""Express embeddings in the principal directions of those that were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, gt, le, optional

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from graphkd.components.transforms.principal_axes import PrincipalAxes


@component("transform", "coordinates")
@attrs.frozen
class Coordinates:
    """Give each embedding its coordinates along the principal directions of all of them.

    z = V^T (x - mu). mu is the mean and the columns of V are the eigenvectors of the covariance
    sum_n (x_n - mu)(x_n - mu)^T / (N - 1), largest eigenvalue first, found by a phase that fits it,
    in one pass over the samples without augmentation, summed in float64. The largest entry of each
    direction is positive. Directions beyond those kept have the coordinate 0.

    Source: Zhou, Zhu, Wu, "All You Need in Knowledge Distillation Is a Tailored Coordinate System"
    (TCS), 2024, arXiv 2412.09388, which takes these axes for what a network knows that never saw
    the labels; how many are kept, and their signs, are set here.

    Attributes:
        directions: the most directions that there may be, at least 1; the fit then needs more
            samples than that. Empty: as many as the width of the input.
        keep: share of the variance that the directions in use explain at least, no unit, above 0
            to 1; 1 is all but what N samples cannot tell from 0.
        whiten: whether each coordinate is divided by its standard deviation.
    """

    ports: ClassVar = (Port("input", "b d"),)
    fits: ClassVar[bool] = True

    directions: int | None = attrs.field(default=None, validator=optional(ge(1)))
    keep: float = attrs.field(default=0.99, validator=[gt(0.0), le(1.0)])
    whiten: bool = False

    @property
    def least_samples(self) -> int:
        """How many samples the fit needs at least: the centred ones have one dimension less."""
        return 2 if self.directions is None else self.directions + 1

    def build(self, site: Site) -> PrincipalAxes:
        """Build the axes, all 0 until the fit.

        Args:
            site: input "b d".

        Returns:
            A module from "b d" to "b k", k the smaller of d and `directions`.
        """
        from graphkd.components.transforms.principal_axes import PrincipalAxes

        return PrincipalAxes(
            site.source.channels, self.directions, keep=self.keep, whiten=self.whiten
        )
