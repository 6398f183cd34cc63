"""Count what a forward costs, on tensors without memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from graphkd.graph.model import Cost


class _BytesMade(TorchDispatchMode):
    """Add up the bytes of all tensors that operations make, views left out."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            outputs = result if isinstance(result, (tuple, list)) else (result,)
            for each in outputs:
                if isinstance(each, torch.Tensor):
                    self.total += each.numel() * each.element_size()
        return result


def measure(forward: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> tuple[Any, Cost]:
    """Run a forward and count.

    Args:
        forward: what to run.
        inputs: meta tensors, batch first.

    Returns:
        The outputs, and FLOPs and activation bytes for one sample.
    """
    batch = max((each.shape[0] for each in inputs if each.ndim), default=1)
    made = _BytesMade()
    with torch.no_grad(), FlopCounterMode(display=False) as flops, made:
        outputs = forward(*inputs)
    return outputs, Cost(flops=flops.get_total_flops() // batch, activation_bytes=made.total // batch)


def parameters(module: nn.Module | None) -> tuple[int, int]:
    """Count a module's parameters, and the bytes of its parameters and buffers."""
    if module is None:
        return 0, 0
    count = sum(each.numel() for each in module.parameters())
    size = sum(
        each.numel() * each.element_size() for each in [*module.parameters(), *module.buffers()]
    )
    return count, size
