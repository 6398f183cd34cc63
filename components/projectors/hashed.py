"""Say on which sides of another node's random planes an embedding lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import attrs

from graphkd.component import Port, Site, component
from graphkd.errors import ComponentError

if TYPE_CHECKING:
    from torch import nn


@component("projector", "hashed")
@attrs.frozen
class Hashed:
    """Multiply by the planes of a hash_code: y = H x + b, a logit for each bit of its code.

    H and b are that node's, and nothing is learnt here.

    Source: Wang, Ge, Wu, "Distilling Knowledge by Mimicking Features", 2020, arXiv 2011.01424,
    where the mean binary cross-entropy of y and the code is the loss (LSH).

    Attributes:
        by: the hash_code node.
    """

    ports: ClassVar = (Port("input", "b d"),)

    by: str = attrs.field(metadata={"reference": "node"})

    def build(self, site: Site) -> nn.Module:
        """Build it around the other node's planes.

        Args:
            site: source "b d"; its `modules["by"]` is what the hash_code node built.

        Returns:
            A module from "b d" to "b m", m the bits of the code.

        Raises:
            ComponentError: the other node is no hash_code, or its planes have another width.
        """
        from graphkd.components.projectors.plane_sides import PlaneSides
        from graphkd.components.transforms.hash_table import HashTable

        table, width = site.modules["by"], site.source.channels
        if not isinstance(table, HashTable):
            raise ComponentError(f"'{self.by}' is no hash_code; write one's name", field="by")
        planes = table.planes.shape[1]
        if planes != width:
            raise ComponentError(
                f"the planes of '{self.by}' have width {planes}, but the input has {width}; "
                "project it to that width before",
                field="by",
            )
        return PlaneSides(table)
