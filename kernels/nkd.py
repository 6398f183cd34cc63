"""Normalized knowledge distillation: the target class, and the others renormalized."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import check_temperature, check_term
from graphkd.kernels.labels import class_of, labelled_mean, of_class, split_by_class
from graphkd.kernels.launch import takes_kernel
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
    _, _, log_others_q = split_by_class(logits / temperature, number)
    _, _, log_others_p = split_by_class(knowledge / temperature, number)
    others = log_others_p.exp() * log_others_q.masked_fill(log_others_p == float("-inf"), 0.0)
    rows = -p * log_q - gamma * temperature**2 * others.sum(dim=-1)
    return labelled_mean(rows, number)


def nkd(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float = 1.0,
    gamma: float = 1.5,
) -> Tensor:
    """Compute `nkd_reference`."""
    if not takes_kernel(student):
        return nkd_reference(student, teacher, label, temperature=temperature, gamma=gamma)
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import NKD

    return one_term(student, NKD(0, temperature, gamma), teacher, label)
