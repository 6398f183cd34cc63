"""Decoupled knowledge distillation: the target class and the other classes, weighted apart."""

from __future__ import annotations

from torch import Tensor

from graphkd.kernels.check import check_temperature, check_term
from graphkd.kernels.labels import class_of, labelled_mean, split_by_class
from graphkd.kernels.launch import takes_kernel
from graphkd.kernels.precision import wide


def dkd_reference(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float,
    alpha: float,
    beta: float,
) -> Tensor:
    """Say in plain PyTorch what the kernel must compute.

    With p = softmax(teacher / T), q = softmax(student / T), y the label, and ph, qh the softmax
    over the classes other than y, it is T^2 times the mean over the labelled rows of
    alpha TCKD + beta NCKD:

    - TCKD = p_y log(p_y / q_y) + (1 - p_y) log((1 - p_y) / (1 - q_y))
    - NCKD = sum_{c != y} ph_c log(ph_c / qh_c)

    KL(p || q) = TCKD + (1 - p_y) NCKD. NCKD is 0 with two classes, and where the teacher holds all
    other classes impossible.

    Source: Zhao, Cui, Song, Qiu, Liang, "Decoupled Knowledge Distillation", 2022, arXiv 2203.08679,
    equation 7. Logarithms of 1 - p are taken as differences of two log-sum-exps.

    Args:
        student: "b c", logits, finite.
        teacher: "b c", logits, at least one of a row finite; detached.
        label: "b", class numbers, int64, -1 for none; or "b c", probabilities.
        temperature: T, no unit, above 0.
        alpha: weight of TCKD, no unit.
        beta: weight of NCKD, no unit.

    Returns:
        "", nats, float32 (float64 for float64 logits).

    Raises:
        ValueError: an argument does not fit, with what was expected.
    """
    check_term(student, teacher, label)
    check_temperature(temperature)
    number = class_of(label)
    logits = wide(student) / temperature
    softened = wide(teacher.detach()).to(logits.dtype) / temperature
    log_q, log_rest_q, log_others_q = split_by_class(logits, number)
    log_p, log_rest_p, log_others_p = split_by_class(softened, number)
    target = _term(log_p, log_q) + _term(log_rest_p, log_rest_q)
    others = _term(log_others_p, log_others_q).sum(dim=-1)
    return labelled_mean(alpha * target + beta * others, number) * temperature**2


def _term(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Compute p log(p / q), 0 where p is."""
    return log_p.exp() * (log_p - log_q).masked_fill(log_p == float("-inf"), 0.0)


def dkd(
    student: Tensor,
    teacher: Tensor,
    label: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 1.0,
    beta: float = 8.0,
) -> Tensor:
    """Compute `dkd_reference`."""
    if not takes_kernel(student):
        return dkd_reference(
            student, teacher, label, temperature=temperature, alpha=alpha, beta=beta
        )
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import DKD

    return one_term(student, DKD(0, temperature, alpha, beta), teacher, label)
