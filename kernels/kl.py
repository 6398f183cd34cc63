"""Divergences of the KL family between two sets of logits."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import check_temperature, check_term
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.precision import wide

Direction = Literal["forward", "reverse", "jensen_shannon"]
_DIRECTIONS = get_args(Direction)


def kl_reference(
    student: Tensor, teacher: Tensor, *, temperature: float, direction: Direction = "forward"
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With p = softmax(teacher / T), q = softmax(student / T), m = (p + q) / 2, it is T^2 times the
    mean over the batch of

    - forward: KL(p || q) = sum_c p_c log(p_c / q_c)
    - reverse: KL(q || p)
    - jensen_shannon: KL(p || m) / 2 + KL(q || m) / 2, at most log 2

    A class with p = 0 (teacher logit -inf) adds nothing to forward; reverse is infinite there, as
    its formula is. An empty batch gives 0.

    Args:
        student: "b c", logits, finite.
        teacher: "b c", logits, at least one of a row finite; detached.
        temperature: T, no unit, above 0.
        direction: which of the three.

    Returns:
        "", nats, float32 (float64 for float64 logits).

    Raises:
        ValueError: the shapes differ, or there is no such direction.
    """
    check_term(student, teacher, None)
    check_temperature(temperature)
    check_direction(direction)
    log_student = F.log_softmax(wide(student) / temperature, dim=-1)
    softened = wide(teacher.detach()) / temperature
    if direction == "forward":
        total = F.kl_div(log_student, F.softmax(softened, dim=-1), reduction="sum")
    elif direction == "reverse":
        total = _kl_of_logs(log_student, F.log_softmax(softened, dim=-1))
    else:
        log_teacher = F.log_softmax(softened, dim=-1)
        # the sum of two probabilities may underflow to 0, the sum of their logs does not
        log_mixture = torch.logaddexp(log_student, log_teacher) - math.log(2.0)
        teacher_part = F.kl_div(log_mixture, log_teacher.exp(), reduction="sum")
        total = 0.5 * (teacher_part + _kl_of_logs(log_student, log_mixture))
    return total / max(len(student), 1) * temperature**2


def check_direction(direction: str) -> None:
    """Refuse what is no direction.

    Raises:
        ValueError: with those there are.
    """
    if direction not in _DIRECTIONS:
        raise ValueError(
            f"direction is '{direction}', not one of forward, reverse, jensen_shannon; try forward"
        )


def _kl_of_logs(log_p: Tensor, log_q: Tensor) -> Tensor:
    return F.kl_div(log_q, log_p, reduction="sum", log_target=True)


def kl(
    student: Tensor, teacher: Tensor, *, temperature: float, direction: Direction = "forward"
) -> Tensor:
    """Compute `kl_reference`."""
    if not takes_kernel(student):
        return kl_reference(student, teacher, temperature=temperature, direction=direction)
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import KL

    return one_term(student, KL(0, temperature, direction), teacher)
