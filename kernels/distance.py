"""Distances between two tensors of one shape, PyTorch's own; nothing here to fuse."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.precision import wide


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the mean over all elements of (student - teacher)^2.

    Args:
        student: "...", float32 at least while computing.
        teacher: "...", the same sizes; detached.

    Returns:
        "", the square of the inputs' unit.
    """
    return F.mse_loss(*_pair(student, teacher))


def l1(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute the mean over all elements of |student - teacher|.

    Args:
        student: "...".
        teacher: "...", the same sizes; detached.

    Returns:
        "", the inputs' unit.
    """
    return F.l1_loss(*_pair(student, teacher))


def smooth_l1(student: Tensor, teacher: Tensor, *, beta: float = 1.0) -> Tensor:
    """Compute the mean over all elements of x^2 / (2 beta) if |x| < beta, else |x| - beta / 2.

    Here x = student - teacher.

    Args:
        student: "...".
        teacher: "...", the same sizes; detached.
        beta: the inputs' unit, above 0.

    Returns:
        "", the inputs' unit.
    """
    return F.smooth_l1_loss(*_pair(student, teacher), beta=beta)


def cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """Compute 1 minus the mean of the cosines between the vectors along the last axis.

    The cosine of s and t is <s, t> / (max(|s|, 1e-8) max(|t|, 1e-8)): 0 for a zero vector.

    Args:
        student: "... d".
        teacher: "... d", the same sizes; detached.

    Returns:
        "", no unit, 0 to 2.
    """
    return 1.0 - F.cosine_similarity(*_pair(student, teacher), dim=-1).mean()


def _pair(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        raise ValueError(
            f"student is {tuple(student.shape)} but teacher is {tuple(teacher.shape)}; "
            "both must have the same sizes"
        )
    student = wide(student)
    return student, teacher.detach().to(student.dtype)
