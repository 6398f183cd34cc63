"""When a Triton kernel is taken instead of plain PyTorch, and what one launch of it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

# what the interpreter is asked to do in turn; more would only make it slower
_INTERPRETED_MULTIPROCESSORS = 2
_OLDEST_CUDA = (8, 0)

_interpreted = False


class Launch(NamedTuple):
    """One launch of a kernel, ready to run; as data, so that it can be compiled alone too.

    Attributes:
        kernel: the function that `triton.jit` made.
        grid: number of programs along each axis.
        arguments: all arguments that are no constants, in the kernel's order.
        constants: the `constexpr` arguments and launch options by name.
    """

    kernel: Any
    grid: tuple[int, ...]
    arguments: tuple[Any, ...]
    constants: dict[str, Any]

    def run(self) -> None:
        """Start the kernel on the current stream of its tensors' device."""
        # Triton itself looks at the current device only
        with torch.cuda.device_of(_first_tensor(self.arguments)):
            self.kernel[self.grid](*self.arguments, **self.constants)


def _first_tensor(arguments: tuple[Any, ...]) -> Tensor:
    for each in arguments:
        if isinstance(each, tuple) and each:
            each = each[0]
        if isinstance(each, Tensor):
            return each
    raise AssertionError("a kernel without tensors")


def takes_kernel(*tensors: Tensor) -> bool:
    """Say whether an operation on these tensors runs as a Triton kernel.

    It does on an NVIDIA GPU from compute capability 8.0 and on an AMD GPU, where Triton is
    installed; elsewhere, and on the meta device, the plain PyTorch reference runs.

    Args:
        tensors: all on one device.
    """
    if _interpreted:
        return True
    if not all(each.is_cuda for each in tensors):
        return False
    # a graph is made of the operator, which chooses where it runs
    return torch.compiler.is_compiling() or _can_launch(tensors[0].device)


@cache
def _can_launch(device: torch.device) -> bool:
    if find_spec("triton") is None:
        return False
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= _OLDEST_CUDA


@contextmanager
def interpreted() -> Iterator[None]:
    """Take kernels on CPU tensors too, for tests that set `TRITON_INTERPRET=1`."""
    global _interpreted
    before, _interpreted = _interpreted, True
    try:
        yield
    finally:
        _interpreted = before


def num_multiprocessors(device: torch.device) -> int:
    """Return how many multiprocessors a GPU has, a small number for another device."""
    if device.type != "cuda":
        return _INTERPRETED_MULTIPROCESSORS
    return _cuda_multiprocessors(device)


@cache
def _cuda_multiprocessors(device: torch.device) -> int:
    return int(torch.cuda.get_device_properties(device).multi_processor_count)
