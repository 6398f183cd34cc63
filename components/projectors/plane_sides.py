"""Signed distances to the planes of a table of codes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from graphkd.component.lent import Lent
from graphkd.components.transforms.hash_table import HashTable


class PlaneSides(nn.Module):
    """Multiplies by planes that a table of codes lends.

    Args:
        table: has the planes and offsets.
    """

    def __init__(self, table: HashTable) -> None:
        super().__init__()
        self._table = Lent(table)

    def forward(self, value: Tensor) -> Tensor:
        """Give H x + b, "b d" to "b m"."""
        table = self._table.module
        return F.linear(value, table.planes, table.offset)
