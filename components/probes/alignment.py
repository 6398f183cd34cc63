"""The unbiased estimate of centred kernel alignment."""

from __future__ import annotations

import torch
from einops import reduce
from torch import Tensor

LEAST = 4
"""Fewer samples leave the estimate without a value."""
ROUNDING = 1e-12
"""Part of the largest value below which a difference is none."""


def averaged(tap: Tensor) -> Tensor:
    """Average a tap over its places or tokens.

    Args:
        tap: "b c h w", "b n d" or "b d".

    Returns:
        "b d", float64, without gradient.
    """
    value = tap.detach().double()
    if value.ndim == 4:
        return reduce(value, "b c h w -> b c", "mean")
    return reduce(value, "b n d -> b d", "mean") if value.ndim == 3 else value


def alignment(one: Tensor, other: Tensor) -> Tensor:
    """Compute CKA from the unbiased estimates of HSIC.

    Args:
        one: "b d", float64.
        other: "b e", float64, of the same samples.

    Returns:
        "", float32; nan below 4 samples, or where a side is the same for all samples.
    """
    if len(one) < LEAST:
        return torch.tensor(torch.nan)
    first, second = _gram(one), _gram(other)
    scale = _hsic(first, first) * _hsic(second, second)
    found = _hsic(first, second) / scale.sqrt()
    return torch.where(scale > 0.0, found, torch.nan).float()


def _gram(rows: Tensor) -> Tensor:
    """Multiply each row with each other one, those with themselves left out."""
    # the estimate does not change with a shift, its rounding does
    centred = rows - rows.mean(dim=0)
    # of equal rows rounding is left, which would be compared as if it were something
    centred = torch.where(centred.abs() > ROUNDING * rows.abs().amax(), centred, 0.0)
    return (centred @ centred.T).fill_diagonal_(0.0)


def _hsic(one: Tensor, other: Tensor) -> Tensor:
    """Estimate HSIC from two matrices "n n" that are symmetric and 0 on the diagonal."""
    count = len(one)
    sums = one.sum(dim=0), other.sum(dim=0)
    product = (one * other).sum()
    product = product + sums[0].sum() * sums[1].sum() / ((count - 1) * (count - 2))
    product = product - 2.0 / (count - 2) * (sums[0] @ sums[1])
    return product / (count * (count - 3))
