"""Terms over logits of any problems in plain PyTorch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from graphkd.kernels.problem import LogitProblem
from graphkd.kernels.terms import reference


def weighted_sum(
    problems: Sequence[LogitProblem], weights: Sequence[float] | Tensor | None
) -> tuple[Tensor, Tensor]:
    """Say in plain PyTorch what the logit kernel must compute.

    Args:
        problems: at least one.
        weights: factor of each term of each problem in turn; None: all 1; detached.

    Returns:
        The weighted sum, "", with its gradient, and the value of each term, "k", detached.
    """
    values = [
        reference(term, each.student, each.teachers, each.label)
        for each in problems
        for term in each.terms
    ]
    parts = values
    if isinstance(weights, Tensor):
        weights = weights.detach()
    if weights is not None:
        parts = [value * weights[index] for index, value in enumerate(values)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total, torch.stack(values).detach()
