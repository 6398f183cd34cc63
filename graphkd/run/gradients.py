"""Gradients that the processes of a run add up before each optimizer step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from graphkd.run.world import World

BUCKET = 16 * 2**20
"""Elements that are sent together, at most; a larger parameter is sent alone."""


class GradientSum:
    """Adds gradients up over all processes, after the last backward of a step.

    Each process has multiplied its losses with its part of the samples, so the sum is the gradient
    of the whole batch, whatever was sent backward how often.
    """

    def __init__(self, world: World, parameters: Sequence[nn.Parameter]) -> None:
        """Get ready.

        Args:
            world: the processes.
            parameters: all that learn, in the same order everywhere.
        """
        self._world = world
        self._parameters = parameters
        self._reached: dict[Hashable, list[list[nn.Parameter]]] = {}

    @torch.no_grad()
    def run(self, awake: Hashable) -> None:
        """Replace each gradient by the sum of those of all processes.

        Args:
            awake: which losses are alive in this step; the same everywhere. A parameter that none
                of them reaches keeps having no gradient.
        """
        if self._world.size == 1:
            return
        if awake not in self._reached:
            self._reached[awake] = self._buckets()
        sent = []
        for bucket in self._reached[awake]:
            for parameter in bucket:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            flat = torch.cat([_grad(each).reshape(-1) for each in bucket])
            sent.append((bucket, flat, dist.all_reduce(flat, async_op=True)))
        for bucket, flat, work in sent:
            assert work is not None
            work.wait()
            pieces = torch.split(flat, [each.numel() for each in bucket])
            for parameter, piece in zip(bucket, pieces, strict=True):
                _grad(parameter).copy_(piece.view(parameter.shape))

    def _buckets(self) -> list[list[nn.Parameter]]:
        """Sort the parameters that have a gradient in some process into buckets of one type."""
        device = self._parameters[0].device
        reached = torch.tensor([each.grad is not None for each in self._parameters], device=device)
        numbers = reached.int()
        dist.all_reduce(numbers, op=dist.ReduceOp.MAX)
        buckets: list[list[nn.Parameter]] = []
        room: dict[tuple[torch.dtype, torch.device], int] = {}
        latest: dict[tuple[torch.dtype, torch.device], list[nn.Parameter]] = {}
        for parameter, used in zip(self._parameters, numbers.tolist(), strict=True):
            if not used:
                continue
            sort = (parameter.dtype, parameter.device)
            if room.get(sort, 0) < parameter.numel():
                latest[sort] = []
                buckets.append(latest[sort])
                room[sort] = BUCKET
            latest[sort].append(parameter)
            room[sort] -= parameter.numel()
        return buckets


def _grad(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
