"""A second call of a model that another node built."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, Site, component

if TYPE_CHECKING:
    from torch import nn


@component("model", "call")
@attrs.frozen
class Call:
    """The same model as another node, weights and all, on another input.

    Whether it learns is the other node's matter: the two are one module.

    Attributes:
        of: the node whose model is called.
    """

    ports: ClassVar = (Port("input", "b c h w"),)
    learns: ClassVar[bool] = False
    delivered: ClassVar[bool] = False
    borrows: ClassVar[bool] = True

    of: str = attrs.field(metadata={"reference": "node"})

    def build(self, site: Site) -> nn.Module:
        """Return the other node's network itself.

        Args:
            site: its `modules["of"]` is the network.
        """
        return site.modules["of"]
