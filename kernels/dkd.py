"""Decoupled knowledge distillation: the target class and the other classes, weighted apart."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from graphkd.kernels.check import check_temperature, check_term
from graphkd.kernels.labels import class_of, is_class, labelled_mean, of_class
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
    target = _target_part(logits, softened, number)
    others = _others_part(logits, softened, number)
    rows = alpha * target + beta * others
    return labelled_mean(rows, number) * temperature**2


def _target_part(logits: Tensor, softened: Tensor, number: Tensor) -> Tensor:
    """Compute TCKD of each row."""
    own = is_class(logits, number)
    log_q, log_p = (of_class(F.log_softmax(each, dim=-1), number) for each in (logits, softened))
    log_rest_q, log_rest_p = (_log_rest(each, own) for each in (logits, softened))
    return _term(log_p, log_q) + _term(log_rest_p, log_rest_q)


def _log_rest(logits: Tensor, own: Tensor) -> Tensor:
    """Compute log(1 - p_y)."""
    rest = torch.logsumexp(logits.masked_fill(own, float("-inf")), dim=-1)
    return rest - torch.logsumexp(logits, dim=-1)


def _term(log_p: Tensor, log_q: Tensor) -> Tensor:
    possible = log_p > float("-inf")
    difference = torch.where(possible, log_p, 0.0) - torch.where(possible, log_q, 0.0)
    return log_p.exp() * difference


def _others_part(logits: Tensor, softened: Tensor, number: Tensor) -> Tensor:
    """Compute NCKD of each row."""
    own = is_class(logits, number)
    if logits.shape[-1] == 1:
        return torch.zeros_like(logits[:, 0])
    log_q = F.log_softmax(logits.masked_fill(own, float("-inf")), dim=-1)
    log_p = F.log_softmax(softened.masked_fill(own, float("-inf")), dim=-1)
    # no number at all where every other class is impossible
    possible = log_p > float("-inf")
    difference = torch.where(possible, log_p, 0.0) - torch.where(possible, log_q, 0.0)
    return (torch.where(possible, log_p.exp(), 0.0) * difference).sum(dim=-1)


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
    from graphkd.kernels.logits import one_term
    from graphkd.kernels.terms import DKD

    return one_term(student, DKD(0, temperature, alpha, beta), teacher, label)
