"""Distances between two tensors of one shape, PyTorch's own; nothing here to fuse."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.precision import wide

# the least length that a vector is divided by
_EPS = 1e-12


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


def norm_and_direction(student: Tensor, teacher: Tensor, centre: Tensor) -> Tensor:
    """Compute the mean over the rows with a centre of 1 - <s, c / |c|> / max(|s|, |t|).

    Norms are at least 1e-12. Without any centre it is 0.

    Args:
        student: s, "b d".
        teacher: t, "b d"; detached.
        centre: c, "b d", a zero vector for none; detached.

    Returns:
        "", no unit, 0 to 2.
    """
    student, teacher = _pair(student, teacher)
    _, centre = _pair(student, centre)
    direction = F.normalize(centre, dim=-1, eps=_EPS)
    length = torch.linalg.vector_norm(student, dim=-1)
    least = torch.linalg.vector_norm(teacher, dim=-1).clamp(min=_EPS)
    longer = torch.where(length >= least, length, least)
    rows = 1.0 - (student * direction).sum(dim=-1) / longer
    known = direction.any(dim=-1)
    return torch.where(known, rows, 0.0).sum() / known.sum().clamp(min=1)


def _pair(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        raise ValueError(
            f"student is {tuple(student.shape)} but teacher is {tuple(teacher.shape)}; "
            "both must have the same sizes"
        )
    student = wide(student)
    return student, teacher.detach().to(student.dtype)
