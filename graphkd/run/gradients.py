"""Gradients that the processes of a run add up before each optimizer step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import attrs
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from graphkd.run.watch import meet
from graphkd.run.world import World

BUCKET = 8 * 2**20
"""Elements that are sent together, at most; a larger parameter is sent alone."""


@attrs.define(eq=False)
class _Bucket:
    """Parameters of one type whose gradients are sent together.

    Attributes:
        parameters: those.
        missing: how many of their gradients are not there yet.
        flat: the gradients, while they are sent.
        work: the sending.
    """

    parameters: list[nn.Parameter]
    missing: int = 0
    flat: Tensor | None = None
    work: dist.Work | None = None


class GradientSum:
    """Adds gradients up over all processes, while the last backward of a step goes on or after it.

    Each process has multiplied its losses with its part of the samples, so the sum is the gradient
    of the whole batch, whatever was sent backward how often. Unlike PyTorch's DDP it needs no
    forward of its own, and each parameter may get gradients from several backwards.
    """

    def __init__(self, world: World, parameters: Sequence[nn.Parameter]) -> None:
        """Get ready.

        Args:
            world: the processes.
            parameters: all that learn, in the same order everywhere. Those of sharded nodes are
                left out: their backward adds them up.
        """
        self._world = world
        self._parameters = [each for each in parameters if not isinstance(each, DTensor)]
        self._plans: dict[Hashable, list[_Bucket]] = {}
        self._home: dict[nn.Parameter, _Bucket] = {}
        self._plan: list[_Bucket] = []
        self._sent = 0
        several = self._parameters if world.size > 1 else ()
        self._hooks = [
            each.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]
            for each in several
        ]

    def listen(self, awake: Hashable) -> None:
        """Send gradients as they arrive: the next backward is the last of the step.

        Args:
            awake: see `run`. The first step of each kind finds out what arrives.
        """
        self._plan, self._sent = self._plans.get(awake, []), 0
        self._home = {each: bucket for bucket in self._plan for each in bucket.parameters}
        for bucket in self._plan:
            bucket.missing = len(bucket.parameters)

    @torch.no_grad()
    def run(self, awake: Hashable) -> None:
        """Replace each gradient by the sum of those of all processes.

        Args:
            awake: which losses are alive in this step; the same everywhere. A parameter that none
                of them reaches keeps having no gradient.
        """
        if self._world.size == 1 or not self._parameters:
            return
        meet()
        if awake not in self._plans:
            self._plans[awake] = self._make_plan()
        if not self._plan:
            self._plan, self._sent = self._plans[awake], 0
        for bucket in self._plan[self._sent :]:
            _send(bucket)
        for bucket in self._plan:
            _receive(bucket)
        self._plan, self._home = [], {}

    def close(self) -> None:
        """Listen no more."""
        for each in self._hooks:
            each.remove()

    @torch.no_grad()
    def _arrived(self, parameter: nn.Parameter) -> None:
        bucket = self._home.get(parameter)
        if bucket is None:
            return
        bucket.missing -= 1
        # in the same order everywhere
        while self._sent < len(self._plan) and not self._plan[self._sent].missing:
            _send(self._plan[self._sent])
            self._sent += 1

    def _make_plan(self) -> list[_Bucket]:
        """Put the parameters that have a gradient in some process into buckets, the last first."""
        device = self._parameters[0].device
        present = [each.grad is not None for each in self._parameters]
        counts = torch.tensor(present, dtype=torch.int32, device=device)
        dist.all_reduce(counts, op=dist.ReduceOp.MAX)
        plan: list[_Bucket] = []
        latest: dict[tuple[torch.dtype, torch.device], _Bucket] = {}
        # gradients arrive from the end of a network on
        for parameter, used in zip(
            reversed(self._parameters), reversed(counts.tolist()), strict=True
        ):
            if not used:
                continue
            sort = (parameter.dtype, parameter.device)
            last = latest.get(sort)
            if last is None or _size(last) + parameter.numel() > BUCKET:
                latest[sort] = last = _Bucket([])
                plan.append(last)
            last.parameters.append(parameter)
        return plan


def _size(bucket: _Bucket) -> int:
    return sum(each.numel() for each in bucket.parameters)


def _send(bucket: _Bucket) -> None:
    for each in bucket.parameters:
        # it has one in another process
        if each.grad is None:
            each.grad = torch.zeros_like(each)
    bucket.flat = torch.cat([_grad(each).reshape(-1) for each in bucket.parameters])
    bucket.work = dist.all_reduce(bucket.flat, async_op=True)


def _receive(bucket: _Bucket) -> None:
    assert bucket.work is not None and bucket.flat is not None
    bucket.work.wait()
    pieces = torch.split(bucket.flat, [each.numel() for each in bucket.parameters])
    for each, piece in zip(bucket.parameters, pieces, strict=True):
        _grad(each).copy_(piece.view(each.shape))
    bucket.work = bucket.flat = None


def _grad(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
