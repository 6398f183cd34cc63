"""Codes of training samples that are kept by the samples' index."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from graphkd.components.transforms.index_table import IndexTable

AT_ONCE = 2**24
"""How many projections are in memory at a time."""


class HashTable(IndexTable):
    """Keeps for each sample of one pass on which sides of random planes its vector lies.

    Args:
        width: d, size of the vectors.
        bits: m, number of planes.
        std: of the planes' entries.

    Attributes:
        planes: "m d".
        offset: "m"; 0 before the fit.
        stored: "n p", uint8, eight bits in each, the first one lowest.
    """

    planes: Tensor
    offset: Tensor

    def __init__(self, width: int, bits: int, *, std: float) -> None:
        super().__init__("hash_code", width)
        self.register_buffer("planes", torch.randn(bits, width) * std)
        self.register_buffer("offset", torch.zeros(bits))
        self.stored = torch.zeros(0, -(-bits // 8), dtype=torch.uint8)

    def encode(self, values: Tensor) -> Tensor:
        """Set the offsets, and make the codes of all samples, "n d" to "n p"."""
        chunk = max(1, AT_ONCE // (8 * len(values))) * 8
        codes = []
        for start in range(0, len(self.planes), chunk):
            projected = values @ self.planes[start : start + chunk].T
            offset = -_middle(projected)
            self.offset[start : start + chunk] = offset
            codes.append(pack(projected + offset > 0))
        return torch.cat(codes, dim=1)

    def forward(self, index: Tensor) -> Tensor:
        """Give the code of each sample.

        Args:
            index: "b", int64.

        Returns:
            "b m", float32, 0 or 1.

        Raises:
            ValueError: an index that was not seen; on a GPU an assertion of the device.
        """
        return unpack(self.look_up(index))[:, : len(self.planes)].float()


def _middle(projected: Tensor) -> Tensor:
    """Find for each column a number with half of the column on either side, "n m" to "m"."""
    ordered = projected.sort(dim=0).values
    half = len(ordered) // 2
    return (ordered[max(half - 1, 0)] + ordered[half]) / 2


def pack(bits: Tensor) -> Tensor:
    """Put eight bits into each byte, "n m" to "n p", p = m / 8 rounded up."""
    groups = rearrange(
        F.pad(bits.to(torch.uint8), (0, -bits.shape[1] % 8)), "n (p e) -> n p e", e=8
    )
    return (groups << _shifts(bits)).sum(dim=-1, dtype=torch.uint8)


def unpack(codes: Tensor) -> Tensor:
    """Take the bits out of each byte, "n p" to "n m", m = 8 p."""
    return rearrange((codes.unsqueeze(-1) >> _shifts(codes)) & 1, "n p e -> n (p e)")


def _shifts(like: Tensor) -> Tensor:
    return torch.arange(8, dtype=torch.uint8, device=like.device)
