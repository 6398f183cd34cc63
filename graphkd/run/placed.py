"""Forwards that run as the pass `place` says: elsewhere, in bfloat16, compiled, or twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphkd.blueprint import Blueprint
from graphkd.compile.plan import Schedule, forwards_of
from graphkd.errors import mistake
from graphkd.graph import Placement
from graphkd.run.blocks import Operation, Values

Read = Callable[..., tuple[Tensor, ...]]
"""Computes taps of a model from what it reads."""


@attrs.frozen
class Home:
    """Where weights are, and of which element type.

    Attributes:
        device: where.
        dtype: which; None for the one that they have.
    """

    device: torch.device
    dtype: torch.dtype | None = None


def homes_of(schedule: Schedule, device: torch.device) -> dict[str, Home]:
    """Say where the weights of nodes are that the pass `place` moves, by node.

    Args:
        schedule: what will run.
        device: of the run.

    Raises:
        BlueprintError: a device is not there.
    """
    found = {}
    for plan in (*schedule.phases, schedule.evaluation):
        for each in forwards_of(plan):
            where = each.placement
            if where.device or where.precision:
                named = where.device and _device(schedule.blueprint, each.module, where.device)
                dtype = torch.bfloat16 if where.precision else None
                found[each.module] = Home(named or device, dtype)
    return found


def _device(blueprint: Blueprint, node: str, name: str) -> torch.device:
    device = torch.device(name)
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if (device.index or 0) >= count:
        text = f"node '{node}': device '{name}' is not there ({count} CUDA devices); drop device"
        raise mistake(text, blueprint.place("nodes", node, "device"))
    return device


def placed(read: Read, placement: Placement, *, modules: Sequence[nn.Module]) -> Read:
    """Make a forward run as it is placed; the side stream is `SideStream`'s matter.

    Args:
        read: the forward.
        placement: of the node.
        modules: all that the forward may run.
    """
    if placement.compiled:
        read = torch.compile(_function(read))
    if placement.checkpointed:
        read = _checkpointed(read, modules)
    if placement.precision:
        read = _in_bfloat16(read)
    if placement.device:
        read = _at(read, torch.device(placement.device))
    return read


def _function(read: Read) -> Read:
    return lambda *inputs: read(*inputs)


def _checkpointed(read: Read, modules: Sequence[nn.Module]) -> Read:
    """Compute a forward again in the backward, with the same random numbers and buffers."""

    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        if not torch.is_grad_enabled():
            return read(*inputs)
        before = _Before(modules)
        made: tuple[Tensor, ...] = checkpoint(
            read, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), before)
        )
        return made

    return run


Buffers = dict[str, Tensor | None]


class _Before:
    """Lends modules the buffers they had, so that running statistics do not move a second time.

    It can be entered again: each of several backwards computes the forward anew.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        every = {each for module in modules for each in module.modules() if each._buffers}
        self._buffers = [(each, _copied(each._buffers)) for each in every]
        self._now: list[tuple[nn.Module, Buffers]] = []

    def __enter__(self) -> None:
        self._now = [(module, dict(module._buffers)) for module, _ in self._buffers]
        for module, buffers in self._buffers:
            module._buffers.update(_copied(buffers))

    def __exit__(self, *failure: object) -> None:
        for module, buffers in self._now:
            module._buffers.update(buffers)
        self._now = []


def _copied(buffers: Buffers) -> Buffers:
    return {name: None if each is None else each.clone() for name, each in buffers.items()}


def _in_bfloat16(read: Read) -> Read:
    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        taken = (each.bfloat16() if each.is_floating_point() else each for each in inputs)
        # autocast would bring some operations back to float32, or to float16
        with torch.autocast(inputs[0].device.type, enabled=False):
            made = read(*taken)
        return tuple(each.float() if each.is_floating_point() else each for each in made)

    return run


def _at(read: Read, device: torch.device) -> Read:
    def run(*inputs: Tensor) -> tuple[Tensor, ...]:
        home = inputs[0].device
        made = read(*(each.to(device) for each in inputs))
        return tuple(each.to(home) for each in made)

    return run


class SideStream:
    """Runs forwards beside the main stream of a GPU; on a CPU there is none, and they just run."""

    def __init__(self) -> None:
        self._stream: torch.cuda.Stream | None = None
        self._done: dict[str, Any] = {}

    def aside(self, node: str, read: Read) -> Read:
        """Let a forward run on the side stream, once what it reads is there."""

        def run(*inputs: Tensor) -> tuple[Tensor, ...]:
            device = inputs[0].device
            if device.type != "cuda":
                return read(*inputs)
            main = torch.cuda.current_stream(device)
            side = self._stream = self._stream or torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
            side.wait_stream(main)
            with torch.cuda.stream(side):
                made = read(*inputs)
            # their memory is not used again before both streams are done with it
            for each in inputs:
                each.record_stream(side)
            for each in made:
                each.record_stream(main)
            self._done[node] = side.record_event()
            return made

        return run

    def waiting(self, node: str) -> Operation:
        """Let the main stream wait for a forward."""

        def run(values: Values) -> None:
            done = self._done.pop(node, None)
            if done is not None:
                torch.cuda.current_stream(done.device).wait_event(done)

        return run
