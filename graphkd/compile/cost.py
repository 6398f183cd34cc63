"""Count what a forward costs, on tensors without memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from graphkd.graph import Cost


class _Meter(TorchDispatchMode):
    """Add up floating-point operations, and the bytes of new tensors."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            self.flops += count(*args, **kwargs, out_val=result)
        old = {_storage(each) for each in _tensors((*args, *kwargs.values()))}
        # views and changes in place use the memory of their input
        new = {_storage(each): each for each in _tensors((result,))}
        self.bytes += sum(
            each.numel() * each.element_size() for key, each in new.items() if key not in old
        )
        return result


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for each in values:
        if isinstance(each, torch.Tensor):
            found.append(each)
        elif isinstance(each, (tuple, list)):
            found += _tensors(each)
    return found


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def measure(forward: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> tuple[Any, Cost]:
    """Run a forward and count.

    Args:
        forward: what to run.
        inputs: meta tensors, batch first.

    Returns:
        The outputs, and FLOPs and activation bytes for one sample.
    """
    batch = max((each.shape[0] for each in inputs if each.ndim), default=1)
    meter = _Meter()
    with torch.no_grad(), meter:
        outputs = forward(*inputs)
    return outputs, Cost(flops=meter.flops // batch, activation_bytes=meter.bytes // batch)


def parameters(module: nn.Module | None, lent: Iterable[nn.Module] = ()) -> tuple[int, int]:
    """Count a module's parameters, and the bytes of its parameters and buffers.

    Args:
        module: None for what has none.
        lent: modules of other nodes; what belongs to them is counted there.
    """
    if module is None:
        return 0, 0
    others = {id(each) for part in lent for each in [*part.parameters(), *part.buffers()]}
    own = [each for each in module.parameters() if id(each) not in others]
    held = [*own, *(each for each in module.buffers() if id(each) not in others)]
    count = sum(each.numel() for each in own)
    return count, sum(each.numel() * each.element_size() for each in held)
