"""Forwards and backwards of a step that a GPU replays as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import attrs
import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from graphkd.run.held import changed, held_by

Losses = list[Tensor | None]
Work = Callable[[], Losses]

WARM_UP = 3
"""Steps of a kind that run as usual before one is captured: kernels are chosen and compiled."""


class Uncapturable(Exception):
    """A step does what a graph cannot hold."""


class Recorder(Protocol):
    """Captures work on a device."""

    def warm_up(self, work: Work) -> Losses:
        """Do the work as usual, where it will be captured."""
        ...

    def record(self, work: Work) -> tuple[Losses, Callable[[], None]]:
        """Capture the work without doing it; return where its results will be, and the replay."""
        ...


class CudaGraphs:
    """Captures CUDA graphs, which share their memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, work: Work) -> Losses:
        """Do the work on the stream on which it will be captured."""
        main = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(main)
        with torch.cuda.stream(self._stream):
            made = work()
        main.wait_stream(self._stream)
        return made

    def record(self, work: Work) -> tuple[Losses, Callable[[], None]]:
        """Capture the work; threads that read data may go on allocating."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            made = work()
        return made, graph.replay


def recorder_of(device: torch.device) -> Recorder | None:
    """Make what captures work on a device; None where nothing does, as on a CPU."""
    return CudaGraphs(device) if device.type == "cuda" else None


@attrs.frozen
class _Recording:
    """Captured work, with the memory that it reads and writes.

    Attributes:
        inputs: filled before each replay.
        losses: what it gives.
        gradients: what it leaves at each parameter.
        replay: does the work.
    """

    inputs: list[Tensor]
    losses: Losses
    gradients: list[Tensor | None]
    replay: Callable[[], None]


class Captured:
    """Computes gradients as a function does, from its fourth call of a kind on by a replay.

    Calls are of a kind where all that they are given is equal, but for the values of tensors.
    """

    def __init__(
        self,
        compute: Callable[..., Losses],
        parameters: Sequence[nn.Parameter],
        recorder: Recorder,
        *,
        modules: Sequence[nn.Module],
        adding: bool,
    ) -> None:
        """Get ready.

        Args:
            compute: gives losses and adds the gradients of parameters up.
            parameters: all that may get a gradient.
            recorder: of the device.
            modules: all that may keep something from step to step.
            adding: whether gradients of several calls are added up.
        """
        self._compute = compute
        self._parameters = parameters
        self._recorder = recorder
        self._modules = modules
        self._adding = adding
        self._calls: dict[Hashable, int] = {}
        self._recordings: dict[Hashable, _Recording] = {}

    def __call__(self, *arguments: Any) -> Losses:
        """Compute gradients; the losses that come back stay what they are."""
        leaves, tree = tree_flatten(arguments)
        kind = (tree, *map(_sort, leaves))
        if kind in self._recordings:
            return self._replay(self._recordings[kind], leaves)
        self._calls[kind] = self._calls.get(kind, 0) + 1
        if self._calls[kind] <= WARM_UP:
            return self._recorder.warm_up(lambda: self._compute(*arguments))
        self._recordings[kind] = self._record(leaves, tree)
        return self._replay(self._recordings[kind], leaves)

    def _record(self, leaves: Sequence[Any], tree: TreeSpec) -> _Recording:
        own = [each.clone() if isinstance(each, Tensor) else each for each in leaves]
        arguments = tree_unflatten(own, tree)
        before, held = self._take_gradients(), held_by(self._modules)
        try:
            losses, replay = self._recorder.record(lambda: self._compute(*arguments))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise Uncapturable(_first_line(error)) from error
        if names := changed(held, held_by(self._modules)):
            text = f"{names[0]} gets another value, which a replay leaves as it is"
            raise Uncapturable(f"{text}; change a tensor in place")
        gradients = self._take_gradients()
        for parameter, gradient in zip(self._parameters, before, strict=True):
            parameter.grad = gradient
        inputs = [each for each in own if isinstance(each, Tensor)]
        return _Recording(inputs, losses, gradients, replay)

    def _take_gradients(self) -> list[Tensor | None]:
        found = [parameter.grad for parameter in self._parameters]
        for parameter in self._parameters:
            parameter.grad = None
        return found

    @torch.no_grad()
    def _replay(self, recording: _Recording, leaves: Sequence[Any]) -> Losses:
        new = [each for each in leaves if isinstance(each, Tensor)]
        for mine, value in zip(recording.inputs, new, strict=True):
            mine.copy_(value, non_blocking=True)
        recording.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            if gradient is None:
                continue
            if parameter.grad is not None:
                parameter.grad.add_(gradient)
            else:
                parameter.grad = gradient.clone() if self._adding else gradient
        return [None if each is None else each.clone() for each in recording.losses]


def _first_line(error: BaseException) -> str:
    """Say what failed, and which node: the end of a broken capture fails too, and knows none."""
    while error.__context__ is not None and not hasattr(error, "__notes__"):
        error = error.__context__
    lines = [str(error).strip().splitlines()[:1], getattr(error, "__notes__", [])[:1]]
    return ", ".join(line for each in lines for line in each)


def _sort(leaf: Any) -> Hashable:
    if isinstance(leaf, Tensor):
        return leaf.shape, leaf.stride(), leaf.dtype, leaf.device
    found: Hashable = leaf
    return found
