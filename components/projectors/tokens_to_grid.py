"""Turn tokens into a grid."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import attrs
from attrs.validators import ge, optional

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import Tensor, nn


@component("projector", "tokens_to_grid")
@attrs.frozen
class TokensToGrid:
    """Lay tokens out as a grid, row by row: row i, column j is token prefix + i w + j.

    Attributes:
        height: rows of the grid, at least 1; empty: as many as columns.
        prefix: number of class tokens before the others, which are dropped; 0 or more.
    """

    ports: ClassVar = (Port("input", "b n d"),)

    height: int | None = attrs.field(default=None, validator=optional(ge(1)))
    prefix: int = attrs.field(default=0, validator=ge(0))

    def build(self, site: Site) -> nn.Module:
        """Build the layer for one place.

        Args:
            site: source "b n d"; the target is not used.

        Returns:
            A module from "b n d" to "b d h w" with h w = n - prefix.

        Raises:
            ComponentError: that many tokens are not a square, or do not fill the height.
        """
        from einops import rearrange
        from torch import nn

        prefix = self.prefix
        height, width = self._grid(site)

        class Grid(nn.Module):
            def forward(self, tokens: Tensor) -> Tensor:
                places = tokens[:, prefix:]
                return rearrange(places, "b (h w) d -> b d h w", h=height, w=width)

        return Grid()

    def _grid(self, site: Site) -> tuple[int, int]:
        tokens = site.source.shape[1]
        places = tokens - self.prefix
        if places < 1:
            raise ComponentError(
                f"prefix is {self.prefix}, which leaves nothing of '{site.source}'; "
                f"write a number below {tokens}",
                field="prefix",
            )
        height = self.height if self.height is not None else math.isqrt(places)
        left = f"{places} tokens" + (" behind the prefix" if self.prefix else "")
        if self.height is None and height**2 != places:
            surplus = tokens - math.isqrt(tokens) ** 2
            # more class and register tokens than this are not in use
            drop = f"prefix: {surplus} or " if surplus <= 8 else ""
            raise ComponentError(f"{left} are no square; write {drop}height: N", field="height")
        if places % height:
            raise ComponentError(
                f"height is {height}, but {left} do not make {height} equal rows; "
                f"write a number that divides {places}",
                field="height",
            )
        return height, places // height
