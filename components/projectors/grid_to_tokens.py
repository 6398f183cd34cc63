"""Turn a grid into tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from torch import nn


@component("projector", "grid_to_tokens")
@attrs.frozen
class GridToTokens:
    """Make each place of a grid a token, row by row: token i w + j is row i, column j."""

    ports: ClassVar = (Port("input", "b c h w"),)

    def build(self, site: Site) -> nn.Module:
        """Build the layer.

        Args:
            site: source "b c h w"; the target is not used.

        Returns:
            A module from "b c h w" to "b n c" with n = h w.
        """
        from einops.layers.torch import Rearrange

        return Rearrange("b c h w -> b (h w) c")
