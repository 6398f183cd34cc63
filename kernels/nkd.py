"""Normalized knowledge distillation: the target class, and the others renormalized."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import check_temperature, check_term
from graphkd.kernels.labels import class_of, is_class, labelled_mean, of_class
from graphkd.kernels.precision import wide


def nkd_reference(
    student: Tensor, teacher: Tensor, label: Tensor, *, temperature: float, gamma: float
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With p = softmax(teacher), q = softmax(student), y the label, and ph, qh the softmax of
    logits / T over the classes other than y, it is the mean over the labelled rows of

        -p_y log q_y - gamma T^2 sum_{c != y} ph_c log qh_c

    The least value is not 0 but gamma T^2 times the entropy of ph, and with two classes the second
    part is 0.

    Source: Yang, Zeng, Li, Zhang, Yuan, Li, "From Knowledge Distillation to Self-Knowledge
    Distillation: A Unified Approach with Normalized Loss and Customized Soft Labels", 2023,
    arXiv 2303.13005, section 3.1, without the cross-entropy with the label.

    Args:
        student: "b c", logits, finite.
        teacher: "b c", logits, at least one of a row finite; detached.
        label: "b", class numbers, int64, -1 for none; or "b c", probabilities.
        temperature: T of the other classes, no unit, above 0.
        gamma: weight of the other classes, no unit.

    Returns:
        "", nats, float32 (float64 for float64 logits).

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    check_term(student, teacher, label)
    check_temperature(temperature)
    number = class_of(label)
    logits = wide(student)
    knowledge = wide(teacher.detach()).to(logits.dtype)
    log_q = of_class(F.log_softmax(logits, dim=-1), number)
    p = of_class(F.softmax(knowledge, dim=-1), number)
    others = _others_part(logits / temperature, knowledge / temperature, number)
    return labelled_mean(gamma * temperature**2 * others - p * log_q, number)


def _others_part(logits: Tensor, softened: Tensor, number: Tensor) -> Tensor:
    """Compute -sum_{c != y} ph_c log qh_c of each row."""
    own = is_class(logits, number)
    if logits.shape[-1] == 1:
        return torch.zeros_like(logits[:, 0])
    log_q = F.log_softmax(logits.masked_fill(own, float("-inf")), dim=-1)
    p = F.softmax(softened.masked_fill(own, float("-inf")), dim=-1)
    # no number at all where every other class is impossible
    possible = softened.masked_fill(own, float("-inf")) > float("-inf")
    return -(torch.where(possible, p, 0.0) * torch.where(possible, log_q, 0.0)).sum(dim=-1)


def nkd(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> Tensor:
    """Compute `nkd_reference`."""
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import NKD

    return one_term(student, NKD(0, temperature, gamma), teacher, label)
