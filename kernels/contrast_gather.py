"""Rows of all processes, which may have unequal numbers of them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def num_processes() -> int:
    """Count the processes of the default group; 1 where there is none."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rows_of_each(own: Tensor) -> list[Tensor]:
    """Fetch the rows of each process, by rank; no gradient flows.

    Args:
        own: "b ...", those of this process; all but b is the same in all of them.
    """
    own = own.detach().contiguous()
    sizes = _sizes(own)
    longest = max(sizes)
    padded = own
    if len(own) < longest:
        padded = own.new_zeros((longest, *own.shape[1:]))
        padded[: len(own)] = own
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return [part[:size] for part, size in zip(parts, sizes, strict=True)]


def _sizes(own: Tensor) -> list[int]:
    group = dist.group.WORLD
    assert group is not None
    # a GPU need not be waited for where the group also works on the CPU
    on_cpu = torch.device("cpu") in group._device_types
    size = torch.tensor([len(own)], device="cpu" if on_cpu else own.device)
    sizes = [torch.empty_like(size) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, size)
    return [int(each) for each in sizes]


def rows_of_all(own: Tensor) -> Tensor:
    """Put the rows of all processes one behind the other; a gradient flows into the own ones.

    What is computed from these rows is computed alike in all processes. Its gradient in the own
    rows comes multiplied by the number of all rows and divided by that of the own ones: the mean
    over the processes of gradients of parameters, each counted by its rows, is then the gradient.

    Args:
        own: "b ...", those of this process.

    Returns:
        "n ...", by rank.
    """
    rows: Tensor = _Gather.apply(own)
    return rows


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        parts = rows_of_each(own)
        ctx.start = sum(len(part) for part in parts[: dist.get_rank()])
        ctx.size = len(own)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        own = gradient[ctx.start : ctx.start + ctx.size]
        scaled: Tensor = own * (len(gradient) / max(ctx.size, 1))
        return scaled
