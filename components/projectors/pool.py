"""Summarize a grid or tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("projector", "pool")
@attrs.frozen
class Pool:
    """Take the mean or the maximum of each channel over all places, or over blocks of a grid.

    Of `size` x `size` blocks, those of row i reach from row floor(i h / size) of the grid up to,
    and without, row ceil((i + 1) h / size); columns likewise. Class tokens count like the others.

    Attributes:
        kind: what is kept of the values, `mean` or `max`.
        size: height and width that a grid keeps, at least 1; empty: no grid is left.
    """

    ports: ClassVar = (Port("input", "b c h w | b n d"),)

    kind: Literal["mean", "max"] = "mean"
    size: int | None = attrs.field(default=None, validator=optional(ge(1)))

    def build(self, site: Site) -> nn.Module:
        """Build the pooling for one place.

        Args:
            site: source "b c h w" or "b n d"; the target is not used.

        Returns:
            A module from "b c h w" to "b c", from "b n d" to "b d", and with a size from "b c h w"
            to "b c size size".

        Raises:
            ComponentError: tokens, or a smaller grid, are given a size.
        """
        from einops.layers.torch import Reduce
        from torch import nn

        grid = site.source.spatial
        if self.size is None:
            return Reduce("b n d -> b d" if grid is None else "b c h w -> b c", self.kind)
        if grid is None:
            raise ComponentError(
                f"size is {self.size}, but '{site.source}' is no grid; "
                "drop size, or write tokens_to_grid before pool",
                field="size",
            )
        if self.size > min(grid):
            raise ComponentError(
                f"size is {self.size}, more than '{site.source}' has; "
                f"try {min(grid)}, or write resize instead",
                field="size",
            )
        if all(length % self.size == 0 for length in grid):
            # equal blocks: the adaptive layers have no reproducible gradient on CUDA
            blocks = "b c (h rows) (w columns) -> b c h w"
            return Reduce(blocks, self.kind, h=self.size, w=self.size)
        if self.kind == "max":
            return nn.AdaptiveMaxPool2d(self.size)
        return nn.AdaptiveAvgPool2d(self.size)
