"""The precision that losses are computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """Give half precision as float32; everything else, float64 too, stays as it is.

    Args:
        x: any shape, floating point.

    Returns:
        The same values; gradients come back in the precision of `x`.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def no_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Make the context in which products of tensors like `x` are not rounded by autocast.

    Args:
        x: any shape; only its device counts.

    Returns:
        A context manager; an idle one where autocast is off or, as for `meta`, unknown.
    """
    kind = x.device.type
    if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
        return torch.autocast(kind, enabled=False)
    return nullcontext()
