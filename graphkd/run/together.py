"""What the processes of a run tell each other beside gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.modules.batchnorm import _NormBase

from graphkd.run.watch import meet
from graphkd.run.world import World

T = TypeVar("T")


def first_does(world: World, function: Callable[[], T]) -> T:
    """Call a function in the first process, and give what it returns to all.

    Args:
        world: the processes; all of them call this.
        function: returns plain data.
    """
    if world.size == 1:
        return function()
    meet()
    box: list[Any] = [function() if world.first else None]
    dist.broadcast_object_list(box, src=0)
    found: T = box[0]
    return found


def gather(world: World, value: T) -> list[T]:
    """Give the first process the values of all, by rank; the others get none."""
    if world.size == 1:
        return [value]
    meet()
    found: list[Any] | None = [None] * world.size if world.first else None
    dist.gather_object(value, found, dst=0)
    return found or []


def share(world: World, value: T) -> list[T]:
    """Give all processes the values of all, by rank."""
    if world.size == 1:
        return [value]
    meet()
    found: list[Any] = [None] * world.size
    dist.all_gather_object(found, value)
    return found


def any_of(world: World, flag: bool) -> bool:
    """Say whether a flag is up in some process."""
    return any_of_each(world, [flag])[0]


def any_of_each(world: World, flags: Sequence[bool]) -> list[bool]:
    """Say of each of some flags whether it is up in some process."""
    if world.size == 1:
        return [*flags]
    meet()
    # on the CPU, so that no device is waited for
    up = torch.tensor(flags, dtype=torch.int32)
    dist.all_reduce(up, op=dist.ReduceOp.MAX)
    return [bool(each) for each in up.tolist()]


def wait(world: World) -> None:
    """Go on when all processes are here."""
    any_of(world, flag=False)


def add_up(world: World, values: Tensor) -> Tensor:
    """Return the sum of the values of all processes, in place."""
    if world.size > 1:
        meet()
        dist.all_reduce(values)
    return values


def take_weights(world: World, modules: Iterable[nn.Module]) -> None:
    """Take the parameters and buffers of the first process over."""
    _send([each for module in modules for each in (*module.parameters(), *module.buffers())], world)


def take_statistics(world: World, modules: Iterable[nn.Module]) -> None:
    """Take the running statistics of the first process over: each has seen its own samples."""
    norms = [each for module in modules for each in module.modules() if isinstance(each, _NormBase)]
    _send([each for norm in norms for each in norm.buffers()], world)


@torch.no_grad()
def _send(tensors: Iterable[Tensor], world: World) -> None:
    if world.size == 1:
        return
    meet()
    sorts: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for each in dict.fromkeys(tensors):
        # of a sharded one each process has a part of its own
        if each.numel() and not isinstance(each, DTensor):
            sorts.setdefault((each.dtype, each.device), []).append(each.detach())
    for (dtype, _), group in sorts.items():
        flat = torch.cat([each.reshape(-1) for each in group])
        # gloo knows no bool
        sent = flat.to(torch.uint8) if dtype == torch.bool else flat
        dist.broadcast(sent, src=0)
        pieces = torch.split(sent, [each.numel() for each in group])
        for each, piece in zip(group, pieces, strict=True):
            each.copy_(piece.view(each.shape))


@torch.no_grad()
def require_equal(world: World, parameters: Iterable[Tensor]) -> None:
    """Make sure that all processes hold the same parameters.

    Raises:
        RuntimeError: they do not: something in a model depends on the process.
    """
    if world.size == 1:
        return
    meet()
    whole = [each for each in parameters if not isinstance(each, DTensor)]
    sums = [each.detach().double().sum() for each in whole]
    if not sums:
        return
    own = torch.stack([total.cpu() for total in sums])
    theirs = own.clone()
    dist.broadcast(theirs, src=0)
    # bit for bit: NaN equals NaN
    if any_of(world, not torch.equal(own.view(torch.int64), theirs.view(torch.int64))):
        text = "the weights of the processes are no longer the same"
        raise RuntimeError(f"{text}: something that learns depends on the number of the process")
