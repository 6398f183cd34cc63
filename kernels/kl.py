"""KL-family divergences between two sets of logits."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor


def kl_reference(
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float,
    direction: Literal["forward"] = "forward",
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    Args:
        student: "b c", logits.
        teacher: "b c", logits; detached.
        temperature: T, no unit, above 0.
        direction: only forward yet.

    Returns:
        "", nats, float32.
    """
    log_student = F.log_softmax(student.float() / temperature, dim=-1)
    target = F.softmax(teacher.detach().float() / temperature, dim=-1)
    return F.kl_div(log_student, target, reduction="batchmean") * temperature**2


def kl(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """Compute `kl_reference`."""
    return kl_reference(student, teacher, temperature=temperature)
