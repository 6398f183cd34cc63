"""Who computes a case: the kernels, PyTorch in four ways, and other libraries."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import attrs
import torch
from torch import Tensor

from graphkd.bench.kernels_cases import Case, Outputs, Solve
from graphkd.bench.kernels_liger import liger_loss
from graphkd.bench.kernels_ours import our_loss
from graphkd.bench.kernels_plain import plain_loss
from graphkd.bench.kernels_sdpa import by_attention

OURS, EAGER = "graphkd", "PyTorch eager"


@attrs.frozen
class Contestant:
    """One way to compute.

    Attributes:
        name: as the table shows it.
        build: makes what computes a case; None where this one has nothing for the case.
        package: what must be installed, empty when PyTorch is enough.
        capturable: whether a CUDA graph can hold it: it never waits for the device.
    """

    name: str
    build: Callable[[Case], Solve | None]
    package: str = ""
    capturable: bool = True

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return not self.package or find_spec(self.package) is not None


def by_autograd(loss: Callable[..., Tensor], learners: int) -> Solve:
    """Compute loss and gradients by a forward and a backward."""

    def solve(inputs: Any) -> Outputs:
        leaves = [each.detach().requires_grad_() for each in inputs[:learners]]
        value = loss(*leaves, *inputs[learners:])
        return value.detach(), *torch.autograd.grad(value, leaves)

    return solve


def in_one_graph(loss: Callable[..., Tensor], learners: int) -> Solve:
    """Compile loss and gradients as one function, so that nothing is kept between them."""
    both: Any = torch.func.grad_and_value(loss, argnums=tuple(range(learners)))
    compiled: Any = torch.compile(both, dynamic=False)

    def solve(inputs: Any) -> Outputs:
        gradients, value = compiled(*inputs)
        return value, *gradients

    return solve


def _ours(case: Case) -> Solve:
    return by_autograd(our_loss(case), case.learners)


def _eager(case: Case) -> Solve:
    return by_autograd(plain_loss(case), case.learners)


def _compiled(case: Case) -> Solve:
    return by_autograd(torch.compile(plain_loss(case), dynamic=False), case.learners)


def _autotuned(case: Case) -> Solve:
    # the graphs are captured here, for all alike
    mode = "max-autotune-no-cudagraphs"
    return by_autograd(torch.compile(plain_loss(case), dynamic=False, mode=mode), case.learners)


def _one_graph(case: Case) -> Solve:
    return in_one_graph(plain_loss(case), case.learners)


def _liger(case: Case) -> Solve | None:
    loss = liger_loss(case)
    return None if loss is None else by_autograd(loss, case.learners)


CONTESTANTS = (
    Contestant(OURS, _ours),
    Contestant(EAGER, _eager),
    Contestant("torch.compile", _compiled),
    Contestant("torch.compile, max-autotune", _autotuned),
    Contestant("torch.compile, one graph", _one_graph),
    # its backward asks on the host whether the incoming gradient is 1
    Contestant("Liger-Kernel", _liger, package="liger_kernel", capturable=False),
    Contestant("attention", by_attention),
)

CPU_CONTESTANTS = CONTESTANTS[:3]
"""Those that compute without a GPU, in a minute together."""
